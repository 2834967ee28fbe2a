import fc from "fast-check";
import { describe, expect, it } from "vitest";

import type { Box, Point, Polygon, Region, RotatedBox, Shape } from "../types";
import { clamp, fit, panBy, toImage, toScreen, zoomAt, type Camera } from "./camera";
import {
  area, bounds, centre, clampTo, contains, corners, distanceTo, handleAt, handles, insertVertex, moveGrip, moveVertex, nearestEdge, overlaps, removeVertex,
  resize, ringsOf, rotate, translate, translateWithin, type Grip,
} from "./geometry";
import { emptyMask } from "./rle";
import { RegionIndex, SpatialIndex, nextOf } from "./spatial";

const extent = { width: 100, height: 80 };
const real = (min: number, max: number) => fc.double({ min, max, noNaN: true });
const point: fc.Arbitrary<Point> = fc.tuple(real(0, 100), real(0, 80));
const box: fc.Arbitrary<Box> = fc.record({ kind: fc.constant("box" as const), x: real(0, 80), y: real(0, 60), width: real(1, 40), height: real(1, 40) });
const rotated: fc.Arbitrary<RotatedBox> = fc.tuple(box, real(-360, 360)).map(([b, angle_deg]) => ({ ...b, kind: "rotated_box", angle_deg }));
const polygon: fc.Arbitrary<Polygon> = fc.array(fc.array(fc.array(point, { minLength: 3, maxLength: 6 }), { minLength: 1, maxLength: 2 }), { minLength: 1, maxLength: 2 }).map((parts) => ({ kind: "polygon", parts }));
const shape: fc.Arbitrary<Shape> = fc.oneof(
  box, rotated, polygon,
  fc.array(point, { minLength: 2, maxLength: 5 }).map((points): Shape => ({ kind: "polyline", points })),
  fc.array(point, { minLength: 1, maxLength: 5 }).map((points): Shape => ({ kind: "points", points })),
);
const flat = (s: Shape): number[] => ringsOf(s).flat(2);
const close = (a: readonly number[], b: readonly number[], by = 1e-6): void => {
  expect(a.length).toBe(b.length);
  a.forEach((value, i) => { expect(Math.abs(value - (b[i] as number))).toBeLessThan(by); });
};

describe("shapes", () => {
  it("moved and moved back are where they were", () => {
    fc.assert(fc.property(shape, real(-50, 50), real(-50, 50), (s, dx, dy) => { close(flat(translate(translate(s, dx, dy), -dx, -dy)), flat(s)); }));
  });
  it("do not leave the image when moved inside it, nor when put into it", () => {
    fc.assert(fc.property(shape, real(-500, 500), real(-500, 500), (s, dx, dy) => {
      const inside = clampTo(translate(s, dx, dy), extent);
      for (const one of [inside, translateWithin(inside, dx, dy, extent)]) {
        const at = bounds(one);
        expect(at !== null && at.minX >= -1e-9 && at.minY >= -1e-9 && at.maxX <= 100 + 1e-9 && at.maxY <= 80 + 1e-9).toBe(true);
      }
    }));
  });
  it("a handle is found where it is, and taken to its own place changes nothing", () => {
    fc.assert(fc.property(shape, (s) => {
      for (const { grip, at } of handles(s)) {
        expect(handleAt(at, s, 1)?.at).toEqual(at);
        const same = moveGrip(s, grip, at);
        close(flat(same), flat(s));
      }
    }));
  });
  it("a vertex put in on an edge changes no area, and taken out again nothing at all", () => {
    fc.assert(fc.property(polygon, point, (s, at) => {
      const place = nearestEdge(at, s);
      expect(place).not.toBeNull();
      if (place === null) return;
      const more = insertVertex(s, place, place.at);
      expect(Math.abs(area(more) - area(s))).toBeLessThan(1e-6);
      const vertex: Grip & { kind: "vertex" } = { kind: "vertex", part: place.part, ring: place.ring, index: place.index + 1 };
      expect(removeVertex(more, vertex)).toEqual(s);
      expect(moveVertex(moveVertex(more, vertex, at), vertex, place.at)).toEqual(more);
    }));
  });
  it("keep three points in a ring; below that the hole goes, then the part, then the shape", () => {
    const triangle: Point[] = [[0, 0], [9, 0], [0, 9]];
    const first = { kind: "vertex", part: 0, ring: 0, index: 0 } as const;
    expect(removeVertex({ kind: "polygon", parts: [[triangle]] }, first)).toBeNull();
    expect(removeVertex({ kind: "polygon", parts: [[triangle, triangle]] }, { ...first, ring: 1 })).toEqual({ kind: "polygon", parts: [[triangle]] });
    expect(removeVertex({ kind: "polygon", parts: [[triangle], [triangle]] }, first)).toEqual({ kind: "polygon", parts: [[triangle]] });
    expect(removeVertex({ kind: "polyline", points: triangle }, first)).toEqual({ kind: "polyline", points: triangle.slice(1) });
    expect(removeVertex({ kind: "polyline", points: triangle.slice(1) }, first)).toBeNull();
    expect(removeVertex({ kind: "points", points: triangle, visibility: [0, 1, 2] }, first)).toEqual({ kind: "points", points: triangle.slice(1), visibility: [1, 2] });
  });
  it("contain their inside and not their holes", () => {
    const square = (at: number, side: number): Point[] => [[at, at], [at + side, at], [at + side, at + side], [at, at + side]];
    const ring: Polygon = { kind: "polygon", parts: [[square(0, 20), square(5, 10)], [square(30, 5)]] };
    expect([[2, 2], [10, 10], [32, 33], [25, 25]].map((p) => contains(p as unknown as Point, ring))).toEqual([true, false, true, false]);
    expect(area(ring)).toBe(325);
    expect(distanceTo([10, 10], ring)).toBe(5);
    fc.assert(fc.property(rotated, (b) => {
      expect(contains(centre(b), b)).toBe(true);
      for (const [x, y] of corners(b)) {
        const [cx, cy] = centre(b);
        expect(contains([cx + (x - cx) * 0.99, cy + (y - cy) * 0.99], b)).toBe(true);
        expect(contains([cx + (x - cx) * 1.01, cy + (y - cy) * 1.01], b)).toBe(false);
      }
    }));
  });
  it("a side of a box that is moved leaves the opposite one where it is, at every angle", () => {
    fc.assert(fc.property(fc.oneof(box, rotated), fc.constantFrom(-1, 0, 1), fc.constantFrom(-1, 0, 1), point, fc.boolean(), (b, dx, dy, to, keep) => {
      if (dx === 0 && dy === 0) return;
      const moved = resize(b, dx as -1 | 0 | 1, dy as -1 | 0 | 1, to, keep);
      expect(moved.width).toBeGreaterThanOrEqual(0);
      expect(moved.height).toBeGreaterThanOrEqual(0);
      const places = (s: Shape): Point[] => handles(s).filter(({ grip }) => grip.kind === "side").map(({ at }) => at);
      const still = handles(b).find(({ grip }) => grip.kind === "side" && grip.dx === -dx && grip.dy === -dy)?.at as Point;
      expect(Math.min(...places(moved).map(([x, y]) => Math.hypot(x - still[0], y - still[1])))).toBeLessThan(1e-6);
      if (keep && dx !== 0 && dy !== 0) expect(Math.abs(moved.width * b.height - moved.height * b.width)).toBeLessThan(1e-6 * (1 + moved.width * b.height));
      if (!keep && dx !== 0 && dy !== 0) expect(Math.min(...places(moved).map(([x, y]) => Math.hypot(x - to[0], y - to[1])))).toBeLessThan(1e-6);
    }));
  });
  it("turn around their centre, by the shortest name of the angle", () => {
    fc.assert(fc.property(fc.oneof(box, rotated), real(-1000, 1000), (b, angle) => {
      const turned = rotate(b, angle);
      close(centre(turned), centre(b));
      expect(turned.angle_deg > -180 && turned.angle_deg <= 180).toBe(true);
      const knob = handles(turned).at(-1);
      expect(knob?.grip.kind).toBe("turn");
      if (knob !== undefined) close(flat(moveGrip(rotate(b, 17), knob.grip, knob.at)), flat(turned));
      expect((moveGrip(turned, { kind: "turn" }, [centre(b)[0] + 10, centre(b)[1] + 1], { snapDeg: 15 }) as RotatedBox).angle_deg).toBe(90);
    }));
  });
  it("without a place have none", () => {
    expect(bounds(emptyMask(extent))).toBeNull();
    expect(bounds({ kind: "points", points: [[5, 5]], visibility: [0] })).toBeNull();
    expect(bounds({ kind: "points", points: [[5, 5], [7, 8]], visibility: [0, 1] })).toEqual({ minX: 7, minY: 8, maxX: 7, maxY: 8 });
    expect(nearestEdge([0, 0], emptyMask(extent))).toBeNull();
  });
});

describe("the camera", () => {
  const camera: fc.Arbitrary<Camera> = fc.record({ scale: real(0.01, 64), x: real(-5000, 5000), y: real(-5000, 5000) });
  const view = { width: 640, height: 480 };
  it("takes a point to the screen and back within a millionth of a pixel", () => {
    fc.assert(fc.property(camera, fc.tuple(real(-50000, 50000), real(-50000, 50000)), (c, p) => { close(toImage(c, toScreen(c, p)), p); }));
  });
  it("keeps the point under the pointer where it is, within the limits of zooming", () => {
    fc.assert(fc.property(real(0.2, 20), fc.tuple(real(280, 360), real(200, 280)), (factor, at) => {
      const start = fit({ width: 4000, height: 3000 }, view);
      const zoomed = zoomAt(start, at, factor, { width: 4000, height: 3000 }, view);
      close(toImage(zoomed, at), toImage(start, at), 1e-6);
    }));
  });
  it("fits the whole image, centred, and never loses it", () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 20000 }), fc.integer({ min: 1, max: 20000 }), camera, (width, height, c) => {
      const image = { width, height };
      const fitted = fit(image, view);
      const [a, b] = [toScreen(fitted, [0, 0]), toScreen(fitted, [width, height])];
      expect(Math.min(...a) >= 15.999 && b[0] <= 624.001 && b[1] <= 464.001).toBe(true);
      close([a[0] + b[0], a[1] + b[1]], [640, 480]);
      for (const kept of [clamp(c, image, view), panBy(fitted, c.x, c.y, image, view), zoomAt(fitted, [0, 0], c.scale, image, view)]) {
        expect(overlaps({ minX: kept.x, minY: kept.y, maxX: kept.x + width * kept.scale, maxY: kept.y + height * kept.scale }, { minX: 0, minY: 0, maxX: 640, maxY: 480 })).toBe(true);
        close([clamp(kept, image, view).x, clamp(kept, image, view).y], [kept.x, kept.y]);
      }
    }));
  });
});

describe("the index", () => {
  const rect = fc.tuple(real(0, 100), real(0, 100), real(0, 12), real(0, 12)).map(([x, y, w, h]) => ({ minX: x, minY: y, maxX: x + w, maxY: y + h }));
  it("finds what looking at every box finds, also after changes", () => {
    const changes = fc.array(fc.tuple(fc.integer({ min: 0, max: 90 }), fc.option(rect)), { maxLength: 120 });
    fc.assert(fc.property(fc.array(rect, { maxLength: 300 }), changes, fc.array(rect, { minLength: 1, maxLength: 5 }), (all, later, asked) => {
      const index = new SpatialIndex();
      const truth = new Map(all.map((at, n) => [String(n), at]));
      for (const [id, at] of truth) index.set(id, at);
      const check = (): void => {
        for (const where of asked) expect(index.within(where).sort()).toEqual([...truth].filter(([, at]) => overlaps(at, where)).map(([id]) => id).sort());
        expect(index.size).toBe(truth.size);
      };
      check();
      for (const [n, at] of later) {
        index.set(String(n), at);
        if (at === null) truth.delete(String(n));
        else truth.set(String(n), at);
      }
      check();
    }), { numRuns: 40 });
  });
  it("gives the smallest first, and goes through what is stacked", () => {
    const region = (id: string, s: Shape): Region => ({ id, label: "x", shape: s });
    const square = (x: number, side: number): Box => ({ kind: "box", x, y: x, width: side, height: side });
    const all = [region("small", square(10, 5)), region("large", square(0, 40)), region("twin", square(10, 5)), region("far", square(60, 9)), region("line", { kind: "polyline", points: [[0, 12], [40, 12]] })];
    const index = new RegionIndex();
    index.update(all);
    const ids = (at: Point, by = 1): string[] => index.at(at, by).map((r) => r.id);
    expect(ids([12, 13.5])).toEqual(["twin", "small", "large"]);
    expect(ids([12, 12.5])).toEqual(["line", "twin", "small", "large"]);
    expect(ids([15.5, 13.5])).toEqual(["large", "twin", "small"]);
    expect(ids([50, 50])).toEqual([]);
    const stack = index.at([12, 13.5], 1);
    expect([null, "twin", "large", "gone"].map((id) => nextOf(stack, id)?.id)).toEqual(["twin", "small", "twin", "twin"]);
    expect(nextOf([], "x")).toBeNull();
    expect(index.inside({ minX: 5, minY: 5, maxX: 70, maxY: 70 }).map((r) => r.id)).toEqual(["small", "twin", "far"]);
    index.update(all.filter((r) => r.id !== "twin").map((r) => (r.id === "far" ? region("far", square(11, 2)) : r)));
    expect(ids([12, 12.9], 0.1)).toEqual(["far", "small", "large"]);
  });
});
