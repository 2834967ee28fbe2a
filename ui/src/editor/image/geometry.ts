/**
 * Geometry of shapes: where they are, what is inside, what can be taken hold of, and what becomes of them when it moves.
 * Lengths are pixels of the upright image, x right, y down; angles are degrees, clockwise on the screen. Nothing is
 * changed in place. What belongs to the pixels of a mask is in `rle.ts`.
 */
import type { Box, Point, Points, Polygon, RotatedBox, Shape } from "../types";
import { hasPixel, maskArea, maskBounds, shifted } from "./rle";
import type { Extent } from "./scene";

/** An upright rectangle by its borders. */
export interface Bounds {
  readonly minX: number;
  readonly minY: number;
  readonly maxX: number;
  readonly maxY: number;
}

/** What can be taken hold of: a vertex, one of the eight points of a box's border, or the knob that turns a box. */
export type Grip =
  | { readonly kind: "vertex"; readonly part: number; readonly ring: number; readonly index: number }
  | { readonly kind: "side"; readonly dx: -1 | 0 | 1; readonly dy: -1 | 0 | 1 }
  | { readonly kind: "turn" };

export interface Handle {
  readonly grip: Grip;
  readonly at: Point;
}

/** A place on an outline: between vertex `index` and the one after it. */
export interface EdgePlace {
  readonly part: number;
  readonly ring: number;
  readonly index: number;
  readonly at: Point;
  /** Image pixels from the asked point. */
  readonly distance: number;
}

type Vertex = Grip & { readonly kind: "vertex" };
const SIDES: readonly (readonly [-1 | 0 | 1, -1 | 0 | 1])[] = [[-1, -1], [0, -1], [1, -1], [1, 0], [1, 1], [0, 1], [-1, 1], [-1, 0]];

/** A box with the given opposite corners, in any order. */
export function boxOf(a: Point, b: Point): Box {
  return { kind: "box", x: Math.min(a[0], b[0]), y: Math.min(a[1], b[1]), width: Math.abs(a[0] - b[0]), height: Math.abs(a[1] - b[1]) };
}

/** The same box with width and height not below zero; one turned inside out is turned back. */
export function normalised<B extends Box | RotatedBox>(box: B): B {
  const { x, y, width, height } = box;
  return { ...box, x: Math.min(x, x + width), y: Math.min(y, y + height), width: Math.abs(width), height: Math.abs(height) };
}

/** The four corners, clockwise on the screen, first the one that is top-left at angle 0. The same rule as `core/geometry.py`. */
export function corners(box: Box | RotatedBox): Point[] {
  const [cx, cy] = centre(box);
  const [w, h] = [box.width / 2, box.height / 2];
  if (box.kind === "box") return [[box.x, box.y], [box.x + box.width, box.y], [box.x + box.width, box.y + box.height], [box.x, box.y + box.height]];
  const signs: Point[] = [[-w, -h], [w, -h], [w, h], [-w, h]];
  return signs.map(([dx, dy]) => {
    const [x, y] = turned(dx, dy, box.angle_deg);
    return [cx + x, cy + y];
  });
}

/** The rings a shape is drawn by: outlines and holes, or open lines; none for masks. Of points only those not absent. */
export function ringsOf(shape: Shape): readonly (readonly Point[])[] {
  switch (shape.kind) {
    case "box":
    case "rotated_box":
      return [corners(shape)];
    case "polygon":
      return shape.parts.flat();
    case "polyline":
      return [shape.points];
    case "points":
      return [shape.points.filter((_, i) => isPresent(shape, i))];
    case "mask":
      return [];
  }
}

/** Whether a key point is somewhere; absent ones have no place. */
export function isPresent(shape: Points, index: number): boolean {
  return (shape.visibility?.[index] ?? 2) !== 0;
}

/** The smallest upright rectangle around a shape; null for an empty mask and for points that are all absent. */
export function bounds(shape: Shape): Bounds | null {
  if (shape.kind === "mask") return maskBounds(shape);
  let [minX, minY, maxX, maxY] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const ring of ringsOf(shape)) {
    for (const [x, y] of ring) {
      if (x < minX) minX = x;
      if (x > maxX) maxX = x;
      if (y < minY) minY = y;
      if (y > maxY) maxY = y;
    }
  }
  return minX <= maxX ? { minX, minY, maxX, maxY } : null;
}

/** Bounds grown by a margin on every side. */
export function grown(b: Bounds, by: number): Bounds {
  return { minX: b.minX - by, minY: b.minY - by, maxX: b.maxX + by, maxY: b.maxY + by };
}

/** Bounds around both. */
export function joined(a: Bounds, b: Bounds): Bounds {
  return { minX: Math.min(a.minX, b.minX), minY: Math.min(a.minY, b.minY), maxX: Math.max(a.maxX, b.maxX), maxY: Math.max(a.maxY, b.maxY) };
}

export function overlaps(a: Bounds, b: Bounds): boolean {
  return a.minX <= b.maxX && b.minX <= a.maxX && a.minY <= b.maxY && b.minY <= a.maxY;
}

/** Signed area in square pixels: positive when the ring runs clockwise on the screen. */
export function signedArea(ring: readonly Point[]): number {
  let twice = 0;
  let last = ring.at(-1);
  for (const point of ring) {
    if (last !== undefined) twice += last[0] * point[1] - point[0] * last[1];
    last = point;
  }
  return twice / 2;
}

/** Area in square pixels: of a polygon its outlines less their holes, of a mask its pixels; 0 for lines and points. */
export function area(shape: Shape): number {
  switch (shape.kind) {
    case "box":
    case "rotated_box":
      return Math.abs(shape.width * shape.height);
    case "polygon":
      return shape.parts.reduce((sum, [outline, ...holes]) => {
        const cut = holes.reduce((all, hole) => all + Math.abs(signedArea(hole)), 0);
        return sum + Math.max(0, Math.abs(signedArea(outline ?? [])) - cut);
      }, 0);
    case "mask":
      return maskArea(shape);
    default:
      return 0;
  }
}

/** Whether a point lies inside: by even-odd over a part and its holes, by the pixel for masks; never for lines and points. */
export function contains(point: Point, shape: Shape): boolean {
  switch (shape.kind) {
    case "box":
      return point[0] >= shape.x && point[0] <= shape.x + shape.width && point[1] >= shape.y && point[1] <= shape.y + shape.height;
    case "rotated_box": {
      const [cx, cy] = centre(shape);
      const [x, y] = turned(point[0] - cx, point[1] - cy, -shape.angle_deg);
      return Math.abs(x) <= shape.width / 2 && Math.abs(y) <= shape.height / 2;
    }
    case "polygon":
      return shape.parts.some((part) => part.reduce((inside, ring) => inside !== crossesOdd(point, ring), false));
    case "mask":
      return hasPixel(shape, Math.floor(point[0]), Math.floor(point[1]));
    default:
      return false;
  }
}

/** The nearest place on an outline; null for masks, and for points, which have no edges. */
export function nearestEdge(point: Point, shape: Shape): EdgePlace | null {
  let best: EdgePlace | null = null;
  const look = (ring: readonly Point[], part: number, at: number, closed: boolean): void => {
    for (let i = 0; i < ring.length - (closed ? 0 : 1); i += 1) {
      const place = nearestOn(point, ring[i] as Point, ring[(i + 1) % ring.length] as Point);
      const distance = Math.hypot(place[0] - point[0], place[1] - point[1]);
      if (best === null || distance < best.distance) best = { part, ring: at, index: i, at: place, distance };
    }
  };
  if (shape.kind === "polygon") shape.parts.forEach((part, p) => { part.forEach((ring, r) => { look(ring, p, r, true); }); });
  else if (shape.kind === "polyline") look(shape.points, 0, 0, false);
  else if (shape.kind === "box" || shape.kind === "rotated_box") look(corners(shape), 0, 0, true);
  return best;
}

/** Image pixels from a point to the outline of a shape, or to the nearest of points; Infinity for masks. */
export function distanceTo(point: Point, shape: Shape): number {
  if (shape.kind === "points") return Math.min(Infinity, ...ringsOf(shape).flat().map(([x, y]) => Math.hypot(x - point[0], y - point[1])));
  return nearestEdge(point, shape)?.distance ?? Infinity;
}

/** Handles in drawing order. `reach`: how far the turning knob of a rotated box stands above its upper side, in image pixels. */
export function handles(shape: Shape, reach = 24): Handle[] {
  switch (shape.kind) {
    case "box":
      return SIDES.map(([dx, dy]) => ({ grip: { kind: "side", dx, dy }, at: sideAt(shape, dx, dy) }));
    case "rotated_box": {
      const sides: Handle[] = SIDES.map(([dx, dy]) => ({ grip: { kind: "side", dx, dy }, at: sideAt(shape, dx, dy) }));
      const [cx, cy] = centre(shape);
      const [x, y] = turned(0, -shape.height / 2 - reach, shape.angle_deg);
      return [...sides, { grip: { kind: "turn" }, at: [cx + x, cy + y] }];
    }
    case "polygon":
      return shape.parts.flatMap((part, p) => part.flatMap((ring, r) => ring.map((at, index): Handle => ({ grip: { kind: "vertex", part: p, ring: r, index }, at }))));
    case "polyline":
      return shape.points.map((at, index) => ({ grip: vertexAt(index), at }));
    case "points":
      return shape.points.flatMap((at, index) => (isPresent(shape, index) ? [{ grip: vertexAt(index), at }] : []));
    case "mask":
      return [];
  }
}

/** The nearest handle within `within` image pixels of a point; null when none is. */
export function handleAt(point: Point, shape: Shape, within: number, reach = 24): Handle | null {
  let best: Handle | null = null;
  let least = within;
  for (const handle of handles(shape, reach)) {
    const distance = Math.hypot(handle.at[0] - point[0], handle.at[1] - point[1]);
    if (distance <= least) [best, least] = [handle, distance];
  }
  return best;
}

/** The shape after a handle was taken to `to`. A box keeps its proportions where `keepRatio`; a turn snaps to `snapDeg`. */
export function moveGrip(shape: Shape, grip: Grip, to: Point, options: { keepRatio?: boolean; snapDeg?: number } = {}): Shape {
  if (grip.kind === "vertex") return moveVertex(shape, grip, to);
  if (shape.kind !== "box" && shape.kind !== "rotated_box") return shape;
  if (grip.kind === "side") return resize(shape, grip.dx, grip.dy, to, options.keepRatio === true);
  if (shape.kind === "box") return shape;
  const [cx, cy] = centre(shape);
  const angle = (Math.atan2(to[0] - cx, cy - to[1]) * 180) / Math.PI;
  return rotate(shape, options.snapDeg === undefined ? angle : Math.round(angle / options.snapDeg) * options.snapDeg);
}

export function moveVertex<S extends Shape>(shape: S, vertex: Vertex, to: Point): S {
  return withRing(shape, vertex.part, vertex.ring, (ring) => ring.map((p, i) => (i === vertex.index ? to : p)));
}

/** A vertex more, after vertex `index`; points have no edges and stay as they are. */
export function insertVertex<S extends Shape>(shape: S, place: { part: number; ring: number; index: number }, at: Point): S {
  if (shape.kind === "points") return shape;
  return withRing(shape, place.part, place.ring, (ring) => [...ring.slice(0, place.index + 1), at, ...ring.slice(place.index + 1)]);
}

/**
 * A vertex less. A ring keeps 3 points, a line 2, a set of points 1: below that a hole goes, then its part, and where
 * nothing would be left the answer is null.
 */
export function removeVertex<S extends Shape>(shape: S, vertex: Vertex): S | null {
  const without = (ring: readonly Point[]): Point[] => ring.filter((_, i) => i !== vertex.index);
  if (shape.kind === "polyline") return shape.points.length > 2 ? { ...shape, points: without(shape.points) } : null;
  if (shape.kind === "points") {
    if (shape.points.length < 2) return null;
    const visibility = shape.visibility?.filter((_, i) => i !== vertex.index);
    return { ...shape, points: without(shape.points), ...(visibility === undefined ? {} : { visibility }) };
  }
  if (shape.kind !== "polygon") return shape;
  const ring = shape.parts[vertex.part]?.[vertex.ring];
  if (ring === undefined) return shape;
  if (ring.length > 3) return withRing(shape, vertex.part, vertex.ring, without);
  const parts = shape.parts.flatMap((part, p) => {
    if (p !== vertex.part) return [part];
    return vertex.ring === 0 ? [] : [part.filter((_, r) => r !== vertex.ring)];
  });
  return parts.length > 0 ? { ...shape, parts } : null;
}

/** A box by one of its eight border points taken to `to`, the opposite one standing still; may turn it inside out. */
export function resize<B extends Box | RotatedBox>(box: B, dx: -1 | 0 | 1, dy: -1 | 0 | 1, to: Point, keepRatio = false): B {
  const angle = box.kind === "rotated_box" ? box.angle_deg : 0;
  const still = sideAt(box, -dx as -1 | 0 | 1, -dy as -1 | 0 | 1);
  const [x, y] = turned(to[0] - still[0], to[1] - still[1], -angle);
  let width = dx === 0 ? box.width : x * dx;
  let height = dy === 0 ? box.height : y * dy;
  if (keepRatio && box.width > 0 && box.height > 0) {
    const [fx, fy] = [width / box.width, height / box.height];
    const factor = dx === 0 ? fy : dy === 0 ? fx : Math.abs(fx) > Math.abs(fy) ? fx : fy;
    [width, height] = [box.width * factor, box.height * factor];
  }
  // Half the way from the point that stands still to the one that moves is the new centre.
  const [mx, my] = turned((dx * width) / 2, (dy * height) / 2, angle);
  return normalised({ ...box, x: still[0] + mx - width / 2, y: still[1] + my - height / 2, width, height });
}

/** A box turned to an angle, written in (-180, 180] degrees; an upright box becomes a rotated one. */
export function rotate(box: Box | RotatedBox, angleDeg: number): RotatedBox {
  const whole = angleDeg % 360;
  const angle = whole > 180 ? whole - 360 : whole <= -180 ? whole + 360 : whole;
  return { kind: "rotated_box", x: box.x, y: box.y, width: box.width, height: box.height, angle_deg: angle === 0 ? 0 : angle };
}

/** A shape moved; a mask by whole pixels, and what leaves the image is gone. */
export function translate<S extends Shape>(shape: S, dx: number, dy: number): S {
  const move = ([x, y]: Point): Point => [x + dx, y + dy];
  const one: Shape = shape;
  switch (one.kind) {
    case "box":
    case "rotated_box":
      return { ...shape, x: one.x + dx, y: one.y + dy };
    case "polygon":
      return { ...shape, parts: one.parts.map((part) => part.map((ring) => ring.map(move))) };
    case "polyline":
      return { ...shape, points: one.points.map(move) };
    case "points":
      return { ...shape, points: one.points.map((p, i) => (isPresent(one, i) ? move(p) : p)), ...(one.box ? { box: translate(one.box, dx, dy) } : {}) };
    case "mask":
      return shifted(one, Math.round(dx), Math.round(dy)) as S;
  }
}

/** A shape moved as far as it stays inside the image; one larger than the image does not move along that side. */
export function translateWithin<S extends Shape>(shape: S, dx: number, dy: number, extent: Extent): S {
  const at = bounds(shape);
  if (at === null) return shape;
  return translate(shape, within(dx, -at.minX, extent.width - at.maxX), within(dy, -at.minY, extent.height - at.maxY));
}

/**
 * A shape inside the image: boxes are cut, points moved to the border, rotated boxes moved in and, if too large, shrunk
 * around their centre.
 */
export function clampTo<S extends Shape>(shape: S, extent: Extent): S {
  const put = ([x, y]: Point): Point => clampPoint([x, y], extent);
  const one: Shape = shape;
  switch (one.kind) {
    case "box":
      return { ...shape, ...boxOf(put([one.x, one.y]), put([one.x + one.width, one.y + one.height])) };
    case "rotated_box":
      return clampRotated(one, extent) as S;
    case "polygon":
      return { ...shape, parts: one.parts.map((part) => part.map((ring) => ring.map(put))) };
    case "polyline":
      return { ...shape, points: one.points.map(put) };
    case "points":
      return { ...shape, points: one.points.map((p, i) => (isPresent(one, i) ? put(p) : p)), ...(one.box ? { box: clampTo(one.box, extent) } : {}) };
    case "mask":
      return shape;
  }
}

export function clampPoint([x, y]: Point, extent: Extent): Point {
  return [Math.min(Math.max(x, 0), extent.width), Math.min(Math.max(y, 0), extent.height)];
}

/** Centre of a box; it stays where it is when the box turns. */
export function centre(box: Box | RotatedBox): Point {
  return [box.x + box.width / 2, box.y + box.height / 2];
}

function clampRotated(box: RotatedBox, extent: Extent): RotatedBox {
  const at = bounds(box);
  if (at === null) return box;
  // A hair smaller than the image, so that rounding does not leave a corner outside.
  const fit = Math.min(1, extent.width / (at.maxX - at.minX || 1), extent.height / (at.maxY - at.minY || 1));
  const factor = fit < 1 ? fit * (1 - 1e-12) : 1;
  const [cx, cy] = centre(box);
  const [width, height] = [box.width * factor, box.height * factor];
  const small = { ...box, x: cx - width / 2, y: cy - height / 2, width, height };
  const now = bounds(small) as Bounds;
  const dx = now.minX < 0 ? -now.minX : Math.min(0, extent.width - now.maxX);
  const dy = now.minY < 0 ? -now.minY : Math.min(0, extent.height - now.maxY);
  return { ...small, x: small.x + dx, y: small.y + dy };
}

function within(by: number, least: number, most: number): number {
  return least > most ? 0 : Math.min(Math.max(by, Math.min(least, 0)), Math.max(most, 0));
}

function vertexAt(index: number): Vertex {
  return { kind: "vertex", part: 0, ring: 0, index };
}

function sideAt(box: Box | RotatedBox, dx: number, dy: number): Point {
  const [cx, cy] = centre(box);
  const [x, y] = turned((dx * box.width) / 2, (dy * box.height) / 2, box.kind === "rotated_box" ? box.angle_deg : 0);
  return [cx + x, cy + y];
}

function turned(x: number, y: number, deg: number): Point {
  if (deg === 0) return [x, y];
  const turn = (deg * Math.PI) / 180;
  const [cos, sin] = [Math.cos(turn), Math.sin(turn)];
  return [x * cos - y * sin, x * sin + y * cos];
}

function withRing<S extends Shape>(shape: S, part: number, at: number, change: (ring: readonly Point[]) => readonly Point[]): S {
  const one: Shape = shape;
  if (one.kind === "polyline" || one.kind === "points") return { ...shape, points: change(one.points) };
  if (one.kind !== "polygon") return shape;
  const parts: Polygon["parts"] = one.parts.map((rings, p) => (p === part ? rings.map((ring, r) => (r === at ? change(ring) : ring)) : rings));
  return { ...shape, parts };
}

/** Even-odd: whether a ray to the right crosses the ring an odd number of times. */
function crossesOdd([x, y]: Point, ring: readonly Point[]): boolean {
  let odd = false;
  let last = ring.at(-1);
  for (const point of ring) {
    if (last !== undefined && last[1] > y !== point[1] > y && x < ((last[0] - point[0]) * (y - point[1])) / (last[1] - point[1]) + point[0]) odd = !odd;
    last = point;
  }
  return odd;
}

function nearestOn(point: Point, a: Point, b: Point): Point {
  const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
  const long = dx * dx + dy * dy;
  const t = long === 0 ? 0 : Math.min(1, Math.max(0, ((point[0] - a[0]) * dx + (point[1] - a[1]) * dy) / long));
  return [a[0] + t * dx, a[1] + t * dy];
}

