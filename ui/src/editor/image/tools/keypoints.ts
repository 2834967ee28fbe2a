/** Key points: with a skeleton its named points one after another, else as many as there are clicks. */
import { clampPoint } from "../geometry";
import type { Points, Skeleton } from "../../types";
import { IDLE, currentLabel, drawnShape, questionFor, type Given, type Mode, type Placed, type Pointer, type State } from "../state";

type Drawing = Mode & { kind: "points.drawing" };

export function pointsDown(state: State, { at }: Pointer, given: Given): State {
  const here = clampPoint(at, given.extent);
  const mode: Drawing = state.mode.kind === "points.drawing" ? state.mode : { kind: "points.drawing", points: [], undone: [], next: 2, to: here };
  // An absent point lies nowhere: the formats write zeros.
  const placed: Placed = { at: mode.next === 0 ? [0, 0] : here, seen: mode.next };
  const after: Drawing = { ...mode, points: [...mode.points, placed], undone: [], next: 2, to: here };
  const wanted = skeletonDrawn(state, given)?.points.length;
  return wanted !== undefined && after.points.length >= wanted ? pointsFinished(state, after, given) : { ...state, mode: after };
}

export function pointsMove(state: State, mode: Drawing, { at }: Pointer, given: Given): State {
  return { ...state, mode: { ...mode, to: clampPoint(at, given.extent) } };
}

/** What was not placed is absent; nothing but absent points is nothing. */
export function pointsFinished(state: State, mode: Drawing, given: Given): State {
  const skeleton = skeletonDrawn(state, given);
  const missing = Math.max(0, (skeleton?.points.length ?? 0) - mode.points.length);
  const all = [...mode.points, ...Array.from({ length: missing }, (): Placed => ({ at: [0, 0], seen: 0 }))];
  if (!all.some((each) => each.seen > 0)) return { ...state, mode: IDLE };
  const visibility = all.map((each) => each.seen);
  const plain = skeleton === null && visibility.every((seen) => seen === 2);
  const shape: Points = { kind: "points", points: all.map((each) => each.at), ...(plain ? {} : { visibility }) };
  return drawnShape(state, given, shape);
}

export function pointsBack(state: State, mode: Drawing): State {
  const last = mode.points.at(-1);
  if (last === undefined || mode.points.length === 1) return { ...state, mode: IDLE };
  return { ...state, mode: { ...mode, points: mode.points.slice(0, -1), undone: [...mode.undone, last] } };
}

export function pointsAgain(state: State, mode: Drawing): State {
  const next = mode.undone.at(-1);
  return next === undefined ? state : { ...state, mode: { ...mode, points: [...mode.points, next], undone: mode.undone.slice(0, -1) } };
}

/** The next point will be visible, hidden, absent, and so on around. */
export function nextSeen(state: State, mode: Drawing): State {
  return { ...state, mode: { ...mode, next: mode.next === 2 ? 1 : mode.next === 1 ? 0 : 2 } };
}

/** The skeleton that is being drawn; null for free points. */
export function skeletonDrawn(state: State, given: Given): Skeleton | null {
  const question = questionFor(state, given, "points");
  return (question === null ? undefined : currentLabel(state, question))?.skeleton ?? null;
}

/** A placed point that was visible becomes hidden, any other visible. */
export function turnedVisibility(shape: Points, index: number): Points {
  const now = shape.visibility ?? shape.points.map(() => 2 as const);
  return { ...shape, visibility: now.with(index, now[index] === 2 ? 1 : 2) };
}
