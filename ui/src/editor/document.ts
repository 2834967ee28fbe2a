/**
 * What is being answered about one asset, and how it changes. A change says what was before and after in one question,
 * so it can be inverted; undo, drafts and "what did the person touch" all follow from that.
 */
import { isChoosable } from "./nested";
import type { Answer, Answers, Question, Region, Relation, Span } from "./types";

/** One question's answer, and which parts of it are the model's and not yet confirmed: span ids, or "*" for the whole. */
export interface Slot {
  readonly answer: Answer | null;
  readonly suggested: readonly string[];
}

export type Doc = Readonly<Record<string, Slot>>;

export interface Change {
  readonly question: string;
  readonly before: Slot;
  readonly after: Slot;
}

const EMPTY: Slot = { answer: null, suggested: [] };

export function slotOf(doc: Doc, question: string): Slot {
  return doc[question] ?? EMPTY;
}

export function apply(change: Change, doc: Doc): Doc {
  return { ...doc, [change.question]: change.after };
}

export function invert(change: Change): Change {
  return { question: change.question, before: change.after, after: change.before };
}

/** A document from answers; those a model gave start as suggestions. */
export function open(questions: readonly Question[], answers: Answers, byModel: boolean): Doc {
  const doc: Record<string, Slot> = {};
  for (const question of questions) {
    const answer = answers[question.id] ?? null;
    if (answer !== null && answer.kind !== question.kind) continue;
    doc[question.id] = { answer, suggested: answer !== null && byModel ? suggestible(answer) : [] };
  }
  return doc;
}

function suggestible(answer: Answer): string[] {
  return marksOf(answer)?.map((mark) => mark.id) ?? ["*"];
}

/** Spans, regions or relations, which are confirmed one by one; undefined for answers that are confirmed as a whole. */
export function marksOf(answer: Answer | null): readonly (Span | Region | Relation)[] | undefined {
  if (answer?.kind === "span") return answer.spans;
  if (answer?.kind === "region") return answer.regions;
  return answer?.kind === "relation" ? answer.relations : undefined;
}

/** All answers that are given and asked for, ready to be sent. Questions without marks say so: an empty list. */
export function answersOf(questions: readonly Question[], doc: Doc): Record<string, Answer> {
  const found: Record<string, Answer> = {};
  for (const question of questions) {
    if (question.retired || !isAsked(question, doc)) continue;
    const { answer } = slotOf(doc, question.id);
    if (question.kind === "relation") {
      // What is joined may belong to a question that is no longer asked.
      const sent = new Set(Object.values(found).flatMap((each) => (each.kind === "relation" ? [] : (marksOf(each) ?? []).map((mark) => mark.id))));
      const relations = answer?.kind === "relation" ? answer.relations.filter((r) => sent.has(r.from_id) && sent.has(r.to_id)) : [];
      found[question.id] = { kind: "relation", relations };
    } else if (answer !== null) found[question.id] = answer;
    else if (question.kind === "span") found[question.id] = { kind: "span", spans: [] };
    else if (question.kind === "region") found[question.id] = { kind: "region", regions: [] };
    else if (question.kind === "choice" && question.multiple && question.required) found[question.id] = { kind: "choice", labels: [] };
  }
  return found;
}

/** Whether a question applies, given the answers so far. */
export function isAsked(question: Question, doc: Doc): boolean {
  const condition = question.depends_on;
  if (!condition) return true;
  const { answer } = slotOf(doc, condition.question);
  return answer?.kind === "choice" && answer.labels.some((label) => condition.labels.includes(label));
}

/** Required questions that still need an answer. */
export function missing(questions: readonly Question[], doc: Doc): Question[] {
  const given = answersOf(questions, doc);
  return questions.filter((q) => q.required && !q.retired && isAsked(q, doc) && given[q.id] === undefined);
}

export function regionsOf(doc: Doc, question: string): readonly Region[] {
  const { answer } = slotOf(doc, question);
  return answer?.kind === "region" ? answer.regions : [];
}

export function spansOf(doc: Doc, question: string): readonly Span[] {
  const { answer } = slotOf(doc, question);
  return answer?.kind === "span" ? answer.spans : [];
}

/** The change to another answer; a part that the person touched is no longer a suggestion. */
export function answered(doc: Doc, question: string, answer: Answer | null): Change {
  const before = slotOf(doc, question);
  const marks = marksOf(answer);
  if (marks === undefined) return { question, before, after: { answer, suggested: [] } };
  const untouched = new Map((marksOf(before.answer) ?? []).map((mark) => [mark.id, mark]));
  const same = new Set(marks.filter((mark) => untouched.get(mark.id) === mark).map((mark) => mark.id));
  return { question, before, after: { answer, suggested: before.suggested.filter((id) => same.has(id)) } };
}

/** The change that confirms these suggested parts, or all of a question. */
export function confirmed(doc: Doc, question: string, parts: readonly string[] | null): Change {
  const before = slotOf(doc, question);
  const suggested = parts === null ? [] : before.suggested.filter((id) => !parts.includes(id));
  return { question, before, after: { answer: before.answer, suggested } };
}

/** The spans with one more; where overlap is not allowed, whatever it touches gives way. */
export function withSpan(spans: readonly Span[], added: Span, overlap: boolean): Span[] {
  const others = spans.filter((span) => span.id !== added.id);
  const kept = overlap
    ? others.filter((span) => !(span.start === added.start && span.end === added.end && span.label === added.label))
    : others.filter((span) => span.end <= added.start || added.end <= span.start);
  return [...kept, added].sort((a, b) => a.start - b.start || b.end - a.end);
}

/** Whether an answer fits its question and a text of `length` code points; the same rule as the server's. Ends of relations: see `relationsFit`. */
export function fits(question: Question, answer: Answer, length: number): boolean {
  switch (answer.kind) {
    case "choice":
      return (
        question.kind === "choice" &&
        (question.multiple || answer.labels.length === 1) &&
        new Set(answer.labels).size === answer.labels.length &&
        answer.labels.every((id) => isChoosable(question, id))
      );
    case "scalar":
      return (
        question.kind === "scalar" &&
        (question.type === "boolean") === (typeof answer.value === "boolean") &&
        (typeof answer.value === "boolean" ||
          (Number.isFinite(answer.value) &&
            (question.type !== "integer" || Number.isInteger(answer.value)) &&
            (question.minimum === null || answer.value >= question.minimum) &&
            (question.maximum === null || answer.value <= question.maximum)))
      );
    case "text":
      return question.kind === "text" && answer.text.length <= question.max_length;
    case "span": {
      if (question.kind !== "span") return false;
      const inside = answer.spans.every(
        (s) => s.start >= 0 && s.start < s.end && s.end <= length && question.labels.some((label) => label.id === s.label),
      );
      const ids = new Set(answer.spans.map((s) => s.id)).size === answer.spans.length;
      const apart = question.overlap || answer.spans.every((s, i) => i === 0 || (answer.spans[i - 1]?.end ?? 0) <= s.start);
      return inside && ids && apart;
    }
    case "region":
      return question.kind === "region" && answer.regions.every((r) => question.shapes.includes(r.shape.kind) && question.labels.some((label) => label.id === r.label));
    case "relation":
      return question.kind === "relation" && answer.relations.every((r) => r.from_id !== r.to_id);
  }
}
