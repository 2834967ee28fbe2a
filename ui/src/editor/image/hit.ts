/** What lies under the pointer: bounds first, which are worked out once per shape. */
import type { Point, Shape } from "../types";
import { bounds, contains, distanceTo, grown, type Bounds } from "./geometry";

const known = new WeakMap<Shape, Bounds>();

/** Bounds of a shape; null for an empty mask and for points that are all absent. */
export function boundsOf(shape: Shape): Bounds | null {
  const before = known.get(shape);
  if (before !== undefined) return before;
  const found = bounds(shape);
  if (found !== null) known.set(shape, found);
  return found;
}

/** Whether a place lies in a shape, or within `reach` image pixels of its outline or points. */
export function covers(shape: Shape, at: Point, reach: number): boolean {
  const box = boundsOf(shape);
  if (box === null) return false;
  const near = grown(box, reach);
  if (at[0] < near.minX || at[0] > near.maxX || at[1] < near.minY || at[1] > near.maxY) return false;
  return contains(at, shape) || distanceTo(at, shape) <= reach;
}
