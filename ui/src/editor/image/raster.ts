/** From shapes to pixels by COCO's own rule, so that an area counted here is the one the server and a trainer count. */
import type { Mask, Point, Shape } from "../types";
import { corners } from "./geometry";
import { difference, maskOf, symmetric, union, type Runs } from "./rle";
import type { Extent } from "./scene";

/** Steps per pixel in which COCO walks along an outline. */
const SCALE = 5;
/** Farther outside than this many pixels, a point is moved to there: its pixels are outside anyway. */
const FAR = 1e5;

/** The pixels of an area shape; lines and points have none. A mask is answered as it is. */
export function rasterise(shape: Shape, extent: Extent): Mask {
  if (shape.kind === "mask") return shape;
  return maskOf(shapeRuns(shape, extent), extent);
}

/** Runs of an area shape: parts are united, holes are cut out of their part. */
export function shapeRuns(shape: Exclude<Shape, Mask>, extent: Extent): Runs {
  let whole: Runs = [extent.width * extent.height];
  if (shape.kind === "box" || shape.kind === "rotated_box") return ringRuns(corners(shape), extent);
  if (shape.kind !== "polygon") return whole;
  for (const [outline, ...holes] of shape.parts) {
    const part = holes.reduce((runs: Runs, hole) => difference(runs, ringRuns(hole, extent)), ringRuns(outline ?? [], extent));
    whole = union(whole, part);
  }
  return whole;
}

/** Even-odd of several rings: what is inside an odd number of them. */
export function evenOddRuns(rings: readonly (readonly Point[])[], extent: Extent): Runs {
  return rings.reduce((runs: Runs, ring) => symmetric(runs, ringRuns(ring, extent)), [extent.width * extent.height]);
}

/**
 * Runs of one ring. Source: `rleFrPoly` of pycocotools (maskApi.c), step by step: the outline is walked on a grid of a
 * fifth of a pixel; where it passes the centre line of a column, the runs of that column change.
 */
export function ringRuns(ring: readonly Point[], { width, height }: Extent): Runs {
  const pixels = width * height;
  if (ring.length < 3) return [pixels];
  const grid = (value: number): number => Math.trunc(SCALE * Math.min(Math.max(value, -FAR), FAR) + 0.5);
  const turns: number[] = [];
  let [lastU, lastV, first] = [0, 0, true];
  const visit = (u: number, v: number): void => {
    if (!first && u !== lastU) {
      const x = ((u < lastU ? u : u - 1) + 0.5) / SCALE - 0.5;
      if (Math.floor(x) === x && x >= 0 && x <= width - 1) {
        const y = Math.min(Math.max((Math.min(v, lastV) + 0.5) / SCALE - 0.5, 0), height);
        turns.push(x * height + Math.ceil(y));
      }
    }
    [lastU, lastV, first] = [u, v, false];
  };
  for (let i = 0; i < ring.length; i += 1) {
    const [a, b] = [ring[i] as Point, ring[(i + 1) % ring.length] as Point];
    walk(grid(a[0]), grid(a[1]), grid(b[0]), grid(b[1]), visit);
  }
  turns.sort((a, b) => a - b);
  return between(turns, pixels);
}

/** The grid points of an edge, both ends included, rounded as the C code does: towards zero after adding a half. */
function walk(xa: number, ya: number, xb: number, yb: number, visit: (u: number, v: number) => void): void {
  const [dx, dy] = [Math.abs(xb - xa), Math.abs(yb - ya)];
  if (dx === 0 && dy === 0) {
    visit(xa, ya);
    return;
  }
  const wide = dx >= dy;
  const flip = wide ? xa > xb : ya > yb;
  const [xs, ys, xe, ye] = flip ? [xb, yb, xa, ya] : [xa, ya, xb, yb];
  const slope = wide ? (ye - ys) / dx : (xe - xs) / dy;
  const steps = wide ? dx : dy;
  for (let d = 0; d <= steps; d += 1) {
    const t = flip ? steps - d : d;
    if (wide) visit(t + xs, Math.trunc(ys + slope * t + 0.5));
    else visit(Math.trunc(xs + slope * t + 0.5), t + ys);
  }
}

/** Positions at which background and shape take turns, sorted; two at one place cancel. */
function between(turns: readonly number[], pixels: number): Runs {
  const runs: number[] = [];
  let position = 0;
  for (let i = 0; i < turns.length; i += 1) {
    const at = turns[i] as number;
    if (turns[i + 1] === at) i += 1;
    else {
      runs.push(at - position);
      position = at;
    }
  }
  runs.push(pixels - position);
  return runs;
}
