/** Fewer points for the same outline, by Douglas and Peucker's rule. */
import type { Point, Polygon, Polyline } from "../types";

/**
 * A polygon or line with fewer points: every point left out lies within `tolerance` image pixels of the line that stands
 * for it. Rings keep at least 3 points, lines their ends.
 */
export function simplify<S extends Polygon | Polyline>(shape: S, tolerance: number): S {
  const one: Polygon | Polyline = shape;
  if (one.kind === "polyline") return { ...shape, points: simplifyLine(one.points, tolerance) };
  return { ...shape, parts: one.parts.map((part) => part.map((ring) => simplifyRing(ring, tolerance))) };
}

/** An open line with fewer points; its ends stay. */
export function simplifyLine(points: readonly Point[], tolerance: number): readonly Point[] {
  if (points.length < 3) return points;
  const keep = new Uint8Array(points.length);
  keep[0] = keep[points.length - 1] = 1;
  const open: [number, number][] = [[0, points.length - 1]];
  for (let range = open.pop(); range !== undefined; range = open.pop()) {
    const [first, last] = range;
    const [at, distance] = farthest(points, first, last);
    if (distance <= tolerance) continue;
    keep[at] = 1;
    open.push([first, at], [at, last]);
  }
  return points.filter((_, i) => keep[i] === 1);
}

/** A ring with fewer points, never fewer than 3 (or as many as it had). */
export function simplifyRing(ring: readonly Point[], tolerance: number): readonly Point[] {
  if (ring.length <= 3) return ring;
  // A ring has no ends: it is cut at its first point and at the one farthest from it.
  const far = farthestFrom(ring[0] as Point, ring);
  const there = ring.slice(0, far + 1);
  const back = [...ring.slice(far), ring[0] as Point];
  const found = [...simplifyLine(there, tolerance).slice(0, -1), ...simplifyLine(back, tolerance).slice(0, -1)];
  if (found.length >= 3) return found;
  // The two ends and the point farthest from the line between them.
  const off = (i: number): number => (i === 0 || i === far ? -1 : distanceToLine(ring[i] as Point, ring[0] as Point, ring[far] as Point));
  const third = ring.reduce((best, _, i) => (off(i) > off(best) ? i : best), 0);
  return [0, far, third].sort((p, q) => p - q).map((i) => ring[i] as Point);
}

function farthest(points: readonly Point[], first: number, last: number): [number, number] {
  let [at, most] = [Math.min(first + 1, last), -1];
  for (let i = first + 1; i < last; i += 1) {
    const distance = distanceToLine(points[i] as Point, points[first] as Point, points[last] as Point);
    if (distance > most) [at, most] = [i, distance];
  }
  return [at, most];
}

function farthestFrom(from: Point, points: readonly Point[]): number {
  let [at, most] = [1, -1];
  points.forEach((p, i) => {
    const distance = Math.hypot(p[0] - from[0], p[1] - from[1]);
    if (i > 0 && distance > most) [at, most] = [i, distance];
  });
  return at;
}

/** From a point to the straight piece between two others. */
function distanceToLine(p: Point, a: Point, b: Point): number {
  const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
  const long = dx * dx + dy * dy;
  const t = long === 0 ? 0 : Math.min(1, Math.max(0, ((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / long));
  return Math.hypot(p[0] - a[0] - t * dx, p[1] - a[1] - t * dy);
}
