/** What the server takes as a region, and how a shape that was drawn carelessly becomes one. The same rules as `core/regions.py`. */
import type { Label, Point, Polygon, Region, RegionQuestion, Shape } from "../types";
import { merge } from "./combine";
import { fitsAttribute, fitsSkeleton } from "./attributes";
import { clampTo, ringsOf } from "./geometry";
import { boundsOf } from "./hit";
import { maskArea } from "./rle";
import type { Extent } from "./scene";

/** The shape as it can be kept: an outline that crosses itself by its even-odd inside; null where nothing is enclosed. */
export function sound(shape: Shape, extent: Extent): Shape | null {
  switch (shape.kind) {
    case "box":
      return shape.width > 0 && shape.height > 0 ? shape : null;
    case "rotated_box":
      if (!(shape.width > 0 && shape.height > 0)) return null;
      return centreInside(shape, extent) ? shape : clampTo(shape, extent);
    case "polygon":
      return isCrossed(shape) ? merge([shape], extent) : shape;
    case "polyline":
      return shape.points.length >= 2 && new Set(shape.points.map(String)).size > 1 ? shape : null;
    case "points":
      return boundsOf(shape) === null ? null : shape;
    case "mask":
      return maskArea(shape) > 0 ? shape : null;
  }
}

/** Whether an outline crosses or touches itself or another one of its shape. Takes the square of the number of points. */
export function isCrossed(shape: Polygon): boolean {
  const edges = ringsOf(shape).flatMap((ring, r) => ring.map((a, i) => ({ a, b: ring[(i + 1) % ring.length] as Point, r, i, last: ring.length - 1 })));
  return edges.some((one, k) =>
    edges.slice(k + 1).some((other) => {
      const beside = one.r === other.r && (other.i - one.i === 1 || (one.i === 0 && other.i === one.last));
      return meet(one.a, one.b, other.a, other.b, beside);
    }),
  );
}

/** Whether two edges share a point; of neighbours more than the one they always share. */
function meet(a: Point, b: Point, c: Point, d: Point, beside: boolean): boolean {
  if (Math.max(a[0], b[0]) < Math.min(c[0], d[0]) || Math.max(c[0], d[0]) < Math.min(a[0], b[0])) return false;
  if (Math.max(a[1], b[1]) < Math.min(c[1], d[1]) || Math.max(c[1], d[1]) < Math.min(a[1], b[1])) return false;
  const side = (p: Point, q: Point, r: Point): number => Math.sign((q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]));
  const [one, two, three, four] = [side(a, b, c), side(a, b, d), side(c, d, a), side(c, d, b)];
  if (!beside) return one * two <= 0 && three * four <= 0;
  // Neighbours meet again only when the second runs back along the first.
  const shared = same(b, c) ? [a, b, d] as const : [b, a, c] as const;
  const [from, at, to] = shared;
  return side(from, at, to) === 0 && (from[0] - at[0]) * (to[0] - at[0]) + (from[1] - at[1]) * (to[1] - at[1]) > 0;
}

function same(p: Point, q: Point): boolean {
  return p[0] === q[0] && p[1] === q[1];
}

function centreInside(box: Shape & { kind: "rotated_box" }, { width, height }: Extent): boolean {
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  return x >= 0 && y >= 0 && x <= width && y <= height;
}

/** Whether regions fit their question and their image: what the server would find, told before it is sent. */
export function regionsFit(question: RegionQuestion, regions: readonly Region[], extent: Extent): boolean {
  const distinct = new Set(regions.map((region) => region.id)).size === regions.length;
  return distinct && regions.every((region) => regionFits(question, region, extent));
}

function regionFits(question: RegionQuestion, { label: id, shape, attributes }: Region, extent: Extent): boolean {
  const label = question.labels.find((each) => each.id === id && !each.retired);
  if (label === undefined || !question.shapes.includes(shape.kind) || !fitsSkeleton(label, shape) || !attributesFit(label, attributes ?? {})) return false;
  const box = boundsOf(shape);
  if (box === null || sound(shape, extent) === null) return false;
  if (shape.kind === "mask") return shape.size[0] === extent.height && shape.size[1] === extent.width;
  if (shape.kind === "points" && shape.visibility && shape.visibility.length !== shape.points.length) return false;
  const slack = 1;
  return shape.kind === "rotated_box" || (box.minX >= -slack && box.minY >= -slack && box.maxX <= extent.width + slack && box.maxY <= extent.height + slack);
}

function attributesFit(label: Label, given: NonNullable<Region["attributes"]>): boolean {
  return Object.entries(given).every(([id, value]) => {
    const attribute = label.attributes?.find((each) => each.id === id);
    return attribute !== undefined && fitsAttribute(attribute, value);
  });
}
