/**
 * Union and difference of polygons that keep their corners. All edges are cut where they meet, on a grid of 1/256 pixel
 * on which every comparison is exact; each piece is kept if exactly one of its sides belongs to the answer, and the
 * pieces are joined to rings again. The cost is quadratic in edges, which for what a hand draws is milliseconds.
 */
import type { Point } from "../types";
import { signedArea } from "./geometry";

type Rings = readonly (readonly Point[])[];
type Part = readonly Point[][];

/** Grid steps per pixel: corners move by at most half a step. */
export const GRID = 256;
/** Cutting rounds crossings to the grid, which may make new ones; it settles after two or three rounds. */
const MOST_ROUNDS = 12;

/** A straight piece between grid points; `odd` says for each operand whether it lies on its border an odd number of times. */
interface Piece {
  readonly ax: number;
  readonly ay: number;
  readonly bx: number;
  readonly by: number;
  readonly odd: boolean[];
}

/**
 * What `keep` says of operands, each the inside (even-odd) of its rings. Parts with their holes, outlines clockwise on
 * the screen; empty where nothing is left; null where the pieces did not settle, which rounding can cause in theory.
 */
export function arrange(operands: readonly Rings[], keep: (inside: readonly boolean[]) => boolean): Part[] | null {
  const cut = settled(edgesOf(operands));
  if (cut === null) return null;
  const pieces = merged(cut, operands.length);
  const corners = new Set(operands.flat(2).map(([x, y]) => key(Math.round(x * GRID), Math.round(y * GRID))));
  const rings = joinedUp(borders(pieces, keep), corners);
  return rings === null ? null : nested(rings);
}

type Edge = [ax: number, ay: number, bx: number, by: number, operand: number];

function edgesOf(operands: readonly Rings[]): Edge[] {
  const edges: Edge[] = [];
  operands.forEach((rings, operand) => {
    for (const ring of rings) {
      const on = ring.map(([x, y]): Point => [Math.round(x * GRID), Math.round(y * GRID)]);
      on.forEach((a, i) => {
        const b = on[(i + 1) % on.length] as Point;
        if (a[0] !== b[0] || a[1] !== b[1]) edges.push([a[0], a[1], b[0], b[1], operand]);
      });
    }
  });
  return edges;
}

/** Edges cut until they meet at their ends only. */
function settled(edges: Edge[]): Edge[] | null {
  let now = edges;
  for (let round = 0; round < MOST_ROUNDS; round += 1) {
    const cuts = crossings(now);
    if (cuts.size === 0) return now;
    now = now.flatMap((edge, i) => pieced(edge, cuts.get(i) ?? []));
  }
  return null;
}

/** Where edges have to be cut: edge -> grid points on it that are not its ends. */
function crossings(edges: readonly Edge[]): Map<number, Point[]> {
  const cuts = new Map<number, Point[]>();
  const add = (i: number, x: number, y: number): void => {
    const [ax, ay, bx, by] = edges[i] as Edge;
    if ((x === ax && y === ay) || (x === bx && y === by)) return;
    const at = cuts.get(i);
    if (at === undefined) cuts.set(i, [[x, y]]);
    else at.push([x, y]);
  };
  const order = edges.map((_, i) => i).sort((p, q) => leftOf(edges[p] as Edge) - leftOf(edges[q] as Edge));
  for (let p = 0; p < order.length; p += 1) {
    const i = order[p] as number;
    const [ax, ay, bx, by] = edges[i] as Edge;
    const [right, top, bottom] = [Math.max(ax, bx), Math.min(ay, by), Math.max(ay, by)];
    for (let q = p + 1; q < order.length; q += 1) {
      const j = order[q] as number;
      const other = edges[j] as Edge;
      if (leftOf(other) > right) break;
      const [cx, cy, dx, dy] = other;
      if (Math.max(cy, dy) < top || Math.min(cy, dy) > bottom) continue;
      const turn = (bx - ax) * (dy - cy) - (by - ay) * (dx - cx);
      const start = (cx - ax) * (by - ay) - (cy - ay) * (bx - ax);
      if (turn === 0) {
        if (start !== 0) continue;
        // On one line: the ends of each that lie on the other.
        for (const [x, y] of [[cx, cy], [dx, dy]] as const) if (between(x, y, ax, ay, bx, by)) add(i, x, y);
        for (const [x, y] of [[ax, ay], [bx, by]] as const) if (between(x, y, cx, cy, dx, dy)) add(j, x, y);
        continue;
      }
      const along = (cx - ax) * (dy - cy) - (cy - ay) * (dx - cx);
      if (!inUnit(along, turn) || !inUnit(start, turn)) continue;
      const t = along / turn;
      const [x, y] = [Math.round(ax + t * (bx - ax)), Math.round(ay + t * (by - ay))];
      add(i, x, y);
      add(j, x, y);
    }
  }
  return cuts;
}

function pieced(edge: Edge, cuts: readonly Point[]): Edge[] {
  if (cuts.length === 0) return [edge];
  const [ax, ay, bx, by, operand] = edge;
  const far = ([x, y]: Point): number => (x - ax) * (bx - ax) + (y - ay) * (by - ay);
  const pieces: Edge[] = [];
  let last: Point = [ax, ay];
  for (const point of [...[...cuts].sort((p, q) => far(p) - far(q)), [bx, by] as Point]) {
    if (point[0] !== last[0] || point[1] !== last[1]) pieces.push([last[0], last[1], point[0], point[1], operand]);
    last = point;
  }
  return pieces;
}

/** Edges that lie on each other as one piece; those that every operand has an even number of times are no borders. */
function merged(edges: readonly Edge[], operands: number): Piece[] {
  const found = new Map<string, Piece>();
  for (const [ax, ay, bx, by, operand] of edges) {
    // Downwards, and level ones to the right.
    const down = ay < by || (ay === by && ax < bx);
    const name = down ? `${key(ax, ay)}:${key(bx, by)}` : `${key(bx, by)}:${key(ax, ay)}`;
    let piece = found.get(name);
    if (piece === undefined) {
      piece = { ...(down ? { ax, ay, bx, by } : { ax: bx, ay: by, bx: ax, by: ay }), odd: new Array<boolean>(operands).fill(false) };
      found.set(name, piece);
    }
    piece.odd[operand] = piece.odd[operand] !== true;
  }
  return [...found.values()].filter((piece) => piece.odd.includes(true));
}

type Step = readonly [from: Point, to: Point];

/** Pieces with the answer on exactly one side, directed so that it is on the right hand. */
function borders(pieces: readonly Piece[], keep: (inside: readonly boolean[]) => boolean): Step[] {
  const steps: Step[] = [];
  for (const piece of pieces) {
    const level = piece.ay === piece.by;
    // On the side of larger x, or below level pieces.
    const beyond = level ? insideBelow(piece, pieces) : insideRight(piece, pieces);
    const before = beyond.map((inside, n) => inside !== piece.odd[n]);
    const [kept, keptBefore] = [keep(beyond), keep(before)];
    if (kept === keptBefore) continue;
    const [a, b]: [Point, Point] = [[piece.ax, piece.ay], [piece.bx, piece.by]];
    // Going down, the right hand is the side of smaller x; going right, it is below.
    steps.push(kept === level ? [a, b] : [b, a]);
  }
  return steps;
}

function insideRight(piece: Piece, pieces: readonly Piece[]): boolean[] {
  const [x2, y2] = [piece.ax + piece.bx, piece.ay + piece.by];
  const inside = piece.odd.map(() => false);
  for (const other of pieces) {
    if (other === piece || 2 * other.ay > y2 || 2 * other.by <= y2) continue;
    if ((2 * other.ax - x2) * (other.by - other.ay) + (y2 - 2 * other.ay) * (other.bx - other.ax) > 0) flip(inside, other);
  }
  return inside;
}

function insideBelow(piece: Piece, pieces: readonly Piece[]): boolean[] {
  const [x2, y2] = [piece.ax + piece.bx, piece.ay + piece.by];
  const inside = piece.odd.map(() => false);
  for (const other of pieces) {
    const turned = other.ax > other.bx;
    const [lx, ly, rx, ry] = turned ? [other.bx, other.by, other.ax, other.ay] : [other.ax, other.ay, other.bx, other.by];
    if (other === piece || 2 * lx > x2 || 2 * rx <= x2) continue;
    if ((2 * ly - y2) * (rx - lx) + (x2 - 2 * lx) * (ry - ly) > 0) flip(inside, other);
  }
  return inside;
}

function flip(inside: boolean[], piece: Piece): void {
  piece.odd.forEach((odd, n) => {
    if (odd) inside[n] = inside[n] !== true;
  });
}

/** Steps joined to rings, in grid units; at a corner where several go on, the sharpest turn to the right. */
function joinedUp(steps: readonly Step[], corners: ReadonlySet<string>): Point[][] | null {
  const leaving = new Map<string, Step[]>();
  for (const step of steps) {
    const name = key(...step[0]);
    const at = leaving.get(name);
    if (at === undefined) leaving.set(name, [step]);
    else at.push(step);
  }
  const rings: Point[][] = [];
  for (const first of steps) {
    if (take(leaving, first) === null) continue;
    const ring: Point[] = [first[0]];
    for (let step = first; step[1][0] !== first[0][0] || step[1][1] !== first[0][1]; ) {
      ring.push(step[1]);
      const next = sharpest(step, leaving.get(key(...step[1])) ?? []);
      if (next === null || take(leaving, next) === null) return null;
      step = next;
    }
    const tidy = straightened(ring, corners);
    if (tidy.length >= 3) rings.push(tidy);
  }
  return rings;
}

function take(leaving: Map<string, Step[]>, step: Step): Step | null {
  const at = leaving.get(key(...step[0])) ?? [];
  const n = at.indexOf(step);
  if (n < 0) return null;
  at.splice(n, 1);
  return step;
}

function sharpest([from, to]: Step, ways: readonly Step[]): Step | null {
  let [best, most]: [Step | null, number] = [null, -Infinity];
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
  for (const way of ways) {
    const [ex, ey] = [way[1][0] - way[0][0], way[1][1] - way[0][1]];
    const turn = Math.atan2(dx * ey - dy * ex, dx * ex + dy * ey);
    if (turn > most) [best, most] = [way, turn];
  }
  return best;
}

/** Without corners that only cutting made: those of no operand that lie on the line between their neighbours. */
function straightened(ring: readonly Point[], corners: ReadonlySet<string>): Point[] {
  const kept: Point[] = [];
  ring.forEach((point, i) => {
    const [before, after] = [kept.at(-1) ?? (ring.at(-1) as Point), ring[(i + 1) % ring.length] as Point];
    const [dx, dy] = [after[0] - before[0], after[1] - before[1]];
    const off = Math.abs(dx * (point[1] - before[1]) - dy * (point[0] - before[0]));
    if (off === 0 || (off <= Math.hypot(dx, dy) && !corners.has(key(...point)))) return;
    kept.push(point);
  });
  return kept;
}

/** Rings in pixels as parts: every hole in the smallest outline around it. */
function nested(rings: readonly Point[][]): Part[] {
  const outlines = rings.filter((ring) => signedArea(ring) > 0).map((ring) => ({ ring, area: signedArea(ring), part: [ring] }));
  outlines.sort((a, b) => a.area - b.area);
  for (const hole of rings.filter((ring) => signedArea(ring) < 0)) {
    const [a, b] = [hole[0] as Point, hole[1] as Point];
    const middle: Point = [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
    outlines.find((each) => each.area > -signedArea(hole) && holds(each.ring, middle))?.part.push(hole);
  }
  return outlines.map(({ part }) => part.map((ring) => ring.map(([x, y]): Point => [x / GRID, y / GRID])));
}

function holds(ring: readonly Point[], [x, y]: Point): boolean {
  let odd = false;
  let last = ring.at(-1) as Point;
  for (const point of ring) {
    if (last[1] > y !== point[1] > y && x < ((last[0] - point[0]) * (y - point[1])) / (last[1] - point[1]) + point[0]) odd = !odd;
    last = point;
  }
  return odd;
}

const key = (x: number, y: number): string => `${String(x)},${String(y)}`;
const leftOf = (edge: Edge): number => Math.min(edge[0], edge[2]);
const inUnit = (value: number, whole: number): boolean => (whole > 0 ? value >= 0 && value <= whole : value <= 0 && value >= whole);

function between(x: number, y: number, ax: number, ay: number, bx: number, by: number): boolean {
  return x >= Math.min(ax, bx) && x <= Math.max(ax, bx) && y >= Math.min(ay, by) && y <= Math.max(ay, by);
}
