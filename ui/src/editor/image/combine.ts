/**
 * Shapes made of shapes. Among boxes and polygons corners are kept, moved by at most 1/512 pixel (`clip.ts`); as soon as
 * a mask takes part, the answer is a mask, exact by pixels. Lines and points have no area and are left out.
 */
import type { Mask, Point, Polygon, Shape } from "../types";
import { arrange } from "./clip";
import { contour, islands } from "./contour";
import { corners, signedArea } from "./geometry";
import { rasterise } from "./raster";
import { difference, maskArea, maskOf, runsOf, union, type Runs } from "./rle";
import { simplify } from "./simplify";
import type { Extent } from "./scene";

type Rings = readonly (readonly Point[])[];

/** Whether a shape has an inside, and can be merged, cut and converted. */
export function hasArea(shape: Shape): boolean {
  return shape.kind !== "polyline" && shape.kind !== "points";
}

/** The union of shapes; null where none has an area. */
export function merge(shapes: readonly Shape[], extent: Extent): Polygon | Mask | null {
  const solid = shapes.filter(hasArea);
  if (solid.length === 0) return null;
  if (solid.some((shape) => shape.kind === "mask")) return unite(solid, extent);
  const parts = arrange(solid.flatMap(partsOf), (inside) => inside.includes(true));
  return parts === null ? contour(unite(solid, extent)) : asPolygon(parts);
}

/** A shape without the area of others; null where nothing is left. */
export function cut(shape: Shape, by: readonly Shape[], extent: Extent): Polygon | Mask | null {
  if (!hasArea(shape)) return null;
  const tools = by.filter(hasArea);
  if (shape.kind === "mask") return nonEmpty(without(shape, tools, extent));
  const base = partsOf(shape);
  // What a mask cuts out of a polygon has the mask's pixels as its border, and stays a polygon.
  const operands = [...base, ...tools.flatMap(partsOf)];
  const parts = arrange(operands, (inside) => inside.includes(true) && !inside.includes(true, base.length));
  return parts === null ? contour(without(rasterise(shape, extent), tools, extent)) : asPolygon(parts);
}

/** The pixels of a shape, by COCO's rule; null for lines and points. */
export function toMask(shape: Shape, extent: Extent): Mask | null {
  return hasArea(shape) ? rasterise(shape, extent) : null;
}

/**
 * The outline of a shape; null for lines, points, and masks without a pixel. `tolerance`: how far, in image pixels, the
 * outline of a mask may leave the borders of its pixels; at 0 it is exact.
 */
export function toPolygon(shape: Shape, tolerance: number): Polygon | null {
  switch (shape.kind) {
    case "mask": {
      const exact = contour(shape);
      if (exact === null || tolerance <= 0) return exact;
      const found = simplify(exact, tolerance);
      // A hole or part that simplifying made flat is gone, unless nothing else would be left.
      const parts = found.parts.filter(([outline]) => signedArea(outline ?? []) > 0).map((part) => part.filter((ring, i) => i === 0 || signedArea(ring) !== 0));
      return parts.length > 0 ? { ...found, parts } : exact;
    }
    case "polygon":
      return shape;
    case "box":
    case "rotated_box":
      return { kind: "polygon", parts: [[corners(shape)]] };
    default:
      return null;
  }
}

/** A polygon by its parts, a mask where its pixels do not touch; one shape where there is nothing to take apart. */
export function split(shape: Shape): Shape[] {
  if (shape.kind === "polygon" && shape.parts.length > 1) return shape.parts.map((part) => ({ kind: "polygon", parts: [part] }));
  if (shape.kind !== "mask") return [shape];
  const found = islands(shape);
  return found.length > 1 ? found : [shape];
}

function partsOf(shape: Shape): readonly Rings[] {
  return toPolygon(shape, 0)?.parts ?? [];
}

function asPolygon(parts: readonly Rings[]): Polygon | null {
  return parts.length > 0 ? { kind: "polygon", parts } : null;
}

function nonEmpty(mask: Mask): Mask | null {
  return maskArea(mask) > 0 ? mask : null;
}

function unite(shapes: readonly Shape[], extent: Extent): Mask {
  const none: Runs = [extent.width * extent.height];
  return maskOf(shapes.reduce((runs: Runs, shape) => union(runs, runsOf(rasterise(shape, extent))), none), extent);
}

function without(mask: Mask, tools: readonly Shape[], extent: Extent): Mask {
  return maskOf(tools.reduce((runs: Runs, tool) => difference(runs, runsOf(rasterise(tool, extent))), runsOf(mask)), extent);
}
