/**
 * From pixels to outlines: the borders between set pixels and others, as polygons with holes. Outlines run clockwise on
 * the screen, holes the other way; pixels that touch at a corner only are apart. Rasterising the answer gives the same
 * pixels back.
 */
import type { Mask, Point, Polygon } from "../types";
import { extentOf, forEachColumnRun, maskBounds, maskOf, runsOf, runsOfRanges } from "./rle";
import { signedArea } from "./geometry";

type Ring = Point[];

/** The polygon of a mask, corners on the borders of pixels; null for an empty mask. */
export function contour(mask: Mask): Polygon | null {
  const at = maskBounds(mask);
  if (at === null) return null;
  const pieces = connected(mask, false);
  const [left, top] = [at.minX, at.minY];
  // Which piece a pixel belongs to, with a border of one pixel of background around.
  const [columns, rows] = [at.maxX - left + 2, at.maxY - top + 2];
  const owner = new Int32Array(columns * rows);
  pieces.forEach((piece, n) => {
    for (const [x, from, to] of piece) owner.fill(n + 1, (x - left + 1) * rows + from - top + 1, (x - left + 1) * rows + to - top + 1);
  });
  const parts: Ring[][] = pieces.map(() => []);
  const seen = new Uint8Array(columns * rows);
  for (let y = 1; y < rows; y += 1) {
    for (let x = 1; x < columns; x += 1) {
      const piece = owner[x * rows + y] as number;
      if (piece === 0 || owner[x * rows + y - 1] !== 0 || seen[x * rows + y] === 1) continue;
      const ring = trace(owner, seen, rows, x, y).map(([px, py]): Point => [px + left - 1, py + top - 1]);
      const part = parts[piece - 1] as Ring[];
      if (signedArea(ring) > 0) part.unshift(ring);
      else part.push(ring);
    }
  }
  return { kind: "polygon", parts };
}

/** A mask taken apart where its pixels do not touch; pixels that share a corner do. Largest first. */
export function islands(mask: Mask): Mask[] {
  const extent = extentOf(mask);
  const pieces = connected(mask, true).map((piece) => ({ piece, pixels: piece.reduce((sum, [, from, to]) => sum + to - from, 0) }));
  pieces.sort((a, b) => b.pixels - a.pixels);
  return pieces.map(({ piece }) => {
    const ranges = piece.map(([x, from, to]): [number, number] => [x * extent.height + from, x * extent.height + to]);
    return maskOf(runsOfRanges(ranges, extent.width * extent.height), extent);
  });
}

type ColumnRun = readonly [x: number, from: number, to: number];

/** Runs of connected pixels; `corners`: whether pixels that share a corner only are connected. Order: by first run. */
function connected(mask: Mask, corners: boolean): ColumnRun[][] {
  const runs: ColumnRun[] = [];
  const parent: number[] = [];
  const root = (n: number): number => {
    let at = n;
    while (parent[at] !== at) at = parent[at] = parent[parent[at] as number] as number;
    return at;
  };
  const reach = corners ? 1 : 0;
  let [column, before, start] = [-1, 0, 0];
  forEachColumnRun(runsOf(mask), mask.size[0], (x, from, to) => {
    if (x !== column) [before, start, column] = [x === column + 1 ? start : runs.length, runs.length, x];
    const own = runs.push([x, from, to]) - 1;
    parent.push(own);
    // `before` walks through the runs of the column to the left, as this column's runs go down.
    while (before < start && (runs[before] as ColumnRun)[2] + reach <= from) before += 1;
    for (let n = before; n < start && (runs[n] as ColumnRun)[1] < to + reach; n += 1) {
      const [a, b] = [root(n), root(own)];
      parent[Math.max(a, b)] = Math.min(a, b);
    }
  });
  const pieces = new Map<number, ColumnRun[]>();
  runs.forEach((run, n) => {
    const at = root(n);
    const piece = pieces.get(at);
    if (piece === undefined) pieces.set(at, [run]);
    else piece.push(run);
  });
  return [...pieces.values()];
}

/** The border that begins on the upper edge of a pixel and goes right, with set pixels on its right hand. */
function trace(owner: Int32Array, seen: Uint8Array, rows: number, startX: number, startY: number): Ring {
  const ring: Ring = [];
  let [x, y, dx, dy] = [startX, startY, 1, 0];
  do {
    if (dx === 1) seen[x * rows + y] = 1;
    [x, y] = [x + dx, y + dy];
    // The two pixels ahead: on the right hand of the way, and on the left.
    const right = owner[(x + (dx - dy - 1) / 2) * rows + y + (dx + dy - 1) / 2] !== 0;
    const left = owner[(x + (dx + dy - 1) / 2) * rows + y + (dy - dx - 1) / 2] !== 0;
    if (!right) {
      ring.push([x, y]);
      [dx, dy] = [-dy, dx];
    } else if (left) {
      ring.push([x, y]);
      [dx, dy] = [dy, -dx];
    }
  } while (x !== startX || y !== startY || dx !== 1);
  return ring;
}
