/**
 * What answering questions about any asset shares, whatever is shown beside them: which question is focused, choices (nested
 * ones level by level), numbers, free texts, confirming, undo. The sessions of texts and images add their marks to it.
 */
import { answered, confirmed, isAsked, open, slotOf, type Change, type Doc } from "./document";
import { NO_HISTORY, perform, redo, undo, type History } from "./history";
import { childrenOf, isChoosable, isNested, levelOf } from "./nested";
import { whole } from "./relations";
import type { Answer, Answers, ChoiceQuestion, Label, Question } from "./types";

export interface FormGiven {
  readonly questions: readonly Question[];
  /** Makes ids of new marks. */
  readonly newId: () => string;
}

export interface FormState {
  readonly doc: Doc;
  readonly history: History;
  /** The question that digits answer. */
  readonly question: string;
  /** Question -> the label whose level is open, for nested labels. */
  readonly level: Readonly<Record<string, string>>;
  /** Grows with every change of the answers: drafts are saved when it does. */
  readonly revision: number;
}

export type FormEvent =
  | { type: "open"; question: string; label: string | null }
  | { type: "focus"; question: string }
  | { type: "next-question"; by: 1 | -1 }
  | { type: "answer"; question: string; answer: Answer | null }
  | { type: "undo" }
  | { type: "redo" };

export function begin(given: FormGiven, answers: Answers, byModel: boolean): FormState {
  const doc = open(given.questions, answers, byModel);
  const first = given.questions.find((q) => isAsked(q, doc));
  return { doc, history: NO_HISTORY, question: first?.id ?? "", level: {}, revision: 0 };
}

/** One event of the form; the same state when it means nothing. */
export function stepForm<S extends FormState>(state: S, event: FormEvent, given: FormGiven): S {
  switch (event.type) {
    case "open":
      return openLevel(state, given, event.question, event.label);
    case "focus":
      return given.questions.some((q) => q.id === event.question) ? { ...state, question: event.question } : state;
    case "next-question": {
      const asked = given.questions.filter((q) => isAsked(q, state.doc));
      const here = asked.findIndex((q) => q.id === state.question);
      const next = asked[(here + event.by + asked.length) % Math.max(asked.length, 1)];
      return next === undefined ? state : { ...state, question: next.id };
    }
    case "answer":
      return commit(state, given, [answered(state.doc, event.question, event.answer)]);
    case "undo":
    case "redo": {
      const back = (event.type === "undo" ? undo : redo)(state.doc, state.history);
      return back.history === state.history ? state : { ...state, ...back, revision: state.revision + 1 };
    }
  }
}

/** Do changes as one step. Relations of a mark that goes go with it. */
export function commit<S extends FormState>(state: S, given: FormGiven, changes: readonly Change[]): S {
  const after = perform(state.doc, state.history, whole(given.questions, state.doc, changes));
  return { ...state, ...after, revision: state.revision + 1 };
}

/** The question that digits answer now. */
export function focused(state: FormState, given: FormGiven): Question | undefined {
  return given.questions.find((q) => q.id === state.question);
}

/** Labels of a question in the order of their digits. */
export function digitsOf(state: FormState, question: Question | undefined): readonly Label[] {
  if (question === undefined || !("labels" in question)) return [];
  if (question.kind === "choice" && isNested(question)) return levelOf(question, state.level[question.id] ?? null);
  return question.labels.filter((each) => !each.retired);
}

/** Choose or take away a label; one with others under it opens them unless it is `chosen` itself. */
export function choose<S extends FormState>(state: S, given: FormGiven, question: ChoiceQuestion, id: string, chosen: boolean): S {
  const opens = isNested(question) && !chosen && id !== state.level[question.id] && childrenOf(question, id).length > 0;
  if (opens) return openLevel(state, given, question.id, id);
  if (!isChoosable(question, id)) return state;
  const slot = slotOf(state.doc, question.id);
  const now = slot.answer?.kind === "choice" ? slot.answer.labels : [];
  let labels: readonly string[];
  if (question.multiple) labels = now.includes(id) ? now.filter((each) => each !== id) : [...now, id];
  // Pressing the digit of what the model suggests confirms it; pressing it again takes it away.
  else labels = now.includes(id) && slot.suggested.length === 0 ? [] : [id];
  const answer: Answer | null = labels.length === 0 && !question.multiple ? null : { kind: "choice", labels };
  return commit(state, given, [answered(state.doc, question.id, answer)]);
}

/** Confirm these suggested parts of a question, or all of it; the same state where nothing of it is suggested. */
export function confirmParts<S extends FormState>(state: S, given: FormGiven, question: string, parts: readonly string[] | null): S {
  const { suggested } = slotOf(state.doc, question);
  if (!suggested.some((id) => parts === null || parts.includes(id))) return state;
  return commit(state, given, [confirmed(state.doc, question, parts)]);
}

/** Up one level of nested labels. */
export function up<S extends FormState>(state: S, given: FormGiven): S {
  const question = focused(state, given);
  const at = state.level[state.question];
  if (question?.kind !== "choice" || at === undefined) return state;
  return openLevel(state, given, question.id, question.labels.find((each) => each.id === at)?.parent ?? null);
}

function openLevel<S extends FormState>(state: S, given: FormGiven, id: string, label: string | null): S {
  const question = given.questions.find((q) => q.id === id);
  if (question?.kind !== "choice" || !isNested(question)) return state;
  const others = Object.fromEntries(Object.entries(state.level).filter(([key]) => key !== id));
  const known = label !== null && childrenOf(question, label).length > 0;
  return { ...state, level: known ? { ...others, [id]: label } : others };
}
