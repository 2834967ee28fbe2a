/** Undo and redo: steps are groups of changes, cut by what the person did and never by the clock. */
import { apply, invert, type Change, type Doc } from "./document";

export interface History {
  readonly done: readonly (readonly Change[])[];
  readonly undone: readonly (readonly Change[])[];
}

export const NO_HISTORY: History = { done: [], undone: [] };
const MOST_STEPS = 200;

/** Do a step: all its changes, remembered as one. */
export function perform(doc: Doc, history: History, step: readonly Change[]): { doc: Doc; history: History } {
  if (step.length === 0) return { doc, history };
  const after = step.reduce((d, change) => apply(change, d), doc);
  return { doc: after, history: { done: [...history.done, step].slice(-MOST_STEPS), undone: [] } };
}

export function undo(doc: Doc, history: History): { doc: Doc; history: History } {
  const step = history.done.at(-1);
  if (step === undefined) return { doc, history };
  const before = [...step].reverse().reduce((d, change) => apply(invert(change), d), doc);
  return { doc: before, history: { done: history.done.slice(0, -1), undone: [...history.undone, step] } };
}

export function redo(doc: Doc, history: History): { doc: Doc; history: History } {
  const step = history.undone.at(-1);
  if (step === undefined) return { doc, history };
  const after = step.reduce((d, change) => apply(change, d), doc);
  return { doc: after, history: { done: [...history.done, step], undone: history.undone.slice(0, -1) } };
}
