/** Relations between marks: which pairs a question allows, and what becomes of relations when marks change. */
import { answered, apply, isAsked, marksOf, slotOf, spansOf, type Change, type Doc } from "./document";
import type { Question, Region, Relation, RelationQuestion, Span } from "./types";

export function relationsOf(doc: Doc, question: string): readonly Relation[] {
  const { answer } = slotOf(doc, question);
  return answer?.kind === "relation" ? answer.relations : [];
}

/** A span by its id, with its question. */
export function spanNamed(questions: readonly Question[], doc: Doc, id: string): { question: string; span: Span } | null {
  for (const question of questions) {
    const span = question.kind === "span" ? spansOf(doc, question.id).find((each) => each.id === id) : undefined;
    if (span !== undefined) return { question: question.id, span };
  }
  return null;
}

interface End {
  readonly question: string;
  readonly mark: Span | Region;
}

function markNamed(questions: readonly Question[], doc: Doc, id: string): End | null {
  for (const question of questions) {
    if (question.kind !== "span" && question.kind !== "region") continue;
    const mark = marksOf(slotOf(doc, question.id).answer)?.find((each) => each.id === id);
    if (mark !== undefined) return { question: question.id, mark: mark as Span | Region };
  }
  return null;
}

function allows(question: RelationQuestion, from: End, to: End): boolean {
  const start = from.question === question.from_question && (question.from_labels.length === 0 || question.from_labels.includes(from.mark.label));
  const end = to.question === question.to_question && (question.to_labels.length === 0 || question.to_labels.includes(to.mark.label));
  return start && end && from.mark.id !== to.mark.id;
}

/** The question, and the order of the two ends, in which they can be joined; the focused question first. */
export function joint(questions: readonly Question[], doc: Doc, one: string, other: string, focused: string): { question: RelationQuestion; from: string; to: string } | null {
  const [a, b] = [markNamed(questions, doc, one), markNamed(questions, doc, other)];
  if (a === null || b === null) return null;
  const asked = questions.filter((q): q is RelationQuestion => q.kind === "relation" && isAsked(q, doc));
  for (const question of [...asked].sort((p, q) => Number(q.id === focused) - Number(p.id === focused))) {
    if (allows(question, a, b)) return { question, from: one, to: other };
    // Begun at the other end: only one order makes sense.
    if (allows(question, b, a)) return { question, from: other, to: one };
  }
  return null;
}

/** Spans that can be joined with one, in text order, beginning behind it. */
export function partners(questions: readonly Question[], doc: Doc, from: string, focused: string): Span[] {
  const here = spanNamed(questions, doc, from)?.span;
  if (here === undefined) return [];
  const all = questions.flatMap((q) => (q.kind === "span" ? spansOf(doc, q.id) : []));
  const fit = all.filter((span) => joint(questions, doc, from, span.id, focused) !== null);
  const after = (span: Span): number => Number(span.start < here.start);
  return fit.sort((a, b) => after(a) - after(b) || a.start - b.start || a.end - b.end);
}

/** The two ends in an order in which equal relations are equal. */
function key(question: RelationQuestion, relation: Relation): string {
  const ends = [relation.from_id, relation.to_id];
  return [...(question.directed ? ends : ends.sort()), relation.label].join("|");
}

/** The relations with one more; an equal one gives way. */
export function withRelation(question: RelationQuestion, relations: readonly Relation[], added: Relation): Relation[] {
  return [...relations.filter((each) => each.id !== added.id && key(question, each) !== key(question, added)), added];
}

/** The changes that take away relations whose ends are gone, or no longer of a kind that can be joined. */
export function cascade(questions: readonly Question[], doc: Doc): Change[] {
  const changes: Change[] = [];
  for (const question of questions) {
    if (question.kind !== "relation") continue;
    const now = relationsOf(doc, question.id);
    const kept = now.filter((relation) => stands(questions, doc, question, relation));
    if (kept.length < now.length) changes.push(answered(doc, question.id, { kind: "relation", relations: kept }));
  }
  return changes;
}

export function stands(questions: readonly Question[], doc: Doc, question: RelationQuestion, relation: Relation): boolean {
  const from = markNamed(questions, doc, relation.from_id);
  const to = markNamed(questions, doc, relation.to_id);
  return from !== null && to !== null && allows(question, from, to);
}

/** A step and all that follows from it, as one. */
export function whole(questions: readonly Question[], doc: Doc, step: readonly Change[]): Change[] {
  return [...step, ...cascade(questions, step.reduce((d, change) => apply(change, d), doc))];
}

/** Whether relations fit their question: known labels, ends that stand, none twice. */
export function relationsFit(questions: readonly Question[], doc: Doc, question: RelationQuestion, relations: readonly Relation[]): boolean {
  return (
    relations.every((r) => question.labels.some((label) => label.id === r.label) && stands(questions, doc, question, r)) &&
    new Set(relations.map((r) => key(question, r))).size === relations.length &&
    new Set(relations.map((r) => r.id)).size === relations.length
  );
}
