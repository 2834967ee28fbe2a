import { describe, expect, it } from "vitest";

import type { RotatedBox, Shape } from "../types";
import contract from "./contract.json";
import { bounds, corners } from "./geometry";
import { rasterise } from "./raster";
import { RleError, maskArea, maskBounds, maskOf, runsOf } from "./rle";

/** Written by the server's side, `tests/core/image_contract.py`. */
const extent = { width: contract.size[0] as number, height: contract.size[1] as number };

describe("the server and the browser agree on", () => {
  it("the corners of rotated boxes", () => {
    expect(contract.corners.length).toBeGreaterThan(5);
    for (const { box, corners: expected } of contract.corners) {
      corners(box as RotatedBox).forEach(([x, y], i) => {
        expect(x).toBeCloseTo(expected[i]?.[0] as number, 9);
        expect(y).toBeCloseTo(expected[i]?.[1] as number, 9);
      });
    }
  });
  it("the pixels of every shape, and on their run lengths, area and borders", () => {
    expect(contract.rasters.length).toBeGreaterThan(30);
    for (const { shape, counts, area, bounds: at } of contract.rasters) {
      const mask = rasterise(shape as unknown as Shape, extent);
      expect(mask.counts, JSON.stringify(shape)).toBe(counts);
      const read = { kind: "mask", size: [extent.height, extent.width], counts } as const;
      expect(maskOf(runsOf(read), extent).counts).toBe(counts);
      expect(maskArea(read)).toBe(area);
      const found = maskBounds(read);
      expect(found === null ? null : [found.minX, found.minY, found.maxX, found.maxY]).toEqual(at);
      expect(bounds(read)).toEqual(found);
    }
  });
  it("what is no run-length encoding", () => {
    for (const [counts, size] of contract.refused) {
      expect(() => runsOf({ kind: "mask", counts: counts as string, size: size as unknown as [number, number] }), String(counts)).toThrow(RleError);
    }
  });
});
