/** Brush and eraser: strokes go on to the selected mask, to the one begun before, or make a new one. */
import { clampPoint } from "../geometry";
import { MaskTiles } from "../tiles";
import { IDLE, add, currentLabel, human, isEditable, questionFor, regionNamed, revise, type Found, type Given, type Mode, type Pointer, type State } from "../state";
import { under } from "./select";

type Painting = Mode & { kind: "brush.painting" };
export const LEAST_BRUSH = 0.5;
export const MOST_BRUSH = 500;

export function brushDown(state: State, pointer: Pointer, given: Given): State {
  const here = clampPoint(pointer.at, given.extent);
  const erase = state.tool === "eraser" || state.cutting || pointer.alt === true;
  // The eraser takes what lies under it where nothing was chosen.
  const chosen = erase && paintedOn(state, given) === null ? { ...state, painting: maskUnder(state, given, pointer) } : state;
  const target = paintedOn(chosen, given);
  const tiles = target?.region.shape.kind === "mask" ? MaskTiles.fromMask(target.region.shape) : MaskTiles.empty(given.extent);
  // Shift: a straight stroke from where the last one ended.
  const from = pointer.shift === true ? (state.lastStroke ?? here) : here;
  const points = from === here ? [here] : [from, here];
  return { ...chosen, mode: { kind: "brush.painting", points, tiles: tiles.paint({ from, to: here, radius: state.brush, erase }).tiles, erase } };
}

export function brushMove(state: State, mode: Painting, { at, scale }: Pointer, given: Given): State {
  const here = clampPoint(at, given.extent);
  const last = mode.points.at(-1) ?? here;
  // Half a screen pixel further is no difference.
  if (Math.hypot(last[0] - here[0], last[1] - here[1]) * scale < 0.5) return state;
  const { tiles } = mode.tiles.paint({ from: last, to: here, radius: state.brush, erase: mode.erase });
  return { ...state, mode: { ...mode, points: [...mode.points, here], tiles } };
}

export function brushUp(state: State, mode: Painting, given: Given): State {
  const after: State = { ...state, mode: IDLE, lastStroke: mode.points.at(-1) ?? null };
  const target = paintedOn(state, given);
  const shape = mode.tiles.isEmpty ? null : mode.tiles.toMask();
  if (target?.region.shape.kind === "mask") {
    const before = target.region.shape;
    if (shape?.counts === before.counts) return after;
    // Rubbed out to the last pixel, the object is gone.
    const revised = revise(after, given, (region) => (region.id !== target.region.id ? region : shape === null ? null : { ...human(region), shape }));
    return { ...revised, painting: target.region.id };
  }
  const question = questionFor(state, given, "mask");
  const label = question === null ? undefined : currentLabel(state, question);
  if (shape === null || question === null || label === undefined) return after;
  const id = given.newId();
  return { ...add(after, given, [{ question: question.id, region: { id, label: label.id, shape } }]), painting: id, newest: id, question: question.id };
}

function maskUnder(state: State, given: Given, pointer: Pointer): string | null {
  return under(state, given, pointer).find((id) => regionNamed(given, state.doc, id)?.region.shape.kind === "mask") ?? null;
}

/** The mask that a stroke goes on to. */
export function paintedOn(state: State, given: Given): Found | null {
  const chosen = state.selected.length === 1 ? (state.selected[0] ?? null) : state.painting;
  const found = regionNamed(given, state.doc, chosen);
  return found?.region.shape.kind === "mask" && isEditable(state, found.region.id) ? found : null;
}
