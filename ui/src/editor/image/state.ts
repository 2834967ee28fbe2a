/** What the editor of one image knows: tool, what is being drawn, what is selected, hidden and locked; and small questions about it. */
import { answered, isAsked, regionsOf, slotOf, type Change, type Doc } from "../document";
import { commit, type FormEvent, type FormGiven, type FormState } from "../form";
import type { Label, Point, Question, Region, RegionQuestion, Shape, ShapeKind } from "../types";
import { sound } from "./fit";
import type { Grip } from "./geometry";
import type { Extent } from "./scene";
import type { MaskTiles } from "./tiles";

export interface Given extends FormGiven {
  readonly extent: Extent;
}

export type Tool = "select" | "eraser" | ShapeKind;

/** Where the pointer is, in image pixels; it may be outside of the image. */
export interface Pointer {
  readonly at: Point;
  /** Screen pixels per image pixel: what is near is a matter of the screen. */
  readonly scale: number;
  readonly shift?: boolean;
  readonly alt?: boolean;
  readonly mod?: boolean;
}

/** What is going on. Panning and zooming are no modes: they belong to the camera and leave this as it is. */
export type Mode =
  | { readonly kind: "idle" }
  /** Pressed on something with the select tool and not moved yet; `under`: regions there, smallest first. */
  | { readonly kind: "select.pressed"; readonly from: Pointer; readonly under: readonly string[] }
  | { readonly kind: "select.moving"; readonly from: Point; readonly to: Point }
  | { readonly kind: "select.marquee"; readonly from: Point; readonly to: Point; readonly add: boolean }
  /** A handle follows the pointer: held down (`pressed`), or picked with a click or a key and put down with another. */
  | { readonly kind: "handle.moving"; readonly id: string; readonly grip: Grip; readonly shape: Shape; readonly from: Point; readonly to: Point | null; readonly pressed: boolean; readonly square: boolean }
  | { readonly kind: "box.drawing"; readonly from: Point; readonly to: Point; readonly pressed: Point | null }
  /** One side of the turned box, then how far the opposite side is. */
  | { readonly kind: "rotated_box.drawing"; readonly from: Point; readonly side: Point | null; readonly to: Point; readonly pressed: Point | null }
  /** `hole`: the polygon it is cut out of. `undone`: points taken back, newest last. */
  | { readonly kind: "chain.drawing"; readonly closed: boolean; readonly points: readonly Point[]; readonly undone: readonly Point[]; readonly to: Point; readonly hole: string | null }
  | { readonly kind: "points.drawing"; readonly points: readonly Placed[]; readonly undone: readonly Placed[]; readonly next: 0 | 1 | 2; readonly to: Point }
  | { readonly kind: "brush.painting"; readonly points: readonly Point[]; readonly tiles: MaskTiles; readonly erase: boolean };

/** A key point and whether it is seen: 0 absent, 1 hidden, 2 visible. */
export interface Placed {
  readonly at: Point;
  readonly seen: 0 | 1 | 2;
}

export interface State extends FormState {
  readonly tool: Tool;
  readonly mode: Mode;
  /** Question -> label that is drawn next. */
  readonly labels: Readonly<Record<string, string>>;
  /** In the order in which they were selected. */
  readonly selected: readonly string[];
  /** What was drawn last: its attributes are asked although it is not selected. */
  readonly newest: string | null;
  /** The mask that strokes go on to; null: the next stroke makes a new one. */
  readonly painting: string | null;
  readonly hover: string | null;
  readonly pointer: Point | null;
  readonly crosshair: Point | null;
  /** End of the last stroke: shift and a click paint a straight line from it. */
  readonly lastStroke: Point | null;
  /** Radius in image pixels. */
  readonly brush: number;
  /** What is drawn next is cut out of what is there. */
  readonly cutting: boolean;
  readonly hidden: ReadonlySet<string>;
  readonly locked: ReadonlySet<string>;
  readonly bare: boolean;
  /** The newest step is a run of arrow presses on this selection, which one undo takes back. */
  readonly nudging: boolean;
}

export type Event =
  | FormEvent
  | { type: "pointer-down"; pointer: Pointer }
  | { type: "pointer-move"; pointer: Pointer }
  | { type: "pointer-up"; pointer: Pointer }
  /** The pointer left the stage. */
  | { type: "pointer-out" }
  | { type: "double"; pointer: Pointer }
  /** Arrow keys, in image pixels; `from` is where a crosshair appears. */
  | { type: "arrow"; dx: number; dy: number; from: Point }
  /** A point at the crosshair. */
  | { type: "place"; from: Point; scale: number }
  | { type: "finish" }
  | { type: "cancel" }
  | { type: "delete" }
  | { type: "tool"; tool: Tool }
  | { type: "label"; label: string; whole?: boolean }
  | { type: "pick"; regions: readonly string[]; add?: boolean }
  | { type: "walk"; by: 1 | -1 }
  | { type: "walk-points"; by: 1 | -1 }
  | { type: "select-all" }
  | { type: "confirm" }
  | { type: "reject" }
  | { type: "duplicate" }
  | { type: "paste"; copied: readonly Copied[] }
  | { type: "merge" }
  | { type: "cut" }
  | { type: "convert" }
  | { type: "order"; to: "front" | "back" }
  | { type: "hide"; regions: readonly string[]; on: boolean }
  | { type: "lock"; regions: readonly string[]; on: boolean }
  | { type: "bare"; on: boolean }
  | { type: "cutting"; on: boolean }
  | { type: "brush"; radius: number }
  | { type: "visibility" }
  | { type: "attribute"; regions: readonly string[]; attribute: string; value: string | number | boolean | null };

/** A region on its way to another place or image. */
export interface Copied {
  readonly question: string;
  readonly region: Region;
}

export const IDLE: Mode = { kind: "idle" };
/** Below this many screen pixels, a drag was a click. */
export const CLICK_PX = 3;
/** Handles are drawn at 8 px and can be hit within 12 px. */
export const HANDLE_PX = 12;
export const EDGE_PX = 6;
/** How far from a box the handle that turns it stands. */
export const LIFT_PX = 28;

export interface Found {
  readonly question: RegionQuestion;
  readonly region: Region;
  readonly suggested: boolean;
}

export function regionQuestions(given: Given, doc: Doc): RegionQuestion[] {
  return given.questions.filter((q): q is RegionQuestion => q.kind === "region" && isAsked(q, doc));
}

/** Every region that is asked for, with its question. */
export function allRegions(given: Given, doc: Doc): Found[] {
  return regionQuestions(given, doc).flatMap((question) => {
    const suggested = new Set(slotOf(doc, question.id).suggested);
    return regionsOf(doc, question.id).map((region) => ({ question, region, suggested: suggested.has(region.id) }));
  });
}

export function regionNamed(given: Given, doc: Doc, id: string | null): Found | null {
  if (id === null) return null;
  for (const question of regionQuestions(given, doc)) {
    const region = regionsOf(doc, question.id).find((each) => each.id === id);
    if (region !== undefined) return { question, region, suggested: slotOf(doc, question.id).suggested.includes(id) };
  }
  return null;
}

/** What is selected, in the order of selecting. */
export function selection(state: State, given: Given): Found[] {
  return state.selected.flatMap((id) => regionNamed(given, state.doc, id) ?? []);
}

/** The one region whose handles are shown: selected alone, neither hidden nor locked. */
export function handled(state: State, given: Given): Found | null {
  const [only, ...others] = state.selected;
  return only === undefined || others.length > 0 || !isEditable(state, only) || state.hidden.has(only) ? null : regionNamed(given, state.doc, only);
}

export function isEditable(state: State, id: string): boolean {
  return !state.locked.has(id);
}

/** Lowest confidence first; people's regions, which have none, last and in the order in which they were made. */
export function byDoubt(given: Given, doc: Doc): Found[] {
  const doubt = (f: Found): number => (f.suggested ? (f.region.score ?? 1) : 2);
  return allRegions(given, doc).sort((a, b) => doubt(a) - doubt(b));
}

/** The question a shape of this kind would answer: the focused one, or else the first that takes it. */
export function questionFor(state: State, given: Given, kind: ShapeKind): RegionQuestion | null {
  const takes = regionQuestions(given, state.doc).filter((q) => q.shapes.includes(kind) && labelsOf(q).length > 0);
  return takes.find((q) => q.id === state.question) ?? takes[0] ?? null;
}

export function labelsOf(question: RegionQuestion): Label[] {
  return question.labels.filter((label) => !label.retired);
}

/** The label that is drawn next. */
export function currentLabel(state: State, question: RegionQuestion): Label | undefined {
  const active = labelsOf(question);
  return active.find((label) => label.id === state.labels[question.id]) ?? active[0];
}

/** A region as a person leaves it: without the model's score. */
export function human(region: Region): Region {
  const { id, label, shape, z_order, attributes } = region;
  return { id, label, shape, ...(z_order === undefined ? {} : { z_order }), ...(attributes === undefined ? {} : { attributes }) };
}

/** Change regions in one step; `change` gives the same region back to leave it, null to delete it. */
export function revise(state: State, given: Given, change: (region: Region, question: RegionQuestion) => Region | null): State {
  const changes: Change[] = [];
  for (const question of regionQuestions(given, state.doc)) {
    const before = regionsOf(state.doc, question.id);
    const after = before.flatMap((region) => change(region, question) ?? []);
    if (after.length === before.length && after.every((region, i) => region === before[i])) continue;
    changes.push(answered(state.doc, question.id, { kind: "region", regions: after }));
  }
  return changes.length === 0 ? state : commit(state, given, changes);
}

/** Add regions in one step. */
export function add(state: State, given: Given, added: readonly Copied[]): State {
  const changes = regionQuestions(given, state.doc).flatMap((question): Change[] => {
    const mine = added.filter((each) => each.question === question.id).map((each) => each.region);
    return mine.length === 0 ? [] : [answered(state.doc, question.id, { kind: "region", regions: [...regionsOf(state.doc, question.id), ...mine] })];
  });
  return changes.length === 0 ? state : commit(state, given, changes);
}

/** A new shape with the current label. */
export function drawnShape(state: State, given: Given, shape: Shape): State {
  const question = questionFor(state, given, shape.kind);
  const label = question === null ? undefined : currentLabel(state, question);
  const whole = sound(shape, given.extent);
  if (question === null || label === undefined || whole === null || !question.shapes.includes(whole.kind)) return { ...state, mode: IDLE };
  const region: Region = { id: given.newId(), label: label.id, shape: whole };
  const after = add(state, given, [{ question: question.id, region }]);
  return { ...after, mode: IDLE, newest: region.id, question: question.id };
}

/** Whether two places are so near on the screen that going from one to the other is no drag. */
export function isClick(from: Point, to: Point, scale: number): boolean {
  return Math.hypot(to[0] - from[0], to[1] - from[1]) * scale < CLICK_PX;
}

/** What a question is, for those who only know its id. */
export function isRegionQuestion(question: Question | undefined): question is RegionQuestion {
  return question?.kind === "region";
}
