import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { Point, Polygon, Region, Shape } from "../types";
import { fit, panBy, zoomAt } from "./camera";
import { moveVertex } from "./geometry";
import type { ImageSource } from "./picture";
import { Renderer, SETTLE_MS } from "./renderer";
import { maskOf } from "./rle";
import { NOTHING_ACTIVE, hatchOf, type Active, type Drawn, type Scene } from "./scene";
import { MaskTiles } from "./tiles";

/** A canvas that remembers what it was told, by canvas. */
type Call = readonly [name: string, ...args: unknown[]];
const told = new Map<HTMLCanvasElement, Call[]>();

function fakeContext(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const calls = told.get(canvas) ?? told.set(canvas, []).get(canvas) ?? [];
  const own: Record<string, unknown> = {
    createImageData: (width: number, height: number) => ({ width, height, data: new Uint8ClampedArray(width * height * 4) }),
    measureText: () => ({ width: 20 }),
    createPattern: () => null,
  };
  const silent = (): void => undefined;
  return new Proxy(own, {
    // There are a hundred thousand of these.
    get: (target, name: string) => (name === "lineTo" || name === "closePath" ? silent : target[name]) ?? ((...args: unknown[]) => { calls.push([name, ...args]); }),
    set: (target, name: string, value: unknown) => {
      calls.push([`${name}=`, value]);
      target[name] = value;
      return true;
    },
  }) as unknown as CanvasRenderingContext2D;
}

const EXTENT = { width: 4000, height: 3000 };
const VIEW = { width: 1280, height: 800 };

function region(n: number, shape: Shape, more: Partial<Drawn> = {}): Drawn {
  const r: Region = { id: `r${String(n)}`, label: "x", shape };
  return { region: r, colour: n % 2 === 0 ? "#0072B2" : "#E69F00", suggested: false, hidden: false, locked: false, edges: [], ...more };
}

function blob(x: number, y: number, radius: number): Polygon {
  return { kind: "polygon", parts: [[Array.from({ length: 20 }, (_, i): Point => [x + radius * Math.cos(i / 3.2), y + radius * Math.sin(i / 3.2)])]] };
}

const many = (count: number): Drawn[] => Array.from({ length: count }, (_, n) => region(n, blob(40 + ((n * 53) % 3920), 40 + ((n * 97) % 2920), 20)));
const scene = (drawn: readonly Drawn[], active: Partial<Active> = {}): Scene => ({
  extent: EXTENT, drawn, selected: new Set(), hover: null, active: { ...NOTHING_ACTIVE, ...active }, opacity: 0.4, bare: false,
});

let host: HTMLDivElement;
let renderer: Renderer;
const contexts = new WeakMap<HTMLCanvasElement, CanvasRenderingContext2D>();
const canvases = (): HTMLCanvasElement[] => [...host.querySelectorAll("canvas")];
const calls = (layer: number, name: string): Call[] => (told.get(canvases()[layer] as HTMLCanvasElement) ?? []).filter((call) => call[0] === name);
const frame = (): void => { vi.advanceTimersByTime(17); };
const counted = (work: () => void): Record<string, number> => {
  const numbers = (): [string, number][] => Object.entries(renderer.counters).filter((entry): entry is [string, number] => typeof entry[1] === "number");
  const before = Object.fromEntries(numbers());
  work();
  return Object.fromEntries(numbers().map(([name, value]) => [name, value - (before[name] ?? 0)] as const).filter(([, value]) => value !== 0));
};

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "requestAnimationFrame", "cancelAnimationFrame", "performance"] });
  told.clear();
  vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockImplementation(function (this: HTMLCanvasElement) {
    const context = contexts.get(this) ?? fakeContext(this);
    contexts.set(this, context);
    return context as never;
  });
  host = document.createElement("div");
  Object.defineProperties(host, { clientWidth: { value: VIEW.width, configurable: true }, clientHeight: { value: VIEW.height } });
  renderer = new Renderer(host);
});
afterEach(() => {
  renderer.dispose();
  vi.useRealTimers();
});

describe("5,000 polygons on an image of 12 megapixels", () => {
  const drawn = many(5000);
  beforeEach(() => {
    renderer.show(scene(drawn));
    renderer.camera = fit(EXTENT, VIEW);
    frame();
  });

  it("are drawn in as many strokes as there are looks, not shapes", () => {
    expect(renderer.counters.fullRedraws).toBe(1);
    expect(calls(2, "stroke")).toHaveLength(4);
    expect(calls(2, "fill")).toHaveLength(2);
    expect(calls(2, "moveTo")).toHaveLength(5000);
  });
  it("are not drawn while the hand pans and zooms, and once when it rests", () => {
    const gesture = counted(() => {
      for (let n = 0; n < 30; n += 1) {
        renderer.camera = n % 2 === 0 ? panBy(renderer.camera, 5, 3, EXTENT, VIEW) : zoomAt(renderer.camera, [300, 200], 1.05, EXTENT, VIEW);
        frame();
      }
    });
    expect(gesture).toEqual({ gestureFrames: 30 });
    const stage = host.querySelector<HTMLElement>("[data-stage]");
    expect(stage?.style.transform).toMatch(/^matrix\(/);
    expect(counted(() => { vi.advanceTimersByTime(SETTLE_MS + 40); })).toEqual({ fullRedraws: 1 });
    expect(stage?.style.transform).toBe("");
  });
  it("the matrix puts the old picture where a new one would be", () => {
    const from = renderer.camera;
    renderer.camera = zoomAt(from, [200, 100], 1.5, EXTENT, VIEW);
    frame();
    const [a, , , d, e, f] = (/matrix\((.*)\)/.exec(host.querySelector<HTMLElement>("[data-stage]")?.style.transform ?? "")?.[1] ?? "").split(",").map(Number) as [number, number, number, number, number, number];
    const margin = [Math.ceil(VIEW.width / 8), Math.ceil(VIEW.height / 8)] as const;
    for (const [x, y] of [[0, 0], [1234, 567], [4000, 3000]] as const) {
      const on = [x * from.scale + from.x + margin[0], y * from.scale + from.y + margin[1]] as const;
      expect(on[0] * a + e - margin[0]).toBeCloseTo(x * renderer.camera.scale + renderer.camera.x, 6);
      expect(on[1] * d + f - margin[1]).toBeCloseTo(y * renderer.camera.scale + renderer.camera.y, 6);
    }
  });
  it("but for the dragged one are not drawn while a vertex is dragged", () => {
    const { region: held, colour } = drawn[777] as Drawn;
    const before = calls(2, "moveTo").length;
    const work = counted(() => {
      for (let n = 0; n < 20; n += 1) {
        const shape = moveVertex(held.shape as Polygon, { kind: "vertex", part: 0, ring: 0, index: 0 }, [900 + n, 900]);
        renderer.show(scene(drawn, { shapes: [{ id: held.id, shape, colour, closed: true }] }));
        frame();
      }
    });
    expect(work).toEqual({ overlayRedraws: 20, dirtyRedraws: 1 });
    const again = calls(2, "moveTo").length - before;
    expect(again).toBeLessThan(60);
    // Let go: its rectangles, before and after, and nothing else.
    const changed = drawn.map((each) => (each.region === held ? { ...each, region: { ...held, shape: blob(900, 900, 20) } } : each));
    expect(counted(() => { renderer.show(scene(changed)); frame(); })).toEqual({ overlayRedraws: 1, dirtyRedraws: 1 });
    expect(counted(() => { renderer.show(scene(changed)); frame(); })).toEqual({ overlayRedraws: 1 });
  });
  it("one more, one less, one hidden or relabelled draws its own rectangle", () => {
    const one = region(9999, blob(500, 500, 30));
    expect(counted(() => { renderer.show(scene([...drawn, one])); frame(); })).toEqual({ overlayRedraws: 1, dirtyRedraws: 1 });
    expect(counted(() => { renderer.show(scene([...drawn, { ...one, hidden: true }])); frame(); })).toEqual({ overlayRedraws: 1, dirtyRedraws: 1 });
    expect(counted(() => { renderer.show(scene([...drawn, { ...one, colour: "#009E73" }])); frame(); })).toEqual({ overlayRedraws: 1, dirtyRedraws: 1 });
    expect(counted(() => { renderer.show(scene(drawn)); frame(); })).toEqual({ overlayRedraws: 1, dirtyRedraws: 1 });
  });
  it("all changed, or another order, is one full redraw", () => {
    expect(counted(() => { renderer.show(scene(many(5000).map((each) => ({ ...each, suggested: true })))); frame(); })).toEqual({ fullRedraws: 1 });
    expect(calls(2, "setLineDash").some(([, dash]) => (dash as number[]).length === 2)).toBe(true);
    expect(counted(() => { renderer.show(scene([...drawn].reverse())); frame(); })).toEqual({ fullRedraws: 1 });
  });
  it("hidden while a key is held costs no drawing", () => {
    expect(counted(() => { renderer.show({ ...scene(drawn), bare: true }); frame(); })).toEqual({ overlayRedraws: 1 });
    expect(canvases().map((canvas) => canvas.style.visibility)).toEqual(["", "hidden", "hidden", "hidden"]);
    renderer.show(scene(drawn));
    expect(canvases().map((canvas) => canvas.style.visibility)).toEqual(["", "", "", ""]);
  });
  it("another size of the window is drawn at once", () => {
    Object.defineProperty(host, "clientWidth", { value: 900 });
    expect(counted(() => { renderer.resize(); })).toEqual({ fullRedraws: 1 });
    expect(canvases()[0]?.width).toBe(900 + 2 * 113);
  });
});

describe("masks", () => {
  const stroke = (tiles: MaskTiles, from: Point, to: Point): MaskTiles => tiles.paint({ from, to, radius: 60, erase: false }).tiles;
  it("are coloured tile by tile as the brush moves: four at most, and none when the stroke is kept", () => {
    renderer.show(scene([]));
    renderer.camera = fit(EXTENT, VIEW);
    frame();
    let tiles = MaskTiles.empty(EXTENT);
    for (let n = 0; n < 30; n += 1) {
      tiles = stroke(tiles, [400 + n * 20, 500], [420 + n * 20, 505]);
      const work = counted(() => { renderer.show(scene([], { painted: { id: "m", tiles, colour: "#E69F00" } })); frame(); });
      expect(work["tilesPainted"]).toBeGreaterThan(0);
      expect(work["tilesPainted"]).toBeLessThanOrEqual(4);
      expect(work["fullRedraws"]).toBeUndefined();
    }
    const kept: Drawn = { ...region(1, tiles.toMask()), region: { id: "m", label: "x", shape: tiles.toMask() } };
    expect(counted(() => { renderer.show(scene([kept])); frame(); })["tilesPainted"]).toBeUndefined();
    expect(counted(() => { renderer.show(scene([])); frame(); })["tilesPainted"]).toBeUndefined();
  });
  it("the upper one wins, and taking it away shows the lower one", () => {
    const extent = { width: 4, height: 4 };
    const under = region(0, maskOf([0, 16], extent));
    const over = region(1, maskOf([0, 4, 12], extent));
    renderer.show({ ...scene([under, over]), extent });
    renderer.camera = { scale: 20, x: 0, y: 0 };
    frame();
    const colours = (): string[] => {
      const put = [...told.values()].flat().filter(([name]) => name === "putImageData").at(-1);
      const { data } = put?.[1] as ImageData;
      return [0, 4].map((at) => [...data.slice(at, at + 4)].map((byte) => byte.toString(16).padStart(2, "0")).join(""));
    };
    expect(colours()).toEqual(["e69f00ff", "0072b2ff"]);
    renderer.show({ ...scene([under]), extent });
    frame();
    expect(colours()).toEqual(["0072b2ff", "0072b2ff"]);
    renderer.show({ ...scene([{ ...under, hatch: hatchOf(24) }]), extent });
    frame();
    expect(colours()[1]).toMatch(/^0072b2/);
  });
});

describe("the image", () => {
  const bitmap = (width = 40, height = 30) => ({ width, height, close: vi.fn() }) as unknown as ImageBitmap & { close: ReturnType<typeof vi.fn> };
  const whole = (key: string, load: ImageSource["load"]): ImageSource => ({ key, extent: EXTENT, levels: 0, load });
  const shown = (): unknown => calls(0, "drawImage").at(-1)?.[1];

  it("stays until the next one is decoded", async () => {
    const [first, second] = [bitmap(), bitmap()];
    let decoded: (image: ImageBitmap) => void = () => undefined;
    renderer.camera = { scale: 1, x: 0, y: 1 };
    await renderer.open(whole("a", () => Promise.resolve(first)));
    frame();
    expect(shown()).toBe(first);
    const opening = renderer.open(whole("b", () => new Promise((done) => { decoded = done; })));
    frame();
    expect(first.close).not.toHaveBeenCalled();
    decoded(second);
    expect(await opening).toBe(true);
    expect(counted(frame)).toEqual({ imageRedraws: 1 });
    expect(shown()).toBe(second);
    expect(first.close).toHaveBeenCalled();
  });
  it("asked for later wins, whichever is decoded first", async () => {
    const [slow, quick] = [bitmap(), bitmap()];
    let decoded: (image: ImageBitmap) => void = () => undefined;
    renderer.camera = { scale: 1, x: 0, y: 1 };
    const opening = renderer.open(whole("a", () => new Promise((done) => { decoded = done; })));
    expect(await renderer.open(whole("b", () => Promise.resolve(quick)))).toBe(true);
    decoded(slow);
    expect(await opening).toBe(false);
    frame();
    expect(shown()).toBe(quick);
    expect(slow.close).toHaveBeenCalled();
  });
  it("decoded ahead is not loaded again; one that cannot be decoded is said so", async () => {
    const load = vi.fn(() => Promise.resolve(bitmap()));
    await renderer.prefetch(whole("a", load));
    await renderer.prefetch(whole("a", load));
    await renderer.open(whole("a", load));
    expect(load).toHaveBeenCalledTimes(1);
    const broken = whole("b", () => Promise.reject(new Error("no image")));
    await renderer.prefetch(broken);
    await expect(renderer.open(broken)).rejects.toThrow("no image");
    frame();
    for (let n = 0; n < 8; n += 1) await renderer.prefetch(whole(`n${String(n)}`, load));
    expect(load).toHaveBeenCalledTimes(9);
  });
  it("as a pyramid loads what is in sight, at the level that is needed, coarse ones first", async () => {
    const asked: string[] = [];
    const load: ImageSource["load"] = (tile) => {
      asked.push(tile === null ? "whole" : `${String(tile.level)}/${String(tile.x)}/${String(tile.y)}`);
      return Promise.resolve(bitmap(512, 512));
    };
    renderer.show({ ...scene([]), extent: { width: 40000, height: 30000 } });
    renderer.camera = { scale: 1, x: -20000, y: -15000 };
    await renderer.open({ key: "p", extent: { width: 40000, height: 30000 }, levels: 7, load });
    expect(asked).toEqual(["0/0/0", "0/1/0"]);
    frame();
    await vi.advanceTimersByTimeAsync(20);
    const fine = asked.slice(2);
    expect(fine.every((name) => name.startsWith("6/"))).toBe(true);
    expect(fine.length).toBeLessThanOrEqual(5 * 4);
    expect(fine).toContain("6/40/30");
    const drawn = renderer.counters.imageRedraws;
    frame();
    expect(renderer.counters.imageRedraws - drawn).toBeLessThanOrEqual(1);
    expect(new Set(asked).size).toBe(asked.length);
  });
});

describe("what is selected, drawn or pointed at", () => {
  it("is on the uppermost canvas alone", () => {
    const drawn = [
      region(0, blob(500, 500, 50)), region(1, { kind: "points", points: [[10, 10], [50, 60]], visibility: [2, 1] }, { edges: [[0, 1]], tag: "Person" }),
      region(2, { kind: "polyline", points: [[0, 0], [90, 90]] }), region(3, { kind: "rotated_box", x: 9, y: 9, width: 80, height: 40, angle_deg: 30 }, { tag: "Ship", hatch: "dots" }),
    ];
    renderer.show(scene(drawn));
    renderer.camera = { scale: 1, x: 0, y: 1 };
    frame();
    expect(calls(2, "fillText").map((call) => call[1])).toEqual(["Person", "Ship"]);
    expect(calls(2, "arc")).toHaveLength(2);
    const work = counted(() => {
      renderer.show({ ...scene(drawn, {
        handles: [{ at: [1, 1], on: true }], marquee: { from: [0, 0], to: [5, 5] }, crosshair: [3, 3], brush: { at: [9, 9], radius: 4, erase: true },
        shapes: [{ id: null, shape: blob(100, 100, 9), colour: "#009E73", closed: false }, { id: "r1", shape: { kind: "points", points: [[11, 10], [50, 60]] }, colour: "#009E73", closed: true }],
      }), selected: new Set(["r0", "gone"]), hover: "r2" });
      frame();
    });
    expect(work).toEqual({ overlayRedraws: 1, dirtyRedraws: 1 });
    expect(calls(3, "stroke").length).toBeGreaterThan(6);
  });
});
