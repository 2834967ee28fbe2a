/** Selecting, moving, and pulling handles: with a drag, or with one click to take and one to put down. */
import type { Point, Region, Shape } from "../../types";
import { boundsOf, covers, shifted, sizeOf } from "../areas";
import { handleAt, handlesOf, pulled, sameGrip, withPoint, withoutPoint } from "../handles";
import {
  EDGE_PX, HANDLE_PX, IDLE, LIFT_PX, allRegions, clamped, handled, human, isClick, isEditable, regionNamed, revise, selection,
  type Given, type Mode, type Pointer, type State,
} from "../state";

type Pulling = Mode & { kind: "handle.moving" };
type Pressed = Mode & { kind: "select.pressed" };

/** Regions under a point, the smallest first; hidden and locked ones cannot be hit. */
export function under(state: State, given: Given, { at, scale }: Pointer): string[] {
  const reach = EDGE_PX / scale;
  const hit = allRegions(given, state.doc).filter(({ region }) => !state.hidden.has(region.id) && isEditable(state, region.id) && covers(region.shape, at, reach));
  return hit.map(({ region }) => ({ id: region.id, size: sizeOf(region.shape) })).reverse().sort((a, b) => a.size - b.size).map((each) => each.id);
}

export function selectDown(state: State, pointer: Pointer, given: Given): State {
  const { at, scale } = pointer;
  if (state.mode.kind === "handle.moving") return { ...state, mode: { ...state.mode, to: clamped(at, given.extent), pressed: true } };
  const own = handled(state, given);
  if (own !== null) {
    const { shape, id } = own.region;
    const handle = handleAt(shape, at, HANDLE_PX / scale, LIFT_PX / scale);
    if (handle !== null && pointer.alt === true) return removed(state, given, own.region, withoutPoint(shape, handle.grip));
    if (handle !== null) return { ...state, mode: { kind: "handle.moving", id, grip: handle.grip, shape, from: at, to: null, pressed: true, square: pointer.shift === true } };
    const more = pointer.shift === true || pointer.mod === true ? null : withPoint(shape, at, EDGE_PX / scale);
    // The new point is there with the press: moved on, or left on the edge.
    if (more !== null) return { ...state, mode: { kind: "handle.moving", id, grip: more.grip, shape: more.shape, from: at, to: null, pressed: true, square: false } };
  }
  return { ...state, mode: { kind: "select.pressed", from: pointer, under: under(state, given, pointer) } };
}

export function selectMove(state: State, pointer: Pointer, given: Given): State {
  const { mode } = state;
  const { at, scale } = pointer;
  switch (mode.kind) {
    case "handle.moving":
      if (mode.pressed && mode.to === null && isClick(mode.from, at, scale)) return state;
      return { ...state, mode: { ...mode, to: clamped(at, given.extent), square: pointer.shift === true } };
    case "select.pressed": {
      if (isClick(mode.from.at, at, scale)) return state;
      if (mode.under.length === 0 || mode.from.shift === true) return { ...state, mode: { kind: "select.marquee", from: mode.from.at, to: at, add: mode.from.shift === true } };
      const grabbed = mode.under.some((id) => state.selected.includes(id)) ? state : pickOne(state, given, mode.under[0] ?? null);
      return { ...grabbed, mode: { kind: "select.moving", from: mode.from.at, to: at } };
    }
    case "select.moving":
    case "select.marquee":
      return { ...state, mode: { ...mode, to: at } };
    default: {
      const hover = under(state, given, pointer)[0] ?? null;
      return hover === state.hover ? state : { ...state, hover };
    }
  }
}

export function selectUp(state: State, pointer: Pointer, given: Given): State {
  const { mode } = state;
  switch (mode.kind) {
    case "handle.moving":
      return handleUp(state, mode, pointer, given);
    case "select.pressed":
      return clicked(state, mode, given);
    case "select.moving": {
      const moved = movedBy(state, given, mode.from, pointer.at);
      return { ...shiftSelection(state, given, moved[0], moved[1]), mode: IDLE };
    }
    case "select.marquee": {
      const inside = allRegions(given, state.doc).filter(({ region }) => !state.hidden.has(region.id) && isEditable(state, region.id) && touches(region.shape, mode.from, pointer.at));
      const ids = inside.map(({ region }) => region.id);
      const kept = mode.add ? state.selected.filter((id) => !ids.includes(id)) : [];
      return { ...state, mode: IDLE, selected: [...kept, ...ids] };
    }
    default:
      return state;
  }
}

/** Put down what was pulled. */
export function handlePlaced(state: State, mode: Pulling, given: Given): State {
  const found = regionNamed(given, state.doc, mode.id);
  if (found === null) return { ...state, mode: IDLE };
  const shape = mode.to === null ? mode.shape : pulled(mode.shape, mode.grip, mode.to, mode.square);
  if (shape === found.region.shape || !isWhole(shape)) return { ...state, mode: IDLE };
  return { ...revise(state, given, (region) => (region.id === mode.id ? { ...human(region), shape } : region)), mode: IDLE };
}

/** Take away the point that is picked. */
export function handleRemoved(state: State, mode: Pulling, given: Given): State {
  const found = regionNamed(given, state.doc, mode.id);
  return found === null ? { ...state, mode: IDLE } : removed(state, given, found.region, withoutPoint(found.region.shape, mode.grip));
}

/** Take up the next handle of the selected shape, for the keyboard. */
export function walkHandles(state: State, given: Given, by: 1 | -1, lift: number): State {
  const { mode } = state;
  const settled = mode.kind === "handle.moving" ? handlePlaced(state, mode, given) : state;
  const own = handled(settled, given);
  const all = own === null ? [] : handlesOf(own.region.shape, lift);
  if (own === null || all.length === 0) return settled;
  const here = mode.kind === "handle.moving" ? all.findIndex((each) => sameGrip(each.grip, mode.grip)) : -1;
  const next = all[here === -1 ? (by === 1 ? 0 : all.length - 1) : (here + by + all.length) % all.length];
  if (next === undefined) return settled;
  return { ...settled, mode: { kind: "handle.moving", id: own.region.id, grip: next.grip, shape: own.region.shape, from: next.at, to: null, pressed: false, square: false } };
}

/** How far what is selected moves: never beyond the image. */
export function movedBy(state: State, given: Given, from: Point, to: Point): Point {
  const boxes = selection(state, given).filter(({ region }) => isEditable(state, region.id)).flatMap(({ region }) => boundsOf(region.shape) ?? []);
  const { width, height } = given.extent;
  const low: Point = [Math.min(...boxes.map((b) => b.x)), Math.min(...boxes.map((b) => b.y))];
  const high: Point = [Math.max(...boxes.map((b) => b.x + b.width)), Math.max(...boxes.map((b) => b.y + b.height))];
  if (boxes.length === 0) return [0, 0];
  return [within(to[0] - from[0], -low[0], width - high[0]), within(to[1] - from[1], -low[1], height - high[1])];
}

export function shiftSelection(state: State, given: Given, dx: number, dy: number): State {
  if (dx === 0 && dy === 0) return state;
  const ids = new Set(state.selected.filter((id) => isEditable(state, id)));
  return revise(state, given, (region) => {
    if (!ids.has(region.id)) return region;
    const shape = shifted(region.shape, dx, dy);
    return shape === region.shape ? region : { ...human(region), shape };
  });
}

export function pickOne(state: State, given: Given, id: string | null): State {
  const found = regionNamed(given, state.doc, id);
  return found === null ? { ...state, selected: [] } : { ...state, selected: [found.region.id], question: found.question.id };
}

function handleUp(state: State, mode: Pulling, pointer: Pointer, given: Given): State {
  if (!mode.pressed) return state;
  const found = regionNamed(given, state.doc, mode.id);
  // A click without a move takes the handle up: the next click puts it down, no button has to be held.
  if (mode.to === null && found?.region.shape === mode.shape) return { ...state, mode: { ...mode, pressed: false } };
  const to = mode.to === null ? null : clamped(pointer.at, given.extent);
  return handlePlaced(state, { ...mode, to }, given);
}

function clicked(state: State, mode: Pressed, given: Given): State {
  const { under: ids, from } = mode;
  const idle: State = { ...state, mode: IDLE };
  const first = ids[0];
  if (first === undefined) return from.shift === true ? idle : { ...idle, selected: [], newest: null };
  if (from.shift === true || from.mod === true) {
    const selected = state.selected.includes(first) ? state.selected.filter((id) => id !== first) : [...state.selected, first];
    return { ...idle, selected };
  }
  // Clicking again on the same place goes through what is stacked there.
  const here = state.selected.length === 1 ? ids.indexOf(state.selected[0] ?? "") : -1;
  return pickOne(idle, given, ids[(here + 1) % ids.length] ?? null);
}

function removed(state: State, given: Given, region: Region, shape: Shape | null): State {
  const idle: State = { ...state, mode: IDLE };
  return shape === null ? idle : revise(idle, given, (each) => (each.id === region.id ? { ...human(each), shape } : each));
}

/** A shape pulled until nothing is left of it is not taken. */
function isWhole(shape: Shape): boolean {
  return (shape.kind !== "box" && shape.kind !== "rotated_box") || (shape.width > 0 && shape.height > 0);
}

function touches(shape: Shape, from: Point, to: Point): boolean {
  const box = boundsOf(shape);
  if (box === null) return false;
  const [left, right] = [Math.min(from[0], to[0]), Math.max(from[0], to[0])];
  const [top, bottom] = [Math.min(from[1], to[1]), Math.max(from[1], to[1])];
  return box.x <= right && box.x + box.width >= left && box.y <= bottom && box.y + box.height >= top;
}

function within(value: number, low: number, high: number): number {
  return low > high ? 0 : Math.max(low, Math.min(high, value));
}
