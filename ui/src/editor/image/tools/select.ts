/** Selecting, moving, and pulling handles: with a drag, or with one click to take and one to put down. */
import { area, clampPoint, handleAt, handles, insertVertex, joined, moveGrip, nearestEdge, overlaps, removeVertex, translate, type Bounds, type Grip } from "../geometry";
import type { Point, Region, Shape } from "../../types";
import { sound } from "../fit";
import { boundsOf, covers } from "../hit";
import {
  EDGE_PX, HANDLE_PX, IDLE, LIFT_PX, allRegions, handled, human, isClick, isEditable, regionNamed, revise, selection,
  type Given, type Mode, type Pointer, type State,
} from "../state";

type Pulling = Mode & { kind: "handle.moving" };
type Pressed = Mode & { kind: "select.pressed" };

/** Regions under a point, the smallest first; hidden and locked ones cannot be hit. */
export function under(state: State, given: Given, { at, scale }: Pointer): string[] {
  const reach = EDGE_PX / scale;
  const hit = allRegions(given, state.doc).filter(({ region }) => !state.hidden.has(region.id) && isEditable(state, region.id) && covers(region.shape, at, reach));
  return hit.map(({ region }) => ({ id: region.id, size: area(region.shape) })).reverse().sort((a, b) => a.size - b.size).map((each) => each.id);
}

export function selectDown(state: State, pointer: Pointer, given: Given): State {
  const { at, scale } = pointer;
  if (state.mode.kind === "handle.moving") return { ...state, mode: { ...state.mode, to: clampPoint(at, given.extent), pressed: true } };
  const own = handled(state, given);
  if (own !== null) {
    const { shape, id } = own.region;
    const handle = handleAt(at, shape, HANDLE_PX / scale, LIFT_PX / scale);
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
      return { ...state, mode: { ...mode, to: clampPoint(at, given.extent), square: pointer.shift === true } };
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
  const shape = sound(pulled(mode), given.extent);
  // A shape pulled until nothing is left of it is not taken.
  if (shape === null || shape === found.region.shape) return { ...state, mode: IDLE };
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
  const all = own === null ? [] : handles(own.region.shape, lift);
  if (own === null || all.length === 0) return settled;
  const here = mode.kind === "handle.moving" ? all.findIndex((each) => sameGrip(each.grip, mode.grip)) : -1;
  const next = all[here === -1 ? (by === 1 ? 0 : all.length - 1) : (here + by + all.length) % all.length];
  if (next === undefined) return settled;
  return { ...settled, mode: { kind: "handle.moving", id: own.region.id, grip: next.grip, shape: own.region.shape, from: next.at, to: null, pressed: false, square: false } };
}

/** How far what is selected moves: never beyond the image. */
export function movedBy(state: State, given: Given, from: Point, to: Point): Point {
  const boxes = selection(state, given).filter(({ region }) => isEditable(state, region.id)).flatMap(({ region }) => reachOf(region.shape) ?? []);
  const { width, height } = given.extent;
  if (boxes.length === 0) return [0, 0];
  const around = boxes.reduce(joined);
  return [within(to[0] - from[0], -around.minX, width - around.maxX), within(to[1] - from[1], -around.minY, height - around.maxY)];
}

/** What of a shape has to stay inside of the image; turned boxes may stick out. */
function reachOf(shape: Shape): Bounds | null {
  if (shape.kind !== "rotated_box") return boundsOf(shape);
  const [x, y] = [shape.x + shape.width / 2, shape.y + shape.height / 2];
  return { minX: x, minY: y, maxX: x, maxY: y };
}

export function shiftSelection(state: State, given: Given, dx: number, dy: number): State {
  if (dx === 0 && dy === 0) return state;
  const ids = new Set(state.selected.filter((id) => isEditable(state, id)));
  return revise(state, given, (region) => {
    if (!ids.has(region.id)) return region;
    const shape = translate(region.shape, dx, dy);
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
  const to = mode.to === null ? null : clampPoint(pointer.at, given.extent);
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
  const whole = shape === null ? null : sound(shape, given.extent);
  return whole === null ? idle : revise(idle, given, (each) => (each.id === region.id ? { ...human(each), shape: whole } : each));
}

function touches(shape: Shape, from: Point, to: Point): boolean {
  const box = boundsOf(shape);
  const marked = { minX: Math.min(from[0], to[0]), maxX: Math.max(from[0], to[0]), minY: Math.min(from[1], to[1]), maxY: Math.max(from[1], to[1]) };
  return box !== null && overlaps(box, marked);
}

function within(value: number, low: number, high: number): number {
  return low > high ? 0 : Math.max(low, Math.min(high, value));
}

/** The shape as the handle that is held makes it; shift keeps proportions and turns in steps. */
export function pulled({ shape, grip, to, square }: Pulling): Shape {
  return to === null ? shape : moveGrip(shape, grip, to, square ? { keepRatio: true, snapDeg: 15 } : {});
}

export function sameGrip(one: Grip, other: Grip): boolean {
  if (one.kind === "vertex" && other.kind === "vertex") return one.part === other.part && one.ring === other.ring && one.index === other.index;
  return one.kind === "side" && other.kind === "side" ? one.dx === other.dx && one.dy === other.dy : one.kind === other.kind;
}

/** The shape with a point more on the edge under `at`, and its grip; null where no edge is within `reach`. */
function withPoint(shape: Shape, at: Point, reach: number): { shape: Shape; grip: Grip } | null {
  if (shape.kind !== "polygon" && shape.kind !== "polyline") return null;
  const edge = nearestEdge(at, shape);
  if (edge === null || edge.distance > reach) return null;
  return { shape: insertVertex(shape, edge, edge.at), grip: { kind: "vertex", part: edge.part, ring: edge.ring, index: edge.index + 1 } };
}

/** Null where too few points would be left. Key points are named, none of them can go. */
function withoutPoint(shape: Shape, grip: Grip): Shape | null {
  return grip.kind === "vertex" && (shape.kind === "polygon" || shape.kind === "polyline") ? removeVertex(shape, grip) : null;
}
