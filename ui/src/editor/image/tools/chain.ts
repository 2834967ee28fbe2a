/** Polygons and polylines, point by point; inside the selected polygon, a hole. */
import { sound } from "../fit";
import { clampPoint } from "../geometry";
import { cut } from "../combine";
import { HANDLE_PX, IDLE, drawnShape, human, isClick, isEditable, regionNamed, revise, type Given, type Mode, type Pointer, type State } from "../state";

type Drawing = Mode & { kind: "chain.drawing" };

export function chainDown(state: State, pointer: Pointer, given: Given): State {
  const here = clampPoint(pointer.at, given.extent);
  const { mode } = state;
  if (mode.kind !== "chain.drawing") {
    const closed = state.tool === "polygon";
    const hole = closed && (state.cutting || pointer.alt === true) ? target(state, given) : null;
    return { ...state, mode: { kind: "chain.drawing", closed, points: [here], undone: [], to: here, hole } };
  }
  const [first, last] = [mode.points[0], mode.points.at(-1)];
  if (first !== undefined && mode.closed && mode.points.length >= 3 && Math.hypot(first[0] - here[0], first[1] - here[1]) * pointer.scale <= HANDLE_PX) return chainFinished(state, mode, given);
  // The second press of a double click is no further point.
  if (last !== undefined && isClick(last, here, pointer.scale)) return state;
  return { ...state, mode: { ...mode, points: [...mode.points, here], undone: [], to: here } };
}

export function chainMove(state: State, mode: Drawing, { at }: Pointer, given: Given): State {
  return { ...state, mode: { ...mode, to: clampPoint(at, given.extent) } };
}

/** Close it; with too few points it goes on. */
export function chainFinished(state: State, mode: Drawing, given: Given): State {
  const { points, closed, hole } = mode;
  if (points.length < (closed ? 3 : 2) || (closed && sound({ kind: "polygon", parts: [[points]] }, given.extent) === null)) return state;
  if (!closed) return drawnShape(state, given, { kind: "polyline", points });
  if (hole === null) return drawnShape(state, given, { kind: "polygon", parts: [[points]] });
  const cutter = { kind: "polygon", parts: [[points]] } as const;
  const after = revise(state, given, (region) => {
    if (region.id !== hole || region.shape.kind !== "polygon") return region;
    const shape = cut(region.shape, [cutter], given.extent);
    return shape === null ? region : { ...human(region), shape };
  });
  return { ...after, mode: IDLE };
}

export function chainBack(state: State, mode: Drawing): State {
  const last = mode.points.at(-1);
  if (last === undefined || mode.points.length === 1) return { ...state, mode: IDLE };
  return { ...state, mode: { ...mode, points: mode.points.slice(0, -1), undone: [...mode.undone, last] } };
}

export function chainAgain(state: State, mode: Drawing): State {
  const next = mode.undone.at(-1);
  return next === undefined ? state : { ...state, mode: { ...mode, points: [...mode.points, next], undone: mode.undone.slice(0, -1) } };
}

/** The polygon that a hole is cut out of. */
function target(state: State, given: Given): string | null {
  const found = state.selected.length === 1 ? regionNamed(given, state.doc, state.selected[0] ?? null) : null;
  return found?.region.shape.kind === "polygon" && isEditable(state, found.region.id) ? found.region.id : null;
}
