/** The uppermost layer: what is selected or under the pointer, what is being drawn, handles, brush, crosshair, marquee. */
import type { Shape } from "../types";
import type { Extent, Active } from "./scene";
import { LINE, UNDER, fill, outlineOf, paintDots, strokeTwice, trace, traceEdges, tracePath, type Brush, type Item } from "./paint";

/** Side of a handle in CSS pixels; its hit area is larger. */
const HANDLE = 8;
const LIGHT = "#FFFFFF";
const DARK = "#15171C";
const ACCENT = "#7FB2FF";

export interface Overlay {
  readonly selected: readonly Item[];
  readonly hover: Item | null;
  readonly active: Active;
  /** Of the skeleton of a region that an active shape stands in for. */
  readonly edges: (id: string) => Item["edges"];
}

export function paintOverlay(brush: Brush, canvas: Extent, { selected, hover, active, edges }: Overlay): void {
  const { context, at, density } = brush;
  context.clearRect(0, 0, canvas.width, canvas.height);
  if (hover !== null) outline(brush, hover, LINE + 1, false);
  for (const item of selected) outline(brush, item, LINE + 1, true);
  for (const shape of active.shapes) paintActive(brush, shape, shape.id === null ? [] : edges(shape.id));
  for (const { at: [x, y], on } of active.handles) {
    const side = (on ? HANDLE + 3 : HANDLE) * density;
    const [left, top] = [x * at.scale + at.x - side / 2, y * at.scale + at.y - side / 2];
    context.fillStyle = DARK;
    context.fillRect(left - density, top - density, side + 2 * density, side + 2 * density);
    context.fillStyle = on ? ACCENT : LIGHT;
    context.fillRect(left, top, side, side);
  }
  if (active.marquee !== null) {
    const { from, to } = active.marquee;
    context.beginPath();
    trace(brush, [from, [to[0], from[1]], to, [from[0], to[1]]], true, false);
    fill({ ...brush, opacity: 0.12 }, { colour: ACCENT, dashed: true, hatch: "none" });
    strokeTwice(brush, ACCENT, 1, true);
  }
  if (active.crosshair !== null) {
    const [x, y] = [active.crosshair[0] * at.scale + at.x, active.crosshair[1] * at.scale + at.y];
    context.beginPath();
    context.moveTo(0, y);
    context.lineTo(canvas.width, y);
    context.moveTo(x, 0);
    context.lineTo(x, canvas.height);
    strokeTwice(brush, LIGHT, 1, false);
  }
  if (active.brush !== null) {
    const { at: [x, y], radius, erase } = active.brush;
    context.beginPath();
    context.arc(x * at.scale + at.x, y * at.scale + at.y, Math.max(radius * at.scale, 1.5 * density), 0, 2 * Math.PI);
    strokeTwice(brush, LIGHT, 1.5, erase);
  }
}

function outline(brush: Brush, item: Item, width: number, selected: boolean): void {
  const { context } = brush;
  const shape: Shape | null = item.shape.kind === "mask" ? outlineOf(item.shape) : item.shape;
  context.beginPath();
  tracePath(brush, shape, "areas");
  tracePath(brush, shape, "lines");
  if (shape?.kind === "points") traceEdges(brush, shape, item.edges);
  if (selected) {
    // A light edge around the dark one: selected is more than a colour.
    context.lineJoin = "round";
    context.strokeStyle = LIGHT;
    context.lineWidth = (width + UNDER + 1) * brush.density;
    context.stroke();
  }
  strokeTwice(brush, item.look.colour, width, item.look.dashed);
  if (shape?.kind === "points") paintDots(brush, shape, item.look);
}

function paintActive(brush: Brush, { shape, colour, closed }: Active["shapes"][number], edges: Item["edges"]): void {
  const { context } = brush;
  const look = { colour, dashed: false, hatch: "none" } as const;
  context.beginPath();
  if (shape.kind === "polygon" && !closed) for (const part of shape.parts) for (const ring of part) trace(brush, ring, false, false);
  else {
    tracePath(brush, shape.kind === "mask" ? outlineOf(shape) : shape, "areas");
    fill(brush, look);
    tracePath(brush, shape, "lines");
    if (shape.kind === "points") traceEdges(brush, shape, edges);
  }
  strokeTwice(brush, colour, LINE, false);
  if (shape.kind === "points") paintDots(brush, shape, look);
}
