/** What pictures of answers need of the answers and the questions. */
import type { Answers, Question, Region } from "../editor/types";

/** Every region of the answers, over all questions. */
export function regionsOf(answers: Answers | null | undefined): readonly Region[] {
  return Object.values(answers ?? {}).flatMap((answer) => (answer.kind === "region" ? answer.regions : []));
}

/** Colour by label id. */
export function coloursOf(questions: readonly Question[]): Readonly<Record<string, string>> {
  return Object.fromEntries(questions.flatMap((q) => (q.kind === "region" ? q.labels.map((l) => [l.id, l.colour] as const) : [])));
}

/** Lines of the skeletons by label id. */
export function edgesOf(questions: readonly Question[]): Readonly<Record<string, readonly (readonly [number, number])[]>> {
  return Object.fromEntries(questions.flatMap((q) => (q.kind === "region" ? q.labels.flatMap((l) => (l.skeleton?.edges === undefined ? [] : [[l.id, l.skeleton.edges] as const])) : [])));
}

/** How often each label was given, in the order of the labels. */
export function countsOf(question: Question & { kind: "region" }, regions: readonly { readonly label: string }[]): { id: string; name: string; colour: string; n: number }[] {
  const counted = new Map<string, number>();
  for (const { label } of regions) counted.set(label, (counted.get(label) ?? 0) + 1);
  const known = question.labels.filter((l) => counted.has(l.id)).map((l) => ({ id: l.id, name: l.name, colour: l.colour, n: counted.get(l.id) ?? 0 }));
  const unknown = [...counted].filter(([id]) => !question.labels.some((l) => l.id === id)).map(([id, n]) => ({ id, name: id, colour: "#888888", n }));
  return [...known, ...unknown];
}
