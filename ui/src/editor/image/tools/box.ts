/** Boxes: two clicks, or a drag. Nothing that is there is grabbed meanwhile. */
import { boxOf, clampPoint, rotate } from "../geometry";
import type { Point, RotatedBox, Shape } from "../../types";
import { CLICK_PX, IDLE, drawnShape, isClick, type Given, type Mode, type Pointer, type State } from "../state";

type Drawing = Mode & { kind: "box.drawing" };
type Turning = Mode & { kind: "rotated_box.drawing" };

export function boxDown(state: State, { at }: Pointer, given: Given): State {
  const here = clampPoint(at, given.extent);
  const mode: Mode = state.mode.kind === "box.drawing" ? { ...state.mode, to: here, pressed: here } : { kind: "box.drawing", from: here, to: here, pressed: here };
  return { ...state, mode };
}

export function boxMove(state: State, mode: Drawing, pointer: Pointer, given: Given): State {
  return { ...state, mode: { ...mode, to: corner(mode.from, clampPoint(pointer.at, given.extent), pointer.shift === true) } };
}

export function boxUp(state: State, mode: Drawing, pointer: Pointer, given: Given): State {
  if (mode.pressed === null) return state;
  const to = corner(mode.from, clampPoint(pointer.at, given.extent), pointer.shift === true);
  // A click begins the box, the next one ends it.
  if (mode.pressed === mode.from && isClick(mode.from, to, pointer.scale)) return { ...state, mode: { ...mode, to, pressed: null } };
  return finished(state, boxOf(mode.from, to), pointer.scale, given);
}

export function rotatedDown(state: State, { at }: Pointer, given: Given): State {
  const here = clampPoint(at, given.extent);
  const { mode } = state;
  return { ...state, mode: mode.kind === "rotated_box.drawing" ? { ...mode, to: here, pressed: here } : { kind: "rotated_box.drawing", from: here, side: null, to: here, pressed: here } };
}

export function rotatedMove(state: State, mode: Turning, pointer: Pointer, given: Given): State {
  return { ...state, mode: { ...mode, to: clampPoint(pointer.at, given.extent) } };
}

export function rotatedUp(state: State, mode: Turning, pointer: Pointer, given: Given): State {
  if (mode.pressed === null) return state;
  const to = clampPoint(pointer.at, given.extent);
  if (mode.side !== null) return finished(state, rotatedBoxOf(mode.from, mode.side, to), pointer.scale, given);
  const near = isClick(mode.from, to, pointer.scale);
  if (near && mode.pressed === mode.from) return { ...state, mode: { ...mode, to, pressed: null } };
  return near ? { ...state, mode: IDLE } : { ...state, mode: { ...mode, side: to, to, pressed: null } };
}

/** What is being drawn, as it looks now. */
export function sketchedBox(mode: Drawing | Turning): Shape {
  if (mode.kind === "box.drawing") return boxOf(mode.from, mode.to);
  return mode.side === null ? { kind: "polyline", points: [mode.from, mode.to] } : rotatedBoxOf(mode.from, mode.side, mode.to);
}

function finished(state: State, shape: Shape & { width: number; height: number }, scale: number, given: Given): State {
  const { width, height } = shape;
  // What is hardly to be seen was not meant.
  if (Math.max(width, height) * scale < CLICK_PX || Math.min(width, height) <= 0) return { ...state, mode: IDLE };
  return drawnShape(state, given, shape);
}

function corner(from: Point, to: Point, square: boolean): Point {
  if (!square) return to;
  const side = Math.min(Math.abs(to[0] - from[0]), Math.abs(to[1] - from[1]));
  return [from[0] + Math.sign(to[0] - from[0]) * side, from[1] + Math.sign(to[1] - from[1]) * side];
}

/** A turned box from one of its sides and a point on the opposite one. */
export function rotatedBoxOf(from: Point, to: Point, opposite: Point): RotatedBox {
  const width = Math.hypot(to[0] - from[0], to[1] - from[1]);
  const [ux, uy] = width === 0 ? [1, 0] : [(to[0] - from[0]) / width, (to[1] - from[1]) / width];
  // How far the third point lies to the right of the side, seen along it: downwards on an unturned box.
  const depth = (opposite[0] - from[0]) * -uy + (opposite[1] - from[1]) * ux;
  const [cx, cy] = [(from[0] + to[0]) / 2 - (uy * depth) / 2, (from[1] + to[1]) / 2 + (ux * depth) / 2];
  const height = Math.abs(depth);
  return rotate({ kind: "box", x: cx - width / 2, y: cy - height / 2, width, height }, (Math.atan2(uy, ux) * 180) / Math.PI);
}
