/**
 * How shapes look, on any canvas: strokes are drawn twice (a wide dark line under a narrow one in the label's colour) so
 * that they can be seen on every photo; a model's shapes are dashed. Shapes of one look are one path each for all of them.
 */
import { inkOn } from "../../palette";
import type { Mask, Point, Polygon, Shape } from "../types";
import type { Camera } from "./camera";
import { contour } from "./contour";
import { bounds, isPresent, ringsOf, signedArea, type Bounds } from "./geometry";
import { onLine } from "./masklayer";
import type { Hatch } from "./scene";

/** Lengths in CSS pixels. */
export const UNDER = 4;
export const LINE = 2;
export const DOT = 4;
const DASH = [6, 4];
const UNDER_COLOUR = "rgba(0, 0, 0, 0.65)";
export const TAG_HEIGHT = 16;
export const TAG_MOST_WIDTH = 160;
const TAG_FONT = "600 11px 'Inter Variable', system-ui, sans-serif";
/** A shape has a tag when it is at least this large on one side, and not more than so many are in sight. */
const TAG_FROM = 28;
const MOST_TAGS = 400;

export interface Look {
  readonly colour: string;
  readonly dashed: boolean;
  readonly hatch: Hatch;
}

/** A shape ready to be drawn. */
export interface Item {
  readonly id: string;
  readonly shape: Shape;
  readonly look: Look;
  readonly thin: boolean;
  readonly tag: string;
  readonly edges: readonly (readonly [number, number])[];
  readonly at: Bounds | null;
}

const outlines = new WeakMap<Mask, Polygon | null>();

/** The outline of a mask; made once per mask value. */
export function outlineOf(mask: Mask): Polygon | null {
  let outline = outlines.get(mask);
  if (outline === undefined) outlines.set(mask, (outline = contour(mask)));
  return outline;
}

export interface Brush {
  readonly context: CanvasRenderingContext2D;
  /** In device pixels of the canvas. */
  readonly at: Camera;
  /** Device pixels per CSS pixel. */
  readonly density: number;
  /** Of fills, in [0, 1]; 0 where the person's own colours are forced. */
  readonly opacity: number;
}

/** All items, bottom to top within a look. */
export function paintItems(brush: Brush, items: readonly Item[]): void {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const name = `${item.look.colour} ${String(item.look.dashed)} ${item.look.hatch} ${String(item.thin)}`;
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [item]);
    else group.push(item);
  }
  for (const group of groups.values()) paintGroup(brush, group, (group[0] as Item).look, (group[0] as Item).thin ? 1 : LINE);
  if (items.length <= MOST_TAGS) for (const item of items) paintTag(brush, item);
}

function paintGroup(brush: Brush, items: readonly Item[], look: Look, width: number): void {
  const { context } = brush;
  // One path for areas and, if there are any, one for lines, which are not filled.
  context.beginPath();
  for (const { shape } of items) if (shape.kind !== "mask") tracePath(brush, shape, "areas");
  fill(brush, look);
  for (const { shape } of items) if (shape.kind === "mask") tracePath(brush, outlineOf(shape), "areas");
  for (const { shape, edges } of items) {
    tracePath(brush, shape, "lines");
    if (shape.kind === "points") traceEdges(brush, shape, edges);
  }
  strokeTwice(brush, look.colour, width, look.dashed);
  for (const { shape } of items) if (shape.kind === "points") paintDots(brush, shape, look);
}

/** Adds a shape's rings to the current path. Outlines run one way and holes the other, whatever the data says. */
export function tracePath(brush: Brush, shape: Shape | null, what: "areas" | "lines"): void {
  if (shape === null || shape.kind === "mask" || shape.kind === "points") return;
  if ((shape.kind === "polyline") !== (what === "lines")) return;
  if (shape.kind === "polyline") trace(brush, shape.points, false, false);
  else if (shape.kind === "polygon") for (const part of shape.parts) part.forEach((ring, n) => { trace(brush, ring, true, signedArea(ring) > 0 === (n > 0)); });
  else for (const ring of ringsOf(shape)) trace(brush, ring, true, false);
}

/** A chain of points. Points closer than a device pixel to the last one are left out: nobody would see them. */
export function trace({ context, at }: Brush, points: readonly Point[], closed: boolean, backwards: boolean): void {
  let [lastX, lastY] = [Infinity, Infinity];
  const count = points.length;
  for (let i = 0; i < count; i += 1) {
    const point = points[backwards ? count - 1 - i : i] as Point;
    const [x, y] = [point[0] * at.scale + at.x, point[1] * at.scale + at.y];
    if (i === 0) context.moveTo(x, y);
    else if (i === count - 1 || Math.abs(x - lastX) > 0.8 || Math.abs(y - lastY) > 0.8) context.lineTo(x, y);
    else continue;
    [lastX, lastY] = [x, y];
  }
  if (closed) context.closePath();
}

/** Strokes the current path in both widths, given in CSS pixels. */
export function strokeTwice({ context, density }: Brush, colour: string, width: number, dashed: boolean): void {
  context.lineJoin = "round";
  context.setLineDash([]);
  context.strokeStyle = UNDER_COLOUR;
  context.lineWidth = (width + UNDER - LINE) * density;
  context.stroke();
  if (dashed) context.setLineDash(DASH.map((length) => length * density));
  context.strokeStyle = colour;
  context.lineWidth = width * density;
  context.stroke();
  context.setLineDash([]);
}

/** Fills the current path. */
export function fill({ context, opacity, density }: Brush, look: Look): void {
  if (opacity <= 0) return;
  context.globalAlpha = opacity;
  context.fillStyle = look.hatch === "none" ? look.colour : hatching(context, look, density);
  context.fill("nonzero");
  context.globalAlpha = 1;
}

/** Key points: a dot each; hidden ones are hollow. */
export function paintDots({ context, at, density }: Brush, shape: Shape & { kind: "points" }, look: Look): void {
  shape.points.forEach((point, i) => {
    if (!isPresent(shape, i)) return;
    context.beginPath();
    context.arc(point[0] * at.scale + at.x, point[1] * at.scale + at.y, DOT * density, 0, 2 * Math.PI);
    if ((shape.visibility?.[i] ?? 2) === 2) {
      context.fillStyle = look.colour;
      context.fill();
    }
    strokeTwice({ context, at, density, opacity: 1 }, look.colour, 1.5, look.dashed);
  });
}

export function traceEdges(brush: Brush, shape: Shape & { kind: "points" }, edges: readonly (readonly [number, number])[]): void {
  for (const [a, b] of edges) {
    const [from, to] = [shape.points[a], shape.points[b]];
    if (from !== undefined && to !== undefined && isPresent(shape, a) && isPresent(shape, b)) trace(brush, [from, to], false, false);
  }
}

/** Where an item leaves traces, in image pixels; `scale`: CSS pixels per image pixel. */
export function traces(item: Item, scale: number): Bounds | null {
  if (item.at === null) return null;
  const around = (item.shape.kind === "points" ? DOT + UNDER : UNDER) / scale;
  const [tagWidth, tagHeight] = item.tag === "" ? [0, 0] : [TAG_MOST_WIDTH / scale, TAG_HEIGHT / scale];
  const { minX, minY, maxX, maxY } = item.at;
  return { minX: minX - around, minY: minY - around - tagHeight, maxX: Math.max(maxX, minX + tagWidth) + around, maxY: maxY + around };
}

function paintTag({ context, at, density }: Brush, item: Item): void {
  if (item.tag === "" || item.at === null) return;
  const wide = Math.max(item.at.maxX - item.at.minX, item.at.maxY - item.at.minY) * at.scale;
  if (wide < TAG_FROM * density) return;
  context.save();
  context.setTransform(density, 0, 0, density, item.at.minX * at.scale + at.x, item.at.minY * at.scale + at.y - UNDER * 0.5 * density);
  context.font = TAG_FONT;
  const width = Math.min(context.measureText(item.tag).width + 8, TAG_MOST_WIDTH);
  context.fillStyle = item.look.colour;
  context.fillRect(0, -TAG_HEIGHT, width, TAG_HEIGHT);
  context.fillStyle = inkOn(item.look.colour);
  context.textBaseline = "middle";
  context.fillText(item.tag, 4, -TAG_HEIGHT / 2 + 0.5, TAG_MOST_WIDTH - 8);
  context.restore();
}

const patterns = new Map<string, CanvasPattern | string>();

function hatching(context: CanvasRenderingContext2D, look: Look, density: number): CanvasPattern | string {
  const step = Math.max(1, Math.round(density));
  const name = `${look.colour} ${look.hatch} ${String(step)}`;
  let pattern = patterns.get(name);
  if (pattern === undefined) {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = 8 * step;
    const tile = canvas.getContext("2d");
    if (tile !== null) {
      tile.fillStyle = look.colour;
      for (let y = 0; y < 8; y += 1) {
        for (let x = 0; x < 8; x += 1) {
          tile.globalAlpha = onLine(look.hatch, x, y) ? 1 : 0.35;
          tile.fillRect(x * step, y * step, step, step);
        }
      }
    }
    pattern = context.createPattern(canvas, "repeat") ?? look.colour;
    patterns.set(name, pattern);
  }
  return pattern;
}

/** An item of a region's parts. */
export function itemOf(given: Omit<Item, "at">): Item {
  return { ...given, at: bounds(given.shape) };
}
