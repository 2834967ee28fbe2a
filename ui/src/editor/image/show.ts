/** The scene of a state: what of it the canvas shows. What did not change is the same object as before. */
import type { Point, Region, Shape } from "../types";
import { handles, translate } from "./geometry";
import { hatchOf, type Active, type Drawn, type Scene } from "./scene";
import { LIFT_PX, allRegions, currentLabel, handled, questionFor, regionNamed, selection, isEditable, type Given, type State, type Tool } from "./state";
import { sketchedBox } from "./tools/box";
import { paintedOn } from "./tools/brush";
import { skeletonDrawn } from "./tools/keypoints";
import { movedBy, pulled, sameGrip } from "./tools/select";

const NO_EDGES: readonly (readonly [number, number])[] = [];
const GREY = "#888888";

export interface Look {
  /** Of the fill of shapes and masks, in [0, 1]. */
  readonly opacity: number;
  /** Screen pixels per image pixel. */
  readonly scale: number;
}

/** Makes scenes of the states of one image; remembers the last one to give the same parts again. */
export function scenes(given: Given): (state: State, look: Look) => Scene {
  let known = new Map<string, Drawn>();
  let last: { doc: State["doc"]; hidden: State["hidden"]; locked: State["locked"]; drawn: readonly Drawn[] } | null = null;
  let lastSelected: { ids: readonly string[]; set: ReadonlySet<string> } | null = null;

  const drawnOf = (state: State): readonly Drawn[] => {
    if (last !== null && last.doc === state.doc && last.hidden === state.hidden && last.locked === state.locked) return last.drawn;
    const next = new Map<string, Drawn>();
    const all = allRegions(given, state.doc).map(({ region, question, suggested }): Drawn => {
      const before = known.get(region.id);
      const hidden = state.hidden.has(region.id);
      const locked = state.locked.has(region.id);
      if (before?.region === region && before.suggested === suggested && before.hidden === hidden && before.locked === locked) return before;
      const position = question.labels.findIndex((each) => each.id === region.label);
      const label = question.labels[position];
      return { region, colour: label?.colour || GREY, suggested, hidden, locked, edges: label?.skeleton?.edges ?? NO_EDGES, tag: label?.name ?? region.label, hatch: hatchOf(Math.max(0, position)) };
    });
    for (const each of all) next.set(each.region.id, each);
    known = next;
    const drawn = all.sort((a, b) => (a.region.z_order ?? 0) - (b.region.z_order ?? 0));
    last = { doc: state.doc, hidden: state.hidden, locked: state.locked, drawn };
    return drawn;
  };
  const selectedOf = (ids: readonly string[]): ReadonlySet<string> => {
    if (lastSelected?.ids !== ids) lastSelected = { ids, set: new Set(ids) };
    return lastSelected.set;
  };
  return (state, look) => ({
    extent: given.extent,
    drawn: drawnOf(state),
    selected: selectedOf(state.selected),
    hover: state.tool === "select" ? state.hover : null,
    active: activeOf(state, given, look),
    opacity: look.opacity,
    bare: state.bare,
  });
}

function activeOf(state: State, given: Given, { scale }: Look): Active {
  const { mode } = state;
  const painting = state.tool === "mask" || state.tool === "eraser";
  const erase = mode.kind === "brush.painting" ? mode.erase : state.tool === "eraser" || state.cutting;
  const tip = state.pointer ?? state.crosshair;
  return {
    shapes: shapesOf(state, given),
    handles: grips(state, given, scale),
    marquee: mode.kind === "select.marquee" ? { from: mode.from, to: mode.to } : null,
    crosshair: state.crosshair,
    brush: painting && tip !== null ? { at: tip, radius: state.brush, erase } : null,
    painted: mode.kind === "brush.painting" ? { id: paintedOn(state, given)?.region.id ?? null, tiles: mode.tiles, colour: strokeColour(state, given) } : null,
  };
}

type Shown = Active["shapes"][number];

function shapesOf(state: State, given: Given): Shown[] {
  const { mode } = state;
  switch (mode.kind) {
    case "select.moving": {
      const [dx, dy] = movedBy(state, given, mode.from, mode.to);
      return selection(state, given).filter(({ region }) => isEditable(state, region.id)).map(({ region, question }) => standIn(region, translate(region.shape, dx, dy), colourOf(question, region)));
    }
    case "handle.moving": {
      const found = regionNamed(given, state.doc, mode.id);
      if (found === null) return [];
      return [standIn(found.region, pulled(mode), colourOf(found.question, found.region))];
    }
    case "box.drawing":
    case "rotated_box.drawing":
      return [{ id: null, shape: sketchedBox(mode), colour: nextColour(state, given), closed: true }];
    case "chain.drawing":
      return [{ id: null, shape: { kind: "polyline", points: [...mode.points, mode.to] }, colour: nextColour(state, given), closed: false }];
    case "points.drawing": {
      const seen = mode.points.filter((each) => each.seen > 0).map((each) => each.at);
      const lines = (skeletonDrawn(state, given)?.edges ?? []).flatMap(([a, b]): Shown[] => {
        const [one, other] = [mode.points[a], mode.points[b]];
        if (one === undefined || other === undefined || one.seen === 0 || other.seen === 0) return [];
        return [{ id: null, shape: { kind: "polyline", points: [one.at, other.at] }, colour: nextColour(state, given), closed: false }];
      });
      return seen.length === 0 ? lines : [...lines, { id: null, shape: { kind: "points", points: seen }, colour: nextColour(state, given), closed: false }];
    }
    default:
      return [];
  }
}

function standIn(region: Region, shape: Shape, colour: string): Shown {
  return { id: region.id, shape, colour, closed: true };
}

function grips(state: State, given: Given, scale: number): Active["handles"] {
  const { mode } = state;
  if (mode.kind === "chain.drawing") return mode.points.map((at, i) => ({ at, on: i === 0 && mode.closed && mode.points.length >= 3 }));
  if (mode.kind === "handle.moving") {
    const shape = pulled(mode);
    return handles(shape, LIFT_PX / scale).map(({ at, grip }) => ({ at, on: sameGrip(grip, mode.grip) }));
  }
  if (mode.kind !== "idle" || state.tool !== "select") return [];
  const own = handled(state, given);
  return own === null ? [] : handles(own.region.shape, LIFT_PX / scale).map(({ at }) => ({ at, on: near(at, state.pointer, scale) }));
}

function near(at: Point, pointer: Point | null, scale: number): boolean {
  return pointer !== null && Math.hypot(at[0] - pointer[0], at[1] - pointer[1]) * scale <= 6;
}

function colourOf(question: { labels: readonly { id: string; colour: string }[] }, region: Region): string {
  return question.labels.find((label) => label.id === region.label)?.colour || GREY;
}

/** The kind of shape a tool draws; null for the one that selects. */
export function kindOf(tool: Tool): Shape["kind"] | null {
  return tool === "select" ? null : tool === "eraser" ? "mask" : tool;
}

/** The colour of what is drawn next. */
function nextColour(state: State, given: Given): string {
  const kind = kindOf(state.tool);
  const question = kind === null ? null : questionFor(state, given, kind);
  return (question === null ? undefined : currentLabel(state, question))?.colour || GREY;
}

function strokeColour(state: State, given: Given): string {
  const target = paintedOn(state, given);
  return target === null ? nextColour(state, given) : colourOf(target.question, target.region);
}
