/** Nested labels: the way from the top to a label, and what a digit means on one level of the tree. */
import type { ChoiceQuestion, Label, Question } from "./types";

const SEPARATOR = " › ";

export function isNested(question: Question): boolean {
  return question.kind === "choice" && question.labels.some((label) => (label.parent ?? null) !== null);
}

/** Labels directly under one, or at the top. */
export function childrenOf(question: ChoiceQuestion, parent: string | null): Label[] {
  return question.labels.filter((label) => !label.retired && (label.parent ?? null) === parent);
}

/** "Animals › Dogs". */
export function pathOf(labels: readonly Label[], id: string): string {
  const names: string[] = [];
  let at: string | null = id;
  while (at !== null && names.length < 20) {
    const label: Label | undefined = labels.find((each) => each.id === at);
    names.unshift(label?.name ?? at);
    at = label?.parent ?? null;
  }
  return names.join(SEPARATOR);
}

/** Whether a label can be an answer. */
export function isChoosable(question: ChoiceQuestion, id: string): boolean {
  const label = question.labels.find((each) => each.id === id);
  return label !== undefined && !label.retired && !(question.leaves_only === true && childrenOf(question, id).length > 0);
}

/** What stands on an open level, in the order of the digits: the open label itself where it can be chosen, then those under it. */
export function levelOf(question: ChoiceQuestion, open: string | null): Label[] {
  const own = open !== null && isChoosable(question, open) ? question.labels.filter((label) => label.id === open) : [];
  return [...own, ...childrenOf(question, open)];
}
