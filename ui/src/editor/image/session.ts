/**
 * The editor of one image as a pure reducer: (state, event) -> state. The stage draws the state and turns keys and pointers
 * into events; nothing here knows a browser. Each tool is a small machine in `tools/`; this module says which one an event
 * is for, and keeps what lies beneath: one undo for finished steps and half-drawn shapes alike.
 */
import { clampPoint } from "./geometry";
import { begin, choose, confirmParts, digitsOf, focused, stepForm, up } from "../form";
import type { Answers, Label, Question, ShapeKind } from "../types";
import { convertedSelection, cut, deleted, editable, merged, ordered, pasted, relabelled, setAttribute } from "./commands";
import type { Extent } from "./scene";
import {
  IDLE, LIFT_PX, allRegions, byDoubt, human, isRegionQuestion, labelsOf, questionFor, regionNamed, regionQuestions, revise, selection,
  type Event, type Given, type Pointer, type State, type Tool,
} from "./state";
import { boxDown, boxMove, boxUp, rotatedDown, rotatedMove, rotatedUp } from "./tools/box";
import { LEAST_BRUSH, MOST_BRUSH, brushDown, brushMove, brushUp } from "./tools/brush";
import { chainAgain, chainBack, chainDown, chainFinished, chainMove } from "./tools/chain";
import { nextSeen, pointsAgain, pointsBack, pointsDown, pointsFinished, pointsMove, turnedVisibility } from "./tools/keypoints";
import { handlePlaced, handleRemoved, pickOne, selectDown, selectMove, selectUp, shiftSelection, movedBy, under, walkHandles } from "./tools/select";

export type { Event, Given, State, Tool } from "./state";

export function given(questions: readonly Question[], extent: Extent, newId: () => string): Given {
  return { questions: questions.filter((q) => !q.retired), extent, newId };
}

export function start(g: Given, answers: Answers, byModel: boolean): State {
  return {
    ...begin(g, answers, byModel),
    tool: "select",
    mode: IDLE,
    labels: {},
    selected: [],
    newest: null,
    painting: null,
    hover: null,
    pointer: null,
    crosshair: null,
    lastStroke: null,
    brush: Math.max(2, Math.round(Math.min(g.extent.width, g.extent.height) / 50)),
    cutting: false,
    hidden: new Set(),
    locked: new Set(),
    bare: false,
    nudging: false,
  };
}

/** The shapes that can be drawn here, in the order of the rail. */
export function toolsOf(g: Given, doc: State["doc"]): Tool[] {
  const kinds = new Set(regionQuestions(g, doc).flatMap((q) => q.shapes));
  const order: ShapeKind[] = ["box", "rotated_box", "polygon", "polyline", "points", "mask"];
  return ["select", ...order.filter((kind) => kinds.has(kind)), ...(kinds.has("mask") ? (["eraser"] as const) : [])];
}

/** Events that say nothing about whether a run of arrow presses goes on. */
const UNNOTICED: ReadonlySet<Event["type"]> = new Set(["pointer-move", "pointer-out", "arrow", "bare"]);

export function step(state: State, event: Event, g: Given): State {
  const before = state.nudging && !UNNOTICED.has(event.type) ? { ...state, nudging: false } : state;
  const after = handle(before, event, g);
  return after.doc === state.doc ? after : tidied(after, g);
}

function handle(state: State, event: Event, g: Given): State {
  switch (event.type) {
    case "pointer-down":
      return down(moved(state, event.pointer), event.pointer, g);
    case "pointer-move":
      return move(moved(state, event.pointer), event.pointer, g);
    case "pointer-up":
      return released(moved(state, event.pointer), event.pointer, g);
    case "pointer-out":
      return { ...state, hover: null, pointer: null };
    case "double":
      return state.mode.kind === "chain.drawing" ? chainFinished(state, state.mode, g) : state;
    case "arrow":
      return arrow(state, event.dx, event.dy, event.from, g);
    case "place":
      return place(state, event, g);
    case "finish":
      return finished(state, g);
    case "cancel":
      return cancelled(state, g);
    case "delete":
      return remove(state, g);
    case "tool":
      return withTool(state, event.tool, g);
    case "label":
      return label(state, event.label, event.whole === true, g);
    case "pick": {
      const known = event.regions.flatMap((id) => regionNamed(g, state.doc, id) ?? []);
      const ids = known.map(({ region }) => region.id);
      const others = event.add === true ? state.selected.filter((id) => !ids.includes(id)) : [];
      const both = event.add === true && ids.length === 1 && state.selected.includes(ids[0] ?? "") ? others : [...others, ...ids];
      return { ...withoutSketch(state), selected: both, question: known[0]?.question.id ?? state.question };
    }
    case "walk": {
      const all = byDoubt(g, state.doc).filter(({ region }) => !state.hidden.has(region.id));
      const here = all.findIndex(({ region }) => region.id === state.selected[0]);
      const next = all[here === -1 ? (event.by === 1 ? 0 : all.length - 1) : (here + event.by + all.length) % all.length];
      return next === undefined ? state : pickOne(withoutSketch(state), g, next.region.id);
    }
    case "walk-points":
      return walkHandles(state, g, event.by, LIFT_PX);
    case "select-all": {
      const all = allRegions(g, state.doc).filter(({ region }) => !state.hidden.has(region.id) && !state.locked.has(region.id));
      return { ...withoutSketch(state), selected: all.map(({ region }) => region.id) };
    }
    case "confirm":
      return confirm(state, g);
    case "reject": {
      if (state.selected.length > 0 || state.mode.kind !== "idle") return remove(state, g);
      const question = focused(state, g);
      return question === undefined || isRegionQuestion(question) || question.kind === "relation" ? state : stepForm(state, { type: "answer", question: question.id, answer: null }, g);
    }
    case "duplicate":
      return pasted(withoutSketch(state), g, selection(state, g).map(({ question, region }) => ({ question: question.id, region })));
    case "paste":
      return pasted(withoutSketch(state), g, event.copied);
    case "merge":
      return merged(withoutSketch(state), g);
    case "cut":
      return cut(withoutSketch(state), g);
    case "convert":
      return convertedSelection(withoutSketch(state), g);
    case "order":
      return ordered(withoutSketch(state), g, event.to);
    case "hide":
      return { ...state, hidden: toggled(state.hidden, event.regions, event.on) };
    case "lock":
      return { ...withoutSketch(state), locked: toggled(state.locked, event.regions, event.on) };
    case "bare":
      return state.bare === event.on ? state : { ...state, bare: event.on };
    case "cutting":
      return { ...state, cutting: event.on };
    case "brush":
      return { ...state, brush: Math.max(LEAST_BRUSH, Math.min(MOST_BRUSH, event.radius)) };
    case "visibility":
      return visibility(state, g);
    case "attribute":
      return setAttribute(state, g, event.regions, event.attribute, event.value);
    case "undo":
    case "redo":
      return unsketched(state, event.type) ?? { ...stepForm(state, event, g), mode: IDLE };
    case "focus": {
      // A selection keeps the digits to itself: with another question, it is given up.
      const other = selection(state, g).some(({ question }) => question.id !== event.question);
      return stepForm(other ? { ...state, selected: [] } : state, event, g);
    }
    case "next-question":
      return stepForm({ ...state, selected: [] }, event, g);
    case "answer":
    case "open":
      return stepForm(state, event, g);
  }
}

function moved(state: State, { at }: Pointer): State {
  return { ...state, pointer: at, crosshair: null };
}

function down(state: State, pointer: Pointer, g: Given): State {
  switch (state.mode.kind === "handle.moving" ? "select" : state.tool) {
    case "select":
      return selectDown(state, pointer, g);
    case "box":
      return boxDown(state, pointer, g);
    case "rotated_box":
      return rotatedDown(state, pointer, g);
    case "polygon":
    case "polyline":
      return chainDown(state, pointer, g);
    case "points":
      return pointsDown(state, pointer, g);
    case "mask":
    case "eraser":
      return brushDown(state, pointer, g);
  }
}

function move(state: State, pointer: Pointer, g: Given): State {
  const { mode } = state;
  switch (mode.kind) {
    case "box.drawing":
      return boxMove(state, mode, pointer, g);
    case "rotated_box.drawing":
      return rotatedMove(state, mode, pointer, g);
    case "chain.drawing":
      return chainMove(state, mode, pointer, g);
    case "points.drawing":
      return pointsMove(state, mode, pointer, g);
    case "brush.painting":
      return brushMove(state, mode, pointer, g);
    default:
      return state.tool === "select" || mode.kind !== "idle" ? selectMove(state, pointer, g) : state;
  }
}

function released(state: State, pointer: Pointer, g: Given): State {
  const { mode } = state;
  switch (mode.kind) {
    case "box.drawing":
      return boxUp(state, mode, pointer, g);
    case "rotated_box.drawing":
      return rotatedUp(state, mode, pointer, g);
    case "brush.painting":
      return brushUp(state, mode, g);
    case "idle":
    case "chain.drawing":
    case "points.drawing":
      return state;
    default:
      return selectUp(state, pointer, g);
  }
}

/** Arrows move a handle that is held, else what is selected, else the crosshair that draws. */
function arrow(state: State, dx: number, dy: number, from: State["crosshair"] & object, g: Given): State {
  const { mode } = state;
  if (mode.kind === "handle.moving") {
    const [x, y] = mode.to ?? mode.from;
    return { ...state, mode: { ...mode, to: clampPoint([x + dx, y + dy], g.extent) } };
  }
  if (state.tool === "select" && mode.kind === "idle" && state.selected.length > 0) return nudged(state, dx, dy, g);
  const [x, y] = state.crosshair ?? from;
  const crosshair = clampPoint([x + dx, y + dy], g.extent);
  return { ...move(state, { at: crosshair, scale: EXACT }, g), crosshair, pointer: null };
}

/** For the keyboard a pixel is a pixel, however small it is on the screen. */
const EXACT = 1e9;

function nudged(state: State, dx: number, dy: number, g: Given): State {
  const [x, y] = movedBy(state, g, [0, 0], [dx, dy]);
  const after = shiftSelection(state, g, x, y);
  if (after === state) return state;
  const { done } = after.history;
  const [last, newest] = [done.at(-2), done.at(-1)];
  if (!state.nudging || last === undefined || newest === undefined) return { ...after, nudging: true };
  // The same questions changed twice: one step from before the first to after the second.
  const both = newest.map((change) => ({ ...change, before: last.find((each) => each.question === change.question)?.before ?? change.before }));
  return { ...after, nudging: true, history: { ...after.history, done: [...done.slice(0, -2), both] } };
}

function place(state: State, { from, scale }: Event & { type: "place" }, g: Given): State {
  const { mode, crosshair } = state;
  if (mode.kind === "handle.moving") return handlePlaced(state, mode, g);
  // The first press shows where the point would go.
  if (crosshair === null) return { ...state, crosshair: clampPoint(from, g.extent) };
  if (state.tool === "select") {
    const ids = under(state, g, { at: crosshair, scale });
    const here = state.selected.length === 1 ? ids.indexOf(state.selected[0] ?? "") : -1;
    return pickOne(state, g, ids[(here + 1) % Math.max(ids.length, 1)] ?? null);
  }
  const pointer: Pointer = { at: crosshair, scale: EXACT };
  return { ...released(down(state, pointer, g), pointer, g), crosshair };
}

/** Finish what is being drawn; the same state when nothing is, so that Enter can mean submit. */
function finished(state: State, g: Given): State {
  const { mode } = state;
  switch (mode.kind) {
    case "chain.drawing":
      return chainFinished(state, mode, g);
    case "points.drawing":
      return pointsFinished(state, mode, g);
    case "handle.moving":
      return handlePlaced(state, mode, g);
    case "box.drawing":
      return boxUp(state, { ...mode, pressed: mode.to }, { at: mode.to, scale: EXACT }, g);
    case "rotated_box.drawing":
      return rotatedUp(state, { ...mode, pressed: mode.to }, { at: mode.to, scale: EXACT }, g);
    case "idle":
      return state.painting === null ? state : { ...state, painting: null };
    default:
      return state;
  }
}

/** Whether Enter would finish something, and not submit. */
export function isDrawing(state: State): boolean {
  return state.mode.kind !== "idle" || state.painting !== null;
}

/** The innermost thing first: sketch, mask begun, selection, crosshair, cutting, open level, tool. */
function cancelled(state: State, g: Given): State {
  if (state.mode.kind !== "idle") return { ...state, mode: IDLE };
  if (state.painting !== null) return { ...state, painting: null };
  if (state.selected.length > 0) return { ...state, selected: [] };
  if (state.crosshair !== null) return { ...state, crosshair: null };
  if (state.cutting) return { ...state, cutting: false };
  const above = up(state, g);
  return above === state && state.tool !== "select" ? { ...state, tool: "select", newest: null } : above;
}

/** Backspace: the last point of a sketch, the picked point of a shape, or what is selected. */
function remove(state: State, g: Given): State {
  const back = state.mode.kind === "handle.moving" ? handleRemoved(state, state.mode, g) : unsketched(state, "undo");
  if (back !== null) return back;
  if (editable(state, g).length === 0) return state.selected.length > 0 ? state : up(state, g);
  return deleted(state, g);
}

/** Undo and redo within what is half drawn; null when nothing is. */
function unsketched(state: State, which: "undo" | "redo"): State | null {
  const { mode } = state;
  switch (mode.kind) {
    case "idle":
      return null;
    case "chain.drawing":
      return which === "undo" ? chainBack(state, mode) : chainAgain(state, mode);
    case "points.drawing":
      return which === "undo" ? pointsBack(state, mode) : pointsAgain(state, mode);
    case "rotated_box.drawing":
      return which === "redo" ? state : mode.side === null ? { ...state, mode: IDLE } : { ...state, mode: { ...mode, side: null } };
    default:
      return which === "redo" ? state : { ...state, mode: IDLE };
  }
}

/** What is half drawn is finished where it can be, else dropped. */
function settledSketch(state: State, g: Given): State {
  const { mode } = state;
  if (mode.kind === "chain.drawing" || mode.kind === "points.drawing") return { ...finished(state, g), mode: IDLE };
  return withoutSketch(state);
}

function withoutSketch(state: State): State {
  return state.mode.kind === "idle" ? state : { ...state, mode: IDLE };
}

function withTool(state: State, tool: Tool, g: Given): State {
  if (!toolsOf(g, state.doc).includes(tool)) return state;
  const settled = settledSketch(state, g);
  if (tool === "select") return { ...settled, tool, painting: null };
  const kind = tool === "eraser" ? "mask" : tool;
  const question = questionFor(settled, g, kind);
  // The brush goes on with the mask that is selected, holes go into the selected polygon; other tools begin something new.
  const keeps = kind === "mask" || kind === "polygon";
  const painting = kind === "mask" ? settled.painting : null;
  return { ...settled, tool, painting, question: question?.id ?? settled.question, selected: keeps ? settled.selected : [], hover: null };
}

/** Labels that digits mean now, in their order: of the selection's question, else of the focused one. */
export function digits(state: State, g: Given): readonly Label[] {
  return digitsOf(state, selection(state, g)[0]?.question ?? focused(state, g));
}

function label(state: State, id: string, whole: boolean, g: Given): State {
  const question = selection(state, g)[0]?.question ?? focused(state, g);
  if (question?.kind === "choice") return choose(state, g, question, id, whole);
  if (!isRegionQuestion(question) || !labelsOf(question).some((each) => each.id === id)) return state;
  const next: State = { ...state, labels: { ...state.labels, [question.id]: id } };
  if (state.selected.length > 0) return relabelled(next, g, id) ?? state;
  // Another label is another object: the next stroke begins it.
  const begun = regionNamed(g, state.doc, state.painting);
  return begun !== null && begun.region.label !== id ? { ...next, painting: null } : next;
}

function confirm(state: State, g: Given): State {
  if (state.selected.length === 0) return confirmParts(state, g, state.question, null);
  return selection(state, g).reduce((now, { question }, i, all) => (all.findIndex((f) => f.question.id === question.id) < i ? now : confirmParts(now, g, question.id, state.selected)), state);
}

/** Key points: the next one's visibility while drawing, else that of the one that is picked. */
function visibility(state: State, g: Given): State {
  const { mode } = state;
  if (mode.kind === "points.drawing") return nextSeen(state, mode);
  if (mode.kind !== "handle.moving") return state;
  const found = regionNamed(g, state.doc, mode.id);
  if (found?.region.shape.kind !== "points" || mode.grip.kind !== "vertex") return state;
  const shape = turnedVisibility(found.region.shape, mode.grip.index);
  const after = revise(state, g, (region) => (region.id === mode.id ? { ...human(region), shape } : region));
  return { ...after, mode: { ...mode, shape } };
}

/** Nothing that is gone stays selected, hidden or begun. */
function tidied(state: State, g: Given): State {
  const ids = new Set(allRegions(g, state.doc).map(({ region }) => region.id));
  const known = (id: string | null): string | null => (id !== null && ids.has(id) ? id : null);
  const gone = (of: ReadonlySet<string>): ReadonlySet<string> => ([...of].every((id) => ids.has(id)) ? of : new Set([...of].filter((id) => ids.has(id))));
  const selected = state.selected.every((id) => ids.has(id)) ? state.selected : state.selected.filter((id) => ids.has(id));
  return { ...state, selected, newest: known(state.newest), painting: known(state.painting), hover: known(state.hover), hidden: gone(state.hidden), locked: gone(state.locked) };
}

function toggled(set: ReadonlySet<string>, ids: readonly string[], on: boolean): ReadonlySet<string> {
  const next = new Set(set);
  for (const id of ids) {
    if (on) next.add(id);
    else next.delete(id);
  }
  return next;
}
