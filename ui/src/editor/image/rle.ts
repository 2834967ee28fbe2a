/**
 * Masks as run lengths: compressed COCO strings, read and written as pycocotools does, and set operations on the runs
 * themselves. Runs go down the columns, from the left one to the right one, and begin with background. No pixel is
 * touched here, so the cost goes with the length of the borders and not with the size of the image.
 */
import type { Mask } from "../types";
import type { Bounds } from "./geometry";
import type { Extent } from "./scene";

/** Lengths of runs, the first of background (0 where the first pixel is set); only the first may be 0. */
export type Runs = readonly number[];

/** More pixels than any image that is let in; a string that claims more is hostile. */
const MOST_PIXELS = 2 ** 40;

/** A string that is no run-length encoding of its size. */
export class RleError extends Error {
  override readonly name = "RleError";
}

const read = new WeakMap<Mask, Runs>();

/** Runs of a mask; read once per mask value. Throws RleError where they are damaged or do not fill its size. */
export function runsOf(mask: Mask): Runs {
  let runs = read.get(mask);
  if (runs === undefined) read.set(mask, (runs = parse(mask.counts, mask.size)));
  return runs;
}

/** A mask from runs that fill it. Throws RleError where they do not. */
export function maskOf(runs: Runs, extent: Extent): Mask {
  const tidy = tidied(runs);
  if (tidy.reduce((a, b) => a + b, 0) !== extent.width * extent.height) throw new RleError("the runs do not fill the mask");
  const mask: Mask = { kind: "mask", size: [extent.height, extent.width], counts: write(tidy) };
  read.set(mask, tidy);
  return mask;
}

/** A mask without a pixel. */
export function emptyMask(extent: Extent): Mask {
  return maskOf([extent.width * extent.height], extent);
}

export function extentOf(mask: Mask): Extent {
  return { width: mask.size[1], height: mask.size[0] };
}

/** Pixels of a mask. */
export function maskArea(mask: Mask): number {
  return runsOf(mask).reduce((sum, run, i) => (i % 2 === 1 ? sum + run : sum), 0);
}

/** Borders around the set pixels, in image pixels; null for an empty mask. */
export function maskBounds(mask: Mask): Bounds | null {
  const height = mask.size[0];
  let [minX, minY, maxX, maxY] = [Infinity, Infinity, -Infinity, -Infinity];
  forEachRun(runsOf(mask), (from, to) => {
    const [left, right] = [Math.floor(from / height), Math.floor((to - 1) / height)];
    if (left < minX) minX = left;
    if (right > maxX) maxX = right;
    // A run that goes on in the next column touches the lower and the upper border.
    minY = Math.min(minY, left === right ? from % height : 0);
    maxY = Math.max(maxY, left === right ? (to - 1) % height : height - 1);
  });
  return maxX < minX ? null : { minX, minY, maxX: maxX + 1, maxY: maxY + 1 };
}

/** Whether a pixel is set; false outside. */
export function hasPixel(mask: Mask, x: number, y: number): boolean {
  const [height, width] = mask.size;
  if (!(x >= 0 && y >= 0 && x < width && y < height)) return false;
  const at = x * height + y;
  let position = 0;
  let set = false;
  for (const run of runsOf(mask)) {
    position += run;
    if (at < position) return set;
    set = !set;
  }
  return false;
}

/** Calls back with every run of set pixels, as a half-open range of positions `x * height + y`. */
export function forEachRun(runs: Runs, visit: (from: number, to: number) => void): void {
  let position = 0;
  for (let i = 0; i < runs.length; i += 1) {
    const run = runs[i] as number;
    if (i % 2 === 1 && run > 0) visit(position, position + run);
    position += run;
  }
}

/** Calls back with every run cut at the ends of columns: column, first row, row after the last. */
export function forEachColumnRun(runs: Runs, height: number, visit: (x: number, from: number, to: number) => void): void {
  forEachRun(runs, (start, end) => {
    for (let at = start; at < end; ) {
      const x = Math.floor(at / height);
      const stop = Math.min(end, (x + 1) * height);
      visit(x, at - x * height, stop - x * height);
      at = stop;
    }
  });
}

/** Runs of ranges of positions that are sorted and do not overlap. */
export function runsOfRanges(ranges: readonly (readonly [number, number])[], pixels: number): Runs {
  const runs: number[] = [];
  let position = 0;
  for (const [from, to] of ranges) {
    runs.push(from - position, to - from);
    position = to;
  }
  runs.push(pixels - position);
  return tidied(runs);
}

export const union = (a: Runs, b: Runs): Runs => combine(a, b, (p, q) => p || q);
export const intersection = (a: Runs, b: Runs): Runs => combine(a, b, (p, q) => p && q);
export const difference = (a: Runs, b: Runs): Runs => combine(a, b, (p, q) => p && !q);
/** Even-odd of both. */
export const symmetric = (a: Runs, b: Runs): Runs => combine(a, b, (p, q) => p !== q);

/** A mask moved by whole pixels; what leaves the image is gone. */
export function shifted(mask: Mask, dx: number, dy: number): Mask {
  const extent = extentOf(mask);
  const { width, height } = extent;
  if (dx === 0 && dy === 0) return mask;
  const ranges: [number, number][] = [];
  forEachColumnRun(runsOf(mask), height, (x, from, to) => {
    const [column, first, last] = [x + dx, Math.max(0, from + dy), Math.min(height, to + dy)];
    if (column >= 0 && column < width && first < last) ranges.push([column * height + first, column * height + last]);
  });
  return maskOf(runsOfRanges(ranges, width * height), extent);
}

/** Bytes (0 or 1) of a mask, column by column, `x * height + y`. */
export function pixelsOf(mask: Mask): Uint8Array {
  const pixels = new Uint8Array(mask.size[0] * mask.size[1]);
  forEachRun(runsOf(mask), (from, to) => pixels.fill(1, from, to));
  return pixels;
}

/** The runs of bytes, column by column. */
export function runsOfPixels(pixels: Uint8Array): Runs {
  const runs: number[] = [];
  let [at, set] = [0, 0];
  while (at < pixels.length) {
    let end = at;
    while (end < pixels.length && (pixels[end] === 0 ? 0 : 1) === set) end += 1;
    runs.push(end - at);
    at = end;
    set = 1 - set;
  }
  return runs;
}

function combine(a: Runs, b: Runs, keep: (inA: boolean, inB: boolean) => boolean): Runs {
  const runs: number[] = [];
  let [i, j, leftA, leftB] = [0, 0, a[0] ?? 0, b[0] ?? 0];
  let [length, set] = [0, false];
  while (i < a.length && j < b.length) {
    const step = Math.min(leftA, leftB);
    if (step > 0) {
      const now = keep(i % 2 === 1, j % 2 === 1);
      if (now !== set) {
        runs.push(length);
        [length, set] = [0, now];
      }
      length += step;
    }
    if ((leftA -= step) === 0) leftA = a[(i += 1)] ?? 0;
    if ((leftB -= step) === 0) leftB = b[(j += 1)] ?? 0;
  }
  runs.push(length);
  return runs;
}

/** No run of length 0 but the first. */
function tidied(runs: Runs): Runs {
  if (runs.every((run, i) => run > 0 || i === 0)) return runs;
  const tidy: number[] = [];
  runs.forEach((run, i) => {
    const last = tidy.length - 1;
    if (run === 0 && i > 0) return;
    // Even places hold background: a run whose place has the other parity goes on with the one before.
    if (tidy.length > 0 && last % 2 === i % 2) tidy[last] = (tidy[last] as number) + run;
    else tidy.push(run);
  });
  return tidy;
}

/** Source: `rleFrString` of pycocotools (maskApi.c), bounded. */
function parse(counts: string, [height, width]: readonly [number, number]): Runs {
  const pixels = height * width;
  if (!Number.isInteger(height) || !Number.isInteger(width) || height < 1 || width < 1 || pixels > MOST_PIXELS) {
    throw new RleError(`a mask of ${String(height)} x ${String(width)}`);
  }
  const runs: number[] = [];
  let [value, shift, total] = [0, 0, 0];
  for (let i = 0; i < counts.length; i += 1) {
    const code = counts.charCodeAt(i) - 48;
    if (!(code >= 0 && code < 64) || shift > 30) throw new RleError("no run-length encoding");
    value += (code & 0x1f) * 2 ** shift;
    shift += 5;
    if (code & 0x20) continue;
    if (code & 0x10) value -= 2 ** shift;
    if (runs.length > 2) value += runs[runs.length - 2] as number;
    total += value;
    if (value < 0 || total > pixels) throw new RleError("runs that do not fill the mask");
    runs.push(value);
    [value, shift] = [0, 0];
  }
  if (shift > 0 || total !== pixels) throw new RleError("runs that do not fill the mask");
  return tidied(runs);
}

/** Source: `rleToString` of pycocotools (maskApi.c). */
function write(runs: Runs): string {
  const codes: string[] = [];
  runs.forEach((run, i) => {
    let value = i > 2 ? run - (runs[i - 2] as number) : run;
    for (;;) {
      const low = ((value % 32) + 32) % 32;
      value = Math.floor(value / 32);
      const more = low & 0x10 ? value !== -1 : value !== 0;
      codes.push(String.fromCharCode(low + (more ? 0x20 : 0) + 48));
      if (!more) break;
    }
  });
  return codes.join("");
}
