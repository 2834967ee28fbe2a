/** Brush and eraser: strokes go on to the selected mask, to the one begun before, or make a new one. */
import { painted } from "../areas";
import { IDLE, add, clamped, currentLabel, human, isEditable, questionFor, regionNamed, revise, type Found, type Given, type Mode, type Pointer, type State } from "../state";

type Painting = Mode & { kind: "brush.painting" };
export const LEAST_BRUSH = 0.5;
export const MOST_BRUSH = 500;

export function brushDown(state: State, pointer: Pointer, given: Given): State {
  const here = clamped(pointer.at, given.extent);
  const erase = state.tool === "eraser" || state.cutting || pointer.alt === true;
  // Shift: a straight stroke from where the last one ended.
  const points = pointer.shift === true && state.lastStroke !== null ? [state.lastStroke, here] : [here];
  return { ...state, mode: { kind: "brush.painting", points, erase } };
}

export function brushMove(state: State, mode: Painting, { at, scale }: Pointer, given: Given): State {
  const here = clamped(at, given.extent);
  const last = mode.points.at(-1);
  // Half a screen pixel further is no difference.
  if (last !== undefined && Math.hypot(last[0] - here[0], last[1] - here[1]) * scale < 0.5) return state;
  return { ...state, mode: { ...mode, points: [...mode.points, here] } };
}

export function brushUp(state: State, mode: Painting, given: Given): State {
  const after: State = { ...state, mode: IDLE, lastStroke: mode.points.at(-1) ?? null };
  const target = paintedOn(state, given);
  const before = target?.region.shape.kind === "mask" ? target.region.shape : null;
  if (before === null && mode.erase) return after;
  const shape = painted(before, given.extent, mode.points, state.brush, mode.erase);
  if (before !== null && target !== null) {
    // Rubbed out to the last pixel, the object is gone.
    const revised = revise(after, given, (region) => (region.id !== target.region.id ? region : shape === null ? null : shape.counts === before.counts ? region : { ...human(region), shape }));
    return { ...revised, painting: target.region.id };
  }
  const question = questionFor(state, given, "mask");
  const label = question === null ? undefined : currentLabel(state, question);
  if (shape === null || question === null || label === undefined) return after;
  const id = given.newId();
  return { ...add(after, given, [{ question: question.id, region: { id, label: label.id, shape } }]), painting: id, newest: id, question: question.id };
}

/** The mask that a stroke goes on to. */
export function paintedOn(state: State, given: Given): Found | null {
  const chosen = state.selected.length === 1 ? (state.selected[0] ?? null) : state.painting;
  const found = regionNamed(given, state.doc, chosen);
  return found?.region.shape.kind === "mask" && isEditable(state, found.region.id) ? found : null;
}
