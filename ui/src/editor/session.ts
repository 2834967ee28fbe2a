/**
 * The editor of one text as a pure reducer: (state, event) -> state. The screen draws the state and turns keys and
 * pointers into events; nothing here knows a browser. Everything can be done without a pointer and without a drag.
 *
 * Modes: the caret stands on a token; moving with shift selects; a span can be picked; its borders can be moved; from it a
 * relation can be drawn to another span; a relation can be picked. In nested labels one level is open.
 */
import { answered, slotOf, spansOf, withSpan, type Doc } from "./document";
import { begin, choose, commit, confirmParts, digitsOf, focused, stepForm, up, type FormEvent, type FormGiven, type FormState } from "./form";
import { joint, partners, relationsOf, withRelation } from "./relations";
import { OffsetTable, type Range } from "./offsets";
import type { Answers, Label, Question, Relation, RelationQuestion, Span } from "./types";

export interface Fixed extends FormGiven {
  readonly table: OffsetTable;
  /** Where the caret can stand. */
  readonly tokens: readonly Range[];
}

export interface State extends FormState {
  /** Token the caret stands on; -1 in a text without tokens. */
  readonly at: number;
  /** What is selected, in code points; null when only the caret is there. */
  readonly selection: Range | null;
  /** Fixed end of a selection made with the keyboard. */
  readonly anchor: number;
  readonly picked: string | null;
  readonly moving: boolean;
  /** A relation being drawn: where it begins, and where it would end. */
  readonly relating: { readonly from: string; readonly to: string | null } | null;
  readonly pickedRelation: string | null;
  readonly lastLabel: string | null;
}

export type Event =
  | FormEvent
  | { type: "move"; by: number; extend?: boolean; characters?: boolean }
  | { type: "edge"; to: "start" | "end"; extend?: boolean }
  | { type: "select"; start: number; end: number }
  | { type: "place"; point: number }
  | { type: "pick"; span: string | null }
  | { type: "walk"; by: 1 | -1 }
  /** `whole`: choose a nested label that has others under it, instead of opening it. */
  | { type: "label"; label: string; whole?: boolean }
  | { type: "relate" }
  | { type: "pick-relation"; relation: string | null }
  | { type: "link"; link: string | null }
  | { type: "again" }
  | { type: "delete" }
  | { type: "confirm" }
  | { type: "move-borders" }
  | { type: "border"; end: "start" | "end"; by: number }
  | { type: "everywhere" }
  | { type: "cancel" };

export function fixed(questions: readonly Question[], text: string, newId: () => string): Fixed {
  const table = new OffsetTable(text);
  return { questions: questions.filter((q) => !q.retired), table, tokens: table.words(), newId };
}

export function start(given: Fixed, answers: Answers, byModel: boolean): State {
  return {
    ...begin(given, answers, byModel),
    at: given.tokens.length > 0 ? 0 : -1,
    selection: null,
    anchor: 0,
    picked: null,
    moving: false,
    relating: null,
    pickedRelation: null,
    lastLabel: null,
  };
}

/** Events that leave a relation being drawn as it is. */
const KEEPS_RELATING: ReadonlySet<Event["type"]> = new Set(["walk", "pick", "label", "relate", "again"]);
/** Events that leave the picked relation picked. */
const KEEPS_RELATION: ReadonlySet<Event["type"]> = new Set(["label", "delete", "confirm", "walk", "pick-relation", "next-question"]);

export function step(state: State, event: Event, given: Fixed): State {
  if (state.relating !== null) {
    if (event.type === "cancel") return { ...state, relating: null };
    if (!KEEPS_RELATING.has(event.type)) return step({ ...state, relating: null }, event, given);
    if (event.type === "walk" || event.type === "pick" || event.type === "relate") return aim(state, given, event);
  }
  if (state.pickedRelation !== null && !KEEPS_RELATION.has(event.type)) {
    return step({ ...state, pickedRelation: null }, event, given);
  }
  switch (event.type) {
    case "move":
      return event.characters === true && event.extend === true
        ? extendByCharacter(state, given, event.by)
        : moveTo(state, given, state.at + event.by, event.extend === true);
    case "edge":
      return moveTo(state, given, event.to === "start" ? 0 : given.tokens.length - 1, event.extend === true);
    case "select": {
      const range = clean(given, event.start, event.end);
      if (range === null) return step(state, { type: "place", point: event.start }, given);
      const at = tokenAt(given, range.start);
      return { ...state, selection: range, at, anchor: at, picked: null, moving: false };
    }
    case "place": {
      const at = tokenAt(given, event.point);
      return { ...state, at, anchor: at, selection: null, picked: null, moving: false };
    }
    case "pick":
      return pick(state, given, event.span);
    case "walk":
      return walk(state, given, event.by);
    case "label":
      return label(state, given, event.label, event.whole === true);
    case "relate":
      return relate(state, given);
    case "pick-relation": {
      const found = relationNamed(given, state.doc, event.relation);
      return found === null
        ? { ...state, pickedRelation: null }
        : { ...state, pickedRelation: found.relation.id, question: found.question.id, picked: null, selection: null, moving: false };
    }
    case "link": {
      const found = picked(state, given);
      if (found === null || (found.question.knowledge ?? "") === "") return state;
      const spans = spansOf(state.doc, found.question.id).map((s) => (s.id === found.span.id ? { ...human(s), link: event.link } : s));
      return commit(state, given, [answered(state.doc, found.question.id, { kind: "span", spans })]);
    }
    case "again":
      return state.lastLabel === null ? state : label(state, given, state.lastLabel, false);
    case "delete":
      return remove(state, given);
    case "confirm":
      return confirm(state, given);
    case "move-borders":
      return state.picked === null ? state : { ...state, moving: !state.moving };
    case "border":
      return moveBorder(state, given, event.end, event.by);
    case "everywhere":
      return everywhere(state, given);
    case "open":
    case "answer":
      return stepForm(state, event, given);
    case "focus":
    case "next-question": {
      const next = stepForm(state, event, given);
      return next === state ? state : { ...next, picked: null, pickedRelation: null, moving: false };
    }
    case "cancel":
      if (state.moving) return { ...state, moving: false };
      if (state.picked === null && state.selection === null && state.level[state.question] !== undefined) return up(state, given);
      return { ...state, selection: null, picked: null };
    case "undo":
    case "redo": {
      const back = stepForm(state, event, given);
      return back === state ? state : { ...back, picked: null, pickedRelation: null, moving: false };
    }
  }
}

/** The picked span with its question. */
export function picked(state: State, given: Fixed): { question: Question & { kind: "span" }; span: Span } | null {
  for (const question of given.questions) {
    if (question.kind !== "span") continue;
    const span = spansOf(state.doc, question.id).find((s) => s.id === state.picked);
    if (span !== undefined) return { question, span };
  }
  return null;
}

/** What a label would be put on: the selection, else the caret's token. */
export function target(state: State, given: Fixed): Range | null {
  return state.selection ?? given.tokens[state.at] ?? null;
}

/** Every span of every question, lowest confidence first; people's spans, which have none, last and in text order. */
export function byDoubt(state: State, given: Fixed): { question: string; span: Span; suggested: boolean }[] {
  const all = given.questions.flatMap((q) => {
    const suggested = new Set(slotOf(state.doc, q.id).suggested);
    return spansOf(state.doc, q.id).map((span) => ({ question: q.id, span, suggested: suggested.has(span.id) }));
  });
  const doubt = (s: { span: Span; suggested: boolean }): number => (s.suggested ? (s.span.score ?? 1) : 2);
  return all.sort((a, b) => doubt(a) - doubt(b) || a.span.start - b.span.start);
}

/** A range inside the text, without white space at its ends and never cutting a character a person sees; null if empty. */
function clean(given: Fixed, start: number, end: number): Range | null {
  let [low, high] = start <= end ? [start, end] : [end, start];
  low = Math.max(0, low);
  high = Math.min(given.table.length, high);
  while (low < high && /^\s$/u.test(given.table.slice(low, low + 1))) low += 1;
  while (low < high && /^\s$/u.test(given.table.slice(high - 1, high))) high -= 1;
  return low < high ? given.table.snapped(low, high) : null;
}

/** The token that holds a code point, else the nearest one before it. */
export function tokenAt(given: Fixed, point: number): number {
  let low = 0;
  let high = given.tokens.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((given.tokens[middle]?.start ?? 0) <= point) low = middle;
    else high = middle - 1;
  }
  return given.tokens.length === 0 ? -1 : low;
}

function moveTo(state: State, given: Fixed, to: number, extend: boolean): State {
  const at = Math.max(0, Math.min(to, given.tokens.length - 1));
  const here = given.tokens[at];
  if (here === undefined) return state;
  if (!extend) return { ...state, at, anchor: at, selection: null, picked: null, moving: false };
  const anchor = state.selection === null ? state.at : state.anchor;
  const fixedEnd = given.tokens[anchor] ?? here;
  const selection = { start: Math.min(here.start, fixedEnd.start), end: Math.max(here.end, fixedEnd.end) };
  return { ...state, at, anchor, selection, picked: null, moving: false };
}

function extendByCharacter(state: State, given: Fixed, by: number): State {
  const now = target(state, given);
  if (now === null) return state;
  const window = { start: Math.max(0, now.start), end: Math.min(given.table.length, now.end + 40) };
  const borders = given.table.graphemes(window.start, window.end);
  const i = borders.findIndex((border) => border >= now.end);
  const end = borders[i + by] ?? now.end;
  return end <= now.start ? state : { ...state, selection: { start: now.start, end } };
}

function pick(state: State, given: Fixed, id: string | null): State {
  const next = { ...state, picked: id, moving: false, selection: null };
  const found = id === null ? null : picked(next, given);
  if (found === null) return { ...next, picked: null };
  const at = tokenAt(given, found.span.start);
  return { ...next, question: found.question.id, at, anchor: at };
}

/** Begin a relation at the picked span, if something can be joined with it; the nearest one is proposed. */
function relate(state: State, given: Fixed): State {
  if (state.picked === null) return state;
  const first = partners(given.questions, state.doc, state.picked, state.question)[0];
  return first === undefined ? state : { ...state, relating: { from: state.picked, to: first.id }, moving: false, selection: null };
}

/** Choose where the relation being drawn ends. */
function aim(state: State, given: Fixed, event: Event & { type: "walk" | "pick" | "relate" }): State {
  const { relating } = state;
  if (relating === null) return state;
  const possible = partners(given.questions, state.doc, relating.from, state.question);
  if (event.type === "pick") {
    return possible.some((span) => span.id === event.span) ? { ...state, relating: { ...relating, to: event.span } } : state;
  }
  const by = event.type === "walk" ? event.by : 1;
  const here = possible.findIndex((span) => span.id === relating.to);
  const next = possible[(here + by + possible.length) % Math.max(possible.length, 1)];
  return next === undefined ? state : { ...state, relating: { ...relating, to: next.id } };
}

/** What the relation being drawn would join, and the question it answers. */
export function drawn(state: State, given: Fixed): { question: RelationQuestion; from: string; to: string } | null {
  const to = state.relating?.to ?? null;
  if (state.relating === null || to === null) return null;
  return joint(given.questions, state.doc, state.relating.from, to, state.question);
}

/** A relation by its id, with its question. */
export function relationNamed(given: Fixed, doc: Doc, id: string | null): { question: RelationQuestion; relation: Relation } | null {
  for (const question of given.questions) {
    if (question.kind !== "relation") continue;
    const relation = relationsOf(doc, question.id).find((each) => each.id === id);
    if (relation !== undefined) return { question, relation };
  }
  return null;
}

/** Relations of a question, the model's least confident first; people's last. */
export function relationsByDoubt(state: State, question: string): { relation: Relation; suggested: boolean }[] {
  const { suggested } = slotOf(state.doc, question);
  const all = relationsOf(state.doc, question).map((relation) => ({ relation, suggested: suggested.includes(relation.id) }));
  const doubt = (each: (typeof all)[number]): number => (each.suggested ? (each.relation.score ?? 1) : 2);
  return all.sort((a, b) => doubt(a) - doubt(b));
}

/** The labels that digits mean now, in their order. */
export function digits(state: State, given: Fixed): readonly Label[] {
  const joined = drawn(state, given)?.question ?? relationNamed(given, state.doc, state.pickedRelation)?.question;
  return digitsOf(state, joined ?? picked(state, given)?.question ?? focused(state, given));
}

function join(state: State, given: Fixed, id: string): State {
  const pair = drawn(state, given);
  if (pair === null || !pair.question.labels.some((each) => each.id === id && !each.retired)) return state;
  const added: Relation = { id: given.newId(), label: id, from_id: pair.from, to_id: pair.to };
  const relations = withRelation(pair.question, relationsOf(state.doc, pair.question.id), added);
  // The span it began at stays picked: the next relation from it is one key away.
  return { ...commit(state, given, [answered(state.doc, pair.question.id, { kind: "relation", relations })]), relating: null };
}

function walk(state: State, given: Fixed, by: 1 | -1): State {
  if (focused(state, given)?.kind === "relation" && state.picked === null) {
    const all = relationsByDoubt(state, state.question);
    const here = all.findIndex((each) => each.relation.id === state.pickedRelation);
    const next = all[here === -1 ? (by === 1 ? 0 : all.length - 1) : (here + by + all.length) % all.length];
    return next === undefined ? state : { ...state, pickedRelation: next.relation.id };
  }
  const all = byDoubt(state, given);
  if (all.length === 0) return state;
  const here = all.findIndex((each) => each.span.id === state.picked);
  const next = here === -1 ? (by === 1 ? 0 : all.length - 1) : (here + by + all.length) % all.length;
  return pick(state, given, all[next]?.span.id ?? null);
}

function label(state: State, given: Fixed, id: string, chosen: boolean): State {
  if (state.relating !== null) return join(state, given, id);
  const relation = relationNamed(given, state.doc, state.pickedRelation);
  if (relation !== null) return relabel(state, given, relation.question, relation.relation, id);
  const found = picked(state, given);
  if (found !== null && found.question.labels.some((l) => l.id === id)) {
    const spans = spansOf(state.doc, found.question.id).map((s) => (s.id === found.span.id ? human({ ...s, label: id }) : s));
    return { ...commit(state, given, [answered(state.doc, found.question.id, { kind: "span", spans })]), lastLabel: id };
  }
  const question = focused(state, given);
  if (question === undefined) return state;
  if (question.kind === "choice") return choose(state, given, question, id, chosen);
  if (question.kind !== "span" || !question.labels.some((l) => l.id === id)) return state;
  const range = target(state, given);
  if (range === null) return state;
  const added: Span = { id: given.newId(), label: id, start: range.start, end: range.end };
  const spans = withSpan(spansOf(state.doc, question.id), added, question.overlap);
  const after = commit(state, given, [answered(state.doc, question.id, { kind: "span", spans })]);
  // On to the next token, so that a run of names is labelled by pressing one digit after another.
  const next = Math.min(tokenAt(given, range.end - 1) + 1, given.tokens.length - 1);
  return { ...after, selection: null, picked: null, at: next, anchor: next, lastLabel: id };
}

function relabel(state: State, given: Fixed, question: RelationQuestion, relation: Relation, id: string): State {
  if (!question.labels.some((each) => each.id === id && !each.retired)) return state;
  const { from_id, to_id } = relation;
  const relations = withRelation(question, relationsOf(state.doc, question.id), { id: relation.id, label: id, from_id, to_id });
  return commit(state, given, [answered(state.doc, question.id, { kind: "relation", relations })]);
}

function human(span: Span): Span {
  const { id, label, start, end, attributes, link } = span;
  return { id, label, start, end, ...(attributes === undefined ? {} : { attributes }), ...((link ?? null) === null ? {} : { link }) };
}

function remove(state: State, given: Fixed): State {
  const gone = relationNamed(given, state.doc, state.pickedRelation);
  if (gone !== null) {
    const relations = relationsOf(state.doc, gone.question.id).filter((each) => each.id !== gone.relation.id);
    return { ...commit(state, given, [answered(state.doc, gone.question.id, { kind: "relation", relations })]), pickedRelation: null };
  }
  const found = picked(state, given);
  if (found === null) return up(state, given);
  const spans = spansOf(state.doc, found.question.id).filter((s) => s.id !== found.span.id);
  return { ...commit(state, given, [answered(state.doc, found.question.id, { kind: "span", spans })]), picked: null, moving: false };
}

function confirm(state: State, given: Fixed): State {
  const relation = relationNamed(given, state.doc, state.pickedRelation);
  if (relation !== null) return confirmParts(state, given, relation.question.id, [relation.relation.id]);
  const found = picked(state, given);
  if (found !== null) return confirmParts(state, given, found.question.id, [found.span.id]);
  return confirmParts(state, given, state.question, null);
}

function moveBorder(state: State, given: Fixed, which: "start" | "end", by: number): State {
  const found = picked(state, given);
  if (found === null || !state.moving) return state;
  const { span, question } = found;
  const borders = given.tokens.map((token) => (which === "start" ? token.start : token.end));
  const now = which === "start" ? span.start : span.end;
  const beyond = by > 0 ? borders.find((b) => b > now) : borders.findLast((b) => b < now);
  if (beyond === undefined) return state;
  const moved = human({ ...span, [which]: beyond });
  if (moved.start >= moved.end) return state;
  // The others stay where they are: a border stops at its neighbour where overlap is not allowed.
  const others = spansOf(state.doc, question.id).filter((s) => s.id !== span.id);
  if (!question.overlap && others.some((s) => s.start < moved.end && moved.start < s.end)) return state;
  const spans = [...others, moved].sort((a, b) => a.start - b.start || b.end - a.end);
  return commit(state, given, [answered(state.doc, question.id, { kind: "span", spans })]);
}

function everywhere(state: State, given: Fixed): State {
  const found = picked(state, given);
  if (found === null) return state;
  const { span, question } = found;
  let spans: readonly Span[] = spansOf(state.doc, question.id);
  let added = 0;
  for (const range of given.table.occurrences(given.table.slice(span.start, span.end))) {
    if (spans.some((s) => s.start < range.end && range.start < s.end)) continue;
    spans = withSpan(spans, { id: given.newId(), label: span.label, ...range }, question.overlap);
    added += 1;
  }
  return added === 0 ? state : commit(state, given, [answered(state.doc, question.id, { kind: "span", spans })]);
}
