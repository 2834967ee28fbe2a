import fc from "fast-check";
import { describe, expect, it } from "vitest";

import type { Mask, Point, Polygon } from "../types";
import { contour, islands } from "./contour";
import { GRID } from "./clip";
import { cut, merge, split, toMask, toPolygon } from "./combine";
import { area, contains } from "./geometry";
import { evenOddRuns, rasterise } from "./raster";
import { RleError, difference, emptyMask, hasPixel, intersection, maskArea, maskBounds, maskOf, pixelsOf, runsOf, runsOfPixels, shifted, union } from "./rle";
import type { Extent } from "./scene";
import { simplify } from "./simplify";
import { MaskTiles, TILE } from "./tiles";

/** Masks of up to 14 x 11 pixels, from a list of set pixels or noise. */
const masks = fc.record({ width: fc.integer({ min: 1, max: 14 }), height: fc.integer({ min: 1, max: 11 }) }).chain((extent) =>
  fc.array(fc.boolean(), { minLength: extent.width * extent.height, maxLength: extent.width * extent.height }).map((bits) => maskOf(runsOfPixels(Uint8Array.from(bits, Number)), extent)),
);
const pairs = fc.record({ width: fc.integer({ min: 1, max: 14 }), height: fc.integer({ min: 1, max: 11 }) }).chain((extent) => {
  const bits = fc.array(fc.boolean(), { minLength: extent.width * extent.height, maxLength: extent.width * extent.height });
  return fc.tuple(bits, bits).map((both) => both.map((b) => Uint8Array.from(b, Number)) as [Uint8Array, Uint8Array]);
});
const points = (extent: Extent): fc.Arbitrary<Point> => fc.tuple(fc.double({ min: -5, max: extent.width + 5, noNaN: true }), fc.double({ min: -5, max: extent.height + 5, noNaN: true }));
const polygonIn = (extent: Extent): fc.Arbitrary<Polygon> =>
  fc.array(fc.array(points(extent), { minLength: 3, maxLength: 7 }), { minLength: 1, maxLength: 2 }).map((rings) => ({ kind: "polygon", parts: rings.map((ring) => [ring]) }));

describe("run lengths", () => {
  it("are read back as written", () => {
    fc.assert(fc.property(masks, (mask) => {
      const again: Mask = { ...mask };
      expect(runsOf(again)).toEqual(runsOf(mask));
      expect(maskOf(runsOfPixels(pixelsOf(again)), { width: mask.size[1], height: mask.size[0] }).counts).toBe(mask.counts);
    }));
  });
  it("combine as sets of pixels do", () => {
    fc.assert(fc.property(pairs, ([a, b]) => {
      const both = [runsOfPixels(a), runsOfPixels(b)] as const;
      expect(union(...both)).toEqual(runsOfPixels(a.map((p, i) => p | (b[i] as number))));
      expect(intersection(...both)).toEqual(runsOfPixels(a.map((p, i) => p & (b[i] as number))));
      expect(difference(...both)).toEqual(runsOfPixels(a.map((p, i) => p & (1 - (b[i] as number)))));
    }));
  });
  it("know their area, their borders and each pixel", () => {
    fc.assert(fc.property(masks, (mask) => {
      const pixels = pixelsOf(mask);
      const [height] = mask.size;
      const set = [...pixels].flatMap((p, i) => (p === 1 ? [[Math.floor(i / height), i % height] as const] : []));
      expect(maskArea(mask)).toBe(set.length);
      const at = maskBounds(mask);
      if (set.length === 0) expect(at).toBeNull();
      else {
        const [xs, ys] = [set.map(([x]) => x), set.map(([, y]) => y)];
        expect(at).toEqual({ minX: Math.min(...xs), minY: Math.min(...ys), maxX: Math.max(...xs) + 1, maxY: Math.max(...ys) + 1 });
      }
      pixels.forEach((p, i) => { expect(hasPixel(mask, Math.floor(i / height), i % height)).toBe(p === 1); });
      for (const [x, y] of [[-1, 0], [0, -1], [mask.size[1], 0], [0, height]] as const) expect(hasPixel(mask, x, y)).toBe(false);
    }));
  });
  it("move by whole pixels; what leaves the image is gone", () => {
    fc.assert(fc.property(masks, fc.integer({ min: -6, max: 6 }), fc.integer({ min: -6, max: 6 }), (mask, dx, dy) => {
      const moved = shifted(mask, dx, dy);
      for (let x = 0; x < mask.size[1]; x += 1) for (let y = 0; y < mask.size[0]; y += 1) expect(hasPixel(moved, x, y)).toBe(hasPixel(mask, x - dx, y - dy));
    }));
  });
  it("that are damaged or hostile are refused, quickly", () => {
    const bad: [string, [number, number]][] = [
      ["", [2, 2]], ["5", [2, 2]], ["3", [2, 2]], ["4\u0000", [2, 2]], ["~", [2, 2]], ["o".repeat(50), [2, 2]], ["`", [2, 2]], ["4", [0, 4]],
      ["4", [-2, -2]], ["4", [1.5, 2]], ["4", [Infinity, 1]], ["é", [2, 2]], ["0".repeat(10), [1e9, 1e9]], ["@4", [2, 2]], ["4", [NaN, 4]],
    ];
    for (const [counts, size] of bad) expect(() => runsOf({ kind: "mask", size, counts }), counts).toThrow(RleError);
    fc.assert(fc.property(fc.string({ maxLength: 40 }), (counts) => {
      try {
        expect(runsOf({ kind: "mask", size: [7, 5], counts }).reduce((a, b) => a + b, 0)).toBe(35);
      } catch (error) {
        expect(error).toBeInstanceOf(RleError);
      }
    }));
  });
});

describe("tiles", () => {
  const extent = { width: 600, height: 530 };
  const places = fc.tuple(fc.double({ min: -40, max: 640, noNaN: true }), fc.double({ min: -40, max: 570, noNaN: true }));
  const strokes = fc.record({ from: places, to: places, radius: fc.double({ min: 0.2, max: 30, noNaN: true }), erase: fc.boolean() });
  const near = (p: Point, a: Point, b: Point): number => {
    const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
    const long = dx * dx + dy * dy;
    const t = long === 0 ? 0 : Math.min(1, Math.max(0, ((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / long));
    return Math.hypot(p[0] - a[0] - t * dx, p[1] - a[1] - t * dy);
  };

  it("hold the pixels whose centre the brush covers, and the one under it", () => {
    fc.assert(fc.property(strokes, ({ from, to, radius }) => {
      const { tiles } = MaskTiles.empty(extent).paint({ from, to, radius, erase: false });
      const wrong: string[] = [];
      for (let x = 0; x < extent.width; x += 3) {
        for (let y = 0; y < extent.height; y += 3) {
          const distance = near([x + 0.5, y + 0.5], from, to);
          const under = [from, to].some((p) => Math.floor(p[0]) === x && Math.floor(p[1]) === y);
          const unsure = Math.abs(distance - radius) < 1e-6 || (!under && radius <= 0.75);
          if (!unsure && tiles.has(x, y) !== (under || distance < radius)) wrong.push(`${String(x)},${String(y)}`);
        }
      }
      expect(wrong).toEqual([]);
    }), { numRuns: 12 });
  });
  it("are touched only where the brush was, and undo is the value from before", () => {
    fc.assert(fc.property(fc.array(strokes, { maxLength: 6 }), (all) => {
      let [now, before] = [MaskTiles.empty(extent), emptyMask(extent).counts];
      for (const stroke of all) {
        const { tiles, touched } = now.paint(stroke);
        expect(touched).toEqual(MaskTiles.changed(now, tiles));
        for (const index of touched) {
          const [x, y] = tiles.cornerOf(index);
          const [near, far] = [(a: number, b: number) => Math.min(a, b) - stroke.radius - 1, (a: number, b: number) => Math.max(a, b) + stroke.radius + 1];
          expect(x + TILE > near(stroke.from[0], stroke.to[0]) && x < far(stroke.from[0], stroke.to[0])).toBe(true);
          expect(y + TILE > near(stroke.from[1], stroke.to[1]) && y < far(stroke.from[1], stroke.to[1])).toBe(true);
        }
        expect(now.toMask().counts).toBe(before);
        [now, before] = [tiles, tiles.toMask().counts];
        if (stroke.erase) expect(now.paint({ ...stroke }).tiles).toBe(now);
      }
      expect(MaskTiles.fromMask(now.toMask())).toBe(now);
      const read = MaskTiles.fromMask({ ...now.toMask() });
      expect(read.toMask().counts).toBe(before);
      expect([...read.indices()].sort()).toEqual([...now.indices()].sort());
    }), { numRuns: 25 });
  });
  it("a brush of 60 pixels on a large image touches at most four of them in a move", () => {
    const large = { width: 4000, height: 3000 };
    let tiles = MaskTiles.empty(large);
    for (let i = 0; i < 60; i += 1) {
      const from: Point = [300 + i * 10, 400 + i * 7];
      const done = tiles.paint({ from, to: [from[0] + 10, from[1] + 7], radius: 60, erase: false });
      expect(done.touched.length).toBeLessThanOrEqual(4);
      expect(done.tiles.bytesBeyond(tiles)).toBe(done.touched.length * TILE * TILE);
      tiles = done.tiles;
    }
    expect([...tiles.indices()].length).toBeLessThan(24);
  });
});

describe("outlines of pixels", () => {
  it("rasterise to the same pixels, parts and holes included", () => {
    fc.assert(fc.property(masks, (mask) => {
      const extent = { width: mask.size[1], height: mask.size[0] };
      const outline = contour(mask);
      expect(rasterise(outline ?? { kind: "polyline", points: [] }, extent).counts).toBe(mask.counts);
      expect(outline === null ? 0 : area(outline)).toBe(maskArea(mask));
    }));
  });
  it("islands are disjoint, and together the mask", () => {
    fc.assert(fc.property(masks, (mask) => {
      const extent = { width: mask.size[1], height: mask.size[0] };
      const found = islands(mask);
      const together = found.reduce((all, each) => union(all, runsOf(each)), runsOf(emptyMask(extent)));
      expect(maskOf(together, extent).counts).toBe(mask.counts);
      expect(found.reduce((sum, each) => sum + maskArea(each), 0)).toBe(maskArea(mask));
      for (const each of found) expect(islands(each)).toHaveLength(1);
    }));
  });
  it("simplified keep at least three points and stay within the tolerance", () => {
    fc.assert(fc.property(polygonIn({ width: 40, height: 40 }), fc.double({ min: 0, max: 60, noNaN: true }), (polygon, tolerance) => {
      simplify(polygon, tolerance).parts.forEach((part, p) => {
        part.forEach((ring, r) => {
          const before = polygon.parts[p]?.[r] ?? [];
          expect(ring.length).toBeGreaterThanOrEqual(3);
          const kept = new Set(ring);
          expect(before.filter((point) => kept.has(point))).toEqual(ring);
          for (const point of before) expect(Math.min(...ring.map((a, i) => near(point, a, ring[(i + 1) % ring.length] as Point)))).toBeLessThanOrEqual(tolerance + 1e-9);
        });
      });
    }));
    function near(p: Point, a: Point, b: Point): number {
      const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
      const long = dx * dx + dy * dy;
      const t = long === 0 ? 0 : Math.min(1, Math.max(0, ((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / long));
      return Math.hypot(p[0] - a[0] - t * dx, p[1] - a[1] - t * dy);
    }
  });
});

describe("shapes of shapes", () => {
  const extent = { width: 40, height: 40 };
  const probes: Point[] = [];
  for (let x = -3.37; x < 44; x += 2.39) for (let y = -3.11; y < 44; y += 2.71) probes.push([x, y]);
  /** Farther from an outline than the grid's error. */
  const clear = (point: Point, shapes: readonly Polygon[]): boolean => shapes.every((shape) => shape.parts.flat().every((ring) => ring.every((a, i) => {
    const b = ring[(i + 1) % ring.length] as Point;
    const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
    const long = dx * dx + dy * dy;
    const t = long === 0 ? 0 : Math.min(1, Math.max(0, ((point[0] - a[0]) * dx + (point[1] - a[1]) * dy) / long));
    return Math.hypot(point[0] - a[0] - t * dx, point[1] - a[1] - t * dy) > 4 / GRID;
  })));

  it("contain what the union and the difference of their parts contain", () => {
    fc.assert(fc.property(polygonIn(extent), polygonIn(extent), (a, b) => {
      const [whole, rest] = [merge([a, b], extent), cut(a, [b], extent)];
      for (const point of probes.filter((p) => clear(p, [a, b]))) {
        const [inA, inB] = [contains(point, a), contains(point, b)];
        expect(whole !== null && contains(point, whole), `union at ${String(point)}`).toBe(inA || inB);
        expect(rest !== null && contains(point, rest), `difference at ${String(point)}`).toBe(inA && !inB);
      }
    }), { numRuns: 60 });
  });
  it("keep the corners of boxes exactly", () => {
    const box = (x: number, y: number, width: number, height: number) => ({ kind: "box", x, y, width, height }) as const;
    const corner = merge([box(0, 0, 10, 10), box(5, 5, 10, 10)], extent) as Polygon;
    expect(corner.parts).toHaveLength(1);
    expect(area(corner)).toBe(175);
    expect(corner.parts[0]?.[0]).toHaveLength(8);
    const side = merge([box(0, 0, 10, 10), box(10, 0, 10, 10)], extent) as Polygon;
    expect([side.parts.length, area(side)]).toEqual([1, 200]);
    const ring = cut(box(0, 0, 30, 30), [box(10, 10, 10, 10)], extent) as Polygon;
    expect([ring.parts.length, ring.parts[0]?.length, area(ring)]).toEqual([1, 2, 800]);
    expect(cut(box(5, 5, 2, 2), [box(0, 0, 30, 30)], extent)).toBeNull();
    const halves = cut(box(0, 0, 30, 10), [box(10, -1, 5, 12)], extent) as Polygon;
    expect(split(halves).map(area)).toEqual(expect.arrayContaining([100, 150]));
    expect(merge([box(0, 0, 5, 5), box(20, 20, 5, 5)], extent)).toMatchObject({ parts: [{ length: 1 }, { length: 1 }] });
  });
  it("with a mask are masks, exact by pixels", () => {
    fc.assert(fc.property(polygonIn(extent), polygonIn(extent), (a, b) => {
      const [p, q] = [toMask(a, extent) as Mask, toMask(b, extent) as Mask];
      expect((merge([p, b], extent) as Mask).counts).toBe(maskOf(union(runsOf(p), runsOf(q)), extent).counts);
      const rest = cut(p, [b], extent) as Mask | null;
      expect(rest === null ? 0 : maskArea(rest)).toBe(difference(runsOf(p), runsOf(q)).reduce((s, r, i) => (i % 2 ? s + r : s), 0));
      const outline = toPolygon(p, 0);
      if (outline !== null) expect(toMask(outline, extent)?.counts).toBe(p.counts);
    }), { numRuns: 60 });
  });
  it("a ring inside a ring is even-odd a hole", () => {
    const square = (at: number, side: number): Point[] => [[at, at], [at + side, at], [at + side, at + side], [at, at + side]];
    expect(maskArea(maskOf(evenOddRuns([square(2, 20), square(7, 5)], extent), extent))).toBe(375);
  });
});
