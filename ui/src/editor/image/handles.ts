/** What can be taken hold of on a shape, and what the shape becomes when it is pulled. */
import type { Box, Point, Points, Polygon, Polyline, RotatedBox, Shape } from "../types";

/** Which point: of a box 0-7 clockwise from the top-left corner, 8 turns it; of a ring its part, ring and position. */
export interface Grip {
  readonly part: number;
  readonly ring: number;
  readonly index: number;
}

export interface Handle {
  readonly at: Point;
  readonly grip: Grip;
}

/** Where on a box its eight handles lie, in halves of its sides from the centre. */
const AROUND: readonly Point[] = [[-1, -1], [0, -1], [1, -1], [1, 0], [1, 1], [0, 1], [-1, 1], [-1, 0]];
const TURN = 8;

const grip = (index: number, part = 0, ring = 0): Grip => ({ part, ring, index });

export function sameGrip(one: Grip, other: Grip): boolean {
  return one.part === other.part && one.ring === other.ring && one.index === other.index;
}

/** `reach`: how far from the edge the handle that turns a box stands, in image pixels. */
export function handlesOf(shape: Shape, reach = 0): Handle[] {
  switch (shape.kind) {
    case "box":
    case "rotated_box": {
      const around = AROUND.map(([dx, dy], i) => ({ at: onBox(shape, dx, dy), grip: grip(i) }));
      if (shape.kind === "box") return around;
      const lift = shape.height === 0 ? 1 : 1 + (2 * reach) / shape.height;
      return [...around, { at: onBox(shape, 0, -lift), grip: grip(TURN) }];
    }
    case "polygon":
      return shape.parts.flatMap((part, p) => part.flatMap((ring, r) => ring.map((at, i) => ({ at, grip: grip(i, p, r) }))));
    case "polyline":
      return shape.points.map((at, i) => ({ at, grip: grip(i) }));
    case "points":
      return shape.points.map((at, i) => ({ at, grip: grip(i) })).filter((_, i) => shape.visibility?.[i] !== 0);
    case "mask":
      return [];
  }
}

/** The handle nearest to a point within `reach` image pixels. */
export function handleAt(shape: Shape, at: Point, reach: number, lift: number): Handle | null {
  let best: Handle | null = null;
  let least = reach;
  for (const handle of handlesOf(shape, lift)) {
    const far = Math.hypot(handle.at[0] - at[0], handle.at[1] - at[1]);
    if (far <= least) [best, least] = [handle, far];
  }
  return best;
}

/** The shape after a handle was pulled to `to`; `square` keeps a box square and turns in steps of 15 degrees. */
export function pulled(shape: Shape, at: Grip, to: Point, square: boolean): Shape {
  switch (shape.kind) {
    case "box":
      return pulledBox(shape, at.index, to, square);
    case "rotated_box":
      return at.index === TURN ? turned(shape, to, square) : pulledRotated(shape, at.index, to);
    case "polygon":
      return { ...shape, parts: replaced(shape.parts, at, (ring) => ring.with(at.index, to)) };
    case "polyline":
      return { ...shape, points: shape.points.with(at.index, to) };
    case "points":
      return { ...shape, points: shape.points.with(at.index, to), ...(shape.box ? { box: around(shape.box, to) } : {}) };
    case "mask":
      return shape;
  }
}

/** The shape without a point; null where too few would be left. */
export function withoutPoint(shape: Shape, at: Grip): Shape | null {
  if (shape.kind === "polyline") return shape.points.length <= 2 ? null : { ...shape, points: shape.points.toSpliced(at.index, 1) };
  if (shape.kind !== "polygon") return null;
  const ring = shape.parts[at.part]?.[at.ring];
  if (ring === undefined) return null;
  if (ring.length > 3) return { ...shape, parts: replaced(shape.parts, at, (each) => each.toSpliced(at.index, 1)) };
  // The last three points of a hole, or of one of several parts, go together.
  if (at.ring > 0) return { ...shape, parts: shape.parts.with(at.part, (shape.parts[at.part] ?? []).toSpliced(at.ring, 1)) };
  return shape.parts.length > 1 ? { ...shape, parts: shape.parts.toSpliced(at.part, 1) } : null;
}

/** The shape with a point more on the edge under `at`, and its grip; null where no edge is within `reach`. */
export function withPoint(shape: Shape, at: Point, reach: number): { shape: Polygon | Polyline; grip: Grip } | null {
  if (shape.kind === "polyline") {
    const edge = nearestEdge(shape.points, at, reach, false);
    return edge === null ? null : { shape: { ...shape, points: shape.points.toSpliced(edge.after + 1, 0, edge.at) }, grip: grip(edge.after + 1) };
  }
  if (shape.kind !== "polygon") return null;
  let best: { far: number; shape: Polygon; grip: Grip } | null = null;
  shape.parts.forEach((part, p) => {
    part.forEach((ring, r) => {
      const edge = nearestEdge(ring, at, best?.far ?? reach, true);
      if (edge === null) return;
      const where = grip(edge.after + 1, p, r);
      best = { far: edge.far, grip: where, shape: { ...shape, parts: replaced(shape.parts, where, (each) => each.toSpliced(where.index, 0, edge.at)) } };
    });
  });
  return best;
}

/** The box of two opposite corners. */
export function boxOf(one: Point, other: Point): Box {
  const [x, y] = [Math.min(one[0], other[0]), Math.min(one[1], other[1])];
  return { kind: "box", x, y, width: Math.abs(one[0] - other[0]), height: Math.abs(one[1] - other[1]) };
}

/** A turned box from one of its sides and a point on the opposite one. */
export function rotatedBoxOf(from: Point, to: Point, opposite: Point): RotatedBox {
  const width = Math.hypot(to[0] - from[0], to[1] - from[1]);
  const [ux, uy] = width === 0 ? [1, 0] : [(to[0] - from[0]) / width, (to[1] - from[1]) / width];
  // How far the third point lies to the right of the side, seen along it (down, on an unturned box).
  const depth = (opposite[0] - from[0]) * -uy + (opposite[1] - from[1]) * ux;
  const height = Math.abs(depth);
  const cx = (from[0] + to[0]) / 2 - (uy * depth) / 2;
  const cy = (from[1] + to[1]) / 2 + (ux * depth) / 2;
  return { kind: "rotated_box", x: cx - width / 2, y: cy - height / 2, width, height, angle_deg: degrees(Math.atan2(uy, ux)) };
}

/** Points between which the handle that walks goes: visibility of a key point turned over. */
export function turnedVisibility(shape: Points, index: number): Points {
  const now = shape.visibility ?? shape.points.map(() => 2 as const);
  const next = now[index] === 2 ? 1 : 2;
  return { ...shape, visibility: now.with(index, next) };
}

function onBox(box: Box | RotatedBox, dx: number, dy: number): Point {
  const [cx, cy] = [box.x + box.width / 2, box.y + box.height / 2];
  const [ox, oy] = [(dx * box.width) / 2, (dy * box.height) / 2];
  if (box.kind === "box") return [cx + ox, cy + oy];
  const turn = (box.angle_deg * Math.PI) / 180;
  const [cos, sin] = [Math.cos(turn), Math.sin(turn)];
  return [cx + ox * cos - oy * sin, cy + ox * sin + oy * cos];
}

function pulledBox(box: Box, index: number, to: Point, square: boolean): Box {
  const [dx, dy] = AROUND[index] ?? [0, 0];
  const [left, right, top, bottom] = [box.x, box.x + box.width, box.y, box.y + box.height];
  if (square && dx !== 0 && dy !== 0) {
    const still: Point = [dx < 0 ? right : left, dy < 0 ? bottom : top];
    const side = Math.min(Math.abs(to[0] - still[0]), Math.abs(to[1] - still[1]));
    return boxOf(still, [still[0] + Math.sign(to[0] - still[0]) * side, still[1] + Math.sign(to[1] - still[1]) * side]);
  }
  const one: Point = [dx < 0 ? to[0] : left, dy < 0 ? to[1] : top];
  const other: Point = [dx > 0 ? to[0] : right, dy > 0 ? to[1] : bottom];
  return boxOf(one, other);
}

/** Pulling a side or corner keeps the opposite one where it is. */
function pulledRotated(box: RotatedBox, index: number, to: Point): RotatedBox {
  const [dx, dy] = AROUND[index] ?? [0, 0];
  const turn = (box.angle_deg * Math.PI) / 180;
  const [cos, sin] = [Math.cos(turn), Math.sin(turn)];
  const still = onBox(box, -dx, -dy);
  // The way from what stays to the pointer, along the sides of the box.
  const [wx, wy] = [to[0] - still[0], to[1] - still[1]];
  const [along, across] = [wx * cos + wy * sin, -wx * sin + wy * cos];
  const width = dx === 0 ? box.width : Math.abs(along);
  const height = dy === 0 ? box.height : Math.abs(across);
  const [mx, my] = [dx === 0 ? 0 : along / 2, dy === 0 ? 0 : across / 2];
  const [cx, cy] = [still[0] + mx * cos - my * sin, still[1] + mx * sin + my * cos];
  return { ...box, x: cx - width / 2, y: cy - height / 2, width, height };
}

function turned(box: RotatedBox, to: Point, square: boolean): RotatedBox {
  const angle = degrees(Math.atan2(to[1] - (box.y + box.height / 2), to[0] - (box.x + box.width / 2)) + Math.PI / 2);
  return { ...box, angle_deg: square ? degrees((Math.round(angle / 15) * 15 * Math.PI) / 180) : angle };
}

/** In (-180, 180]. */
function degrees(radians: number): number {
  const found = ((radians * 180) / Math.PI) % 360;
  return found > 180 ? found - 360 : found <= -180 ? found + 360 : found;
}

function replaced(parts: Polygon["parts"], at: Grip, change: (ring: readonly Point[]) => readonly Point[]): Polygon["parts"] {
  const part = parts[at.part];
  const ring = part?.[at.ring];
  return part === undefined || ring === undefined ? parts : parts.with(at.part, part.with(at.ring, change(ring)));
}

function around(box: Box, point: Point): Box {
  return boxOf([Math.min(box.x, point[0]), Math.min(box.y, point[1])], [Math.max(box.x + box.width, point[0]), Math.max(box.y + box.height, point[1])]);
}

function nearestEdge(points: readonly Point[], at: Point, reach: number, closed: boolean): { far: number; after: number; at: Point } | null {
  let best: { far: number; after: number; at: Point } | null = null;
  const last = closed ? points.length : points.length - 1;
  for (let i = 0; i < last; i += 1) {
    const a = points[i], b = points[(i + 1) % points.length];
    if (a === undefined || b === undefined) continue;
    const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
    const length = dx * dx + dy * dy;
    const t = length === 0 ? 0 : Math.max(0, Math.min(1, ((at[0] - a[0]) * dx + (at[1] - a[1]) * dy) / length));
    const on: Point = [a[0] + t * dx, a[1] + t * dy];
    const far = Math.hypot(at[0] - on[0], at[1] - on[1]);
    if (far <= (best?.far ?? reach)) best = { far, after: i, at: on };
  }
  return best;
}
