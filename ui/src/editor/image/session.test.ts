/** Scripts of what a hand and a keyboard do, without a browser; the laws of editing hold for any of them. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { answersOf, fits, regionsOf, slotOf } from "../document";
import type { Answers, Point, Question, Region, RegionQuestion, Shape } from "../types";
import { lacking } from "./commands";
import { isCrossed, regionsFit } from "./fit";
import { hasPixel, maskArea } from "./rle";
import { digits, given, isDrawing, start, step, toolsOf, type Event, type State, type Tool } from "./session";
import { scenes } from "./show";
import { selection, type Pointer } from "./state";

const base = { instruction: "", required: true, retired: false };
const label = (id: string, more: object = {}) => ({ id, name: id.toUpperCase(), colour: "#000000", definition: "", retired: false, ...more });
const THINGS: RegionQuestion = {
  ...base, id: "r", name: "R", kind: "region", shapes: ["box", "rotated_box", "polygon", "polyline", "points", "mask"],
  labels: [
    label("car", { attributes: [{ id: "colour", name: "Colour", type: "choice", options: ["red", "blue"], required: true }, { id: "doors", name: "Doors", type: "integer", minimum: 2, maximum: 5 }] }),
    label("hand", { skeleton: { points: ["wrist", "thumb", "index"], edges: [[0, 1], [0, 2]] } }),
    label("tree"),
  ],
};
const WEATHER: Question = { ...base, id: "w", name: "W", kind: "choice", multiple: false, labels: [label("sun"), label("rain")] };
const EXTENT = { width: 60, height: 40 };

interface Held {
  readonly shift?: boolean;
  readonly alt?: boolean;
  readonly mod?: boolean;
}

/** Drives the session as a person would; `scale` is screen pixels per image pixel. */
class TestEditor {
  readonly given: ReturnType<typeof given>;
  state: State;
  private count = 0;

  constructor(answers: Answers = {}, byModel = false, questions: readonly Question[] = [THINGS, WEATHER], readonly scale = 4) {
    this.given = given(questions, EXTENT, () => `n${String((this.count += 1))}`);
    this.state = start(this.given, answers, byModel);
  }
  do(...events: Event[]): this {
    for (const event of events) this.state = step(this.state, event, this.given);
    return this;
  }
  private at(x: number, y: number, held: Held): Pointer {
    return { at: [x, y], scale: this.scale, ...held };
  }
  down(x: number, y: number, held: Held = {}): this { return this.do({ type: "pointer-down", pointer: this.at(x, y, held) }); }
  move(x: number, y: number, held: Held = {}): this { return this.do({ type: "pointer-move", pointer: this.at(x, y, held) }); }
  up(x: number, y: number, held: Held = {}): this { return this.do({ type: "pointer-up", pointer: this.at(x, y, held) }); }
  click(x: number, y: number, held: Held = {}): this { return this.move(x, y, held).down(x, y, held).up(x, y, held); }
  drag(from: Point, to: Point, held: Held = {}): this {
    return this.down(...from, held).move((from[0] + to[0]) / 2, (from[1] + to[1]) / 2, held).move(...to, held).up(...to, held);
  }
  tool(tool: Tool): this { return this.do({ type: "tool", tool }); }
  arrow(dx: number, dy: number): this { return this.do({ type: "arrow", dx, dy, from: [30, 20] }); }
  space(): this { return this.do({ type: "place", from: [30, 20], scale: this.scale }); }
  undo(): this { return this.do({ type: "undo" }); }
  redo(): this { return this.do({ type: "redo" }); }
  expectIn(kind: State["mode"]["kind"]): this {
    expect(this.state.mode.kind).toBe(kind);
    return this;
  }
  get regions(): readonly Region[] { return regionsOf(this.state.doc, "r"); }
  get shapes(): readonly Shape[] { return this.regions.map((region) => region.shape); }
  get last(): Shape | undefined { return this.shapes.at(-1); }
}

const regions = (...shapes: Shape[]): Answers => ({ r: { kind: "region", regions: shapes.map((shape, i) => ({ id: `x${String(i)}`, label: "tree", shape, score: 0.9 - i / 10 })) } });
const box = (x: number, y: number, width: number, height: number) => ({ kind: "box", x, y, width, height }) as const;
const polygon = (...ring: Point[]) => ({ kind: "polygon", parts: [[ring]] }) as const;
const SQUARE = polygon([10, 10], [30, 10], [30, 30], [10, 30]);

describe("box", () => {
  it("is two clicks, or a drag, and the tool stays", () => {
    const e = new TestEditor().tool("box").click(5, 5).expectIn("box.drawing").move(9, 9).click(15, 12).expectIn("idle");
    e.drag([20, 20], [30, 28]).expectIn("idle");
    expect(e.shapes).toEqual([box(5, 5, 10, 7), box(20, 20, 10, 8)]);
    expect(e.state.tool).toBe("box");
  });
  it("of less than 3 screen pixels is none, and existing boxes are not grabbed", () => {
    const e = new TestEditor(regions(box(0, 0, 50, 30))).tool("box").click(10, 10).click(10.4, 10.2).expectIn("idle");
    expect(e.shapes).toHaveLength(1);
    e.drag([10, 10], [20, 20]);
    expect(e.shapes).toEqual([box(0, 0, 50, 30), box(10, 10, 10, 10)]);
  });
  it("ends at the border of the image; with shift it is square", () => {
    const e = new TestEditor().tool("box").drag([50, 30], [90, 70]).drag([10, 10], [20, 15], { shift: true });
    expect(e.shapes).toEqual([box(50, 30, 10, 10), box(10, 10, 5, 5)]);
  });
  it("is drawn with the keyboard alone, exactly", () => {
    const e = new TestEditor().tool("box").space().arrow(-10, 0).space().expectIn("box.drawing").arrow(0, 10).arrow(1, 0).do({ type: "finish" });
    expect(e.shapes).toEqual([box(20, 20, 1, 10)]);
    e.arrow(10, -10).space().arrow(3, 4).space();
    expect(e.last).toEqual(box(31, 20, 3, 4));
  });
});

describe("turned box", () => {
  it("is one side and how far the other is", () => {
    const e = new TestEditor().tool("rotated_box").click(10, 10).expectIn("rotated_box.drawing").click(20, 20).click(15, 25);
    const shape = e.last as Shape & { kind: "rotated_box" };
    expect(shape).toMatchObject({ kind: "rotated_box", angle_deg: 45 });
    expect([shape.width, shape.height].map((v) => Number(v.toFixed(6)))).toEqual([14.142136, 7.071068]);
    expect([shape.x + shape.width / 2, shape.y + shape.height / 2]).toEqual([12.5, 17.5]);
  });
  it("takes back the side first, then everything", () => {
    const e = new TestEditor().tool("rotated_box").drag([10, 10], [20, 10]);
    expect(e.state.mode).toMatchObject({ side: [20, 10] });
    expect(e.undo().state.mode).toMatchObject({ side: null });
    e.undo().expectIn("idle");
  });
});

describe("polygon", () => {
  const triangle = (e: TestEditor) => e.tool("polygon").click(5, 5).click(25, 5).click(25, 25);
  it("closes by Enter, by a double click and by its first point", () => {
    expect(triangle(new TestEditor()).do({ type: "finish" }).last).toEqual(polygon([5, 5], [25, 5], [25, 25]));
    const twice = triangle(new TestEditor()).down(25, 25).up(25, 25).do({ type: "double", pointer: { at: [25, 25], scale: 4 } });
    expect(twice.last).toEqual(polygon([5, 5], [25, 5], [25, 25]));
    expect(triangle(new TestEditor()).click(6, 6).last).toEqual(polygon([5, 5], [25, 5], [25, 25]));
  });
  it("undo and Backspace reach its points, redo brings them back, Escape drops it", () => {
    const e = triangle(new TestEditor()).undo().do({ type: "delete" });
    expect(e.state.mode).toMatchObject({ points: [[5, 5]] });
    expect(e.redo().redo().state.mode).toMatchObject({ points: [[5, 5], [25, 5], [25, 25]] });
    e.do({ type: "finish" }).undo();
    expect(e.shapes).toEqual([]);
    expect(triangle(e).do({ type: "cancel" }).expectIn("idle").shapes).toEqual([]);
  });
  it("with too few points goes on, and one that crosses itself becomes one that does not", () => {
    new TestEditor().tool("polygon").click(5, 5).click(25, 5).do({ type: "finish" }).expectIn("chain.drawing");
    const bow = new TestEditor().tool("polygon").click(5, 5).click(25, 25).click(25, 5).click(5, 25).do({ type: "finish" });
    expect((bow.last as typeof SQUARE).parts).toHaveLength(2);
    expect(isCrossed(polygon([5, 5], [25, 25], [25, 5], [5, 25]))).toBe(true);
    expect(isCrossed(SQUARE)).toBe(false);
  });
  it("gets a hole where alt is held or cutting is on", () => {
    const e = new TestEditor(regions(SQUARE)).do({ type: "pick", regions: ["x0"] }).tool("polygon");
    e.click(15, 15, { alt: true }).click(25, 15).click(25, 25).click(15, 25).do({ type: "finish" });
    expect((e.last as typeof SQUARE).parts[0]).toHaveLength(2);
    expect(e.regions.map((r) => r.id)).toEqual(["x0"]);
    expect(e.undo().last).toEqual(SQUARE);
  });
});

describe("line and key points", () => {
  it("a line ends by Enter", () => {
    const e = new TestEditor().tool("polyline").click(5, 5).click(25, 5).click(30, 9).do({ type: "finish" });
    expect(e.last).toEqual({ kind: "polyline", points: [[5, 5], [25, 5], [30, 9]] });
  });
  it("a skeleton is done with its last point; V makes the next one hidden, then absent", () => {
    const e = new TestEditor().do({ type: "label", label: "hand" }).tool("points").click(5, 5);
    e.do({ type: "visibility" }).click(8, 8).do({ type: "visibility" }, { type: "visibility" }).expectIn("points.drawing").click(9, 9);
    expect(e.last).toEqual({ kind: "points", points: [[5, 5], [8, 8], [0, 0]], visibility: [2, 1, 0] });
    e.expectIn("idle");
  });
  it("what is left out is absent, free points are as many as clicks", () => {
    const e = new TestEditor().do({ type: "label", label: "hand" }).tool("points").click(5, 5).do({ type: "finish" });
    expect(e.last).toEqual({ kind: "points", points: [[5, 5], [0, 0], [0, 0]], visibility: [2, 0, 0] });
    e.do({ type: "label", label: "tree" }).click(5, 5).click(9, 9).do({ type: "finish" });
    expect(e.last).toEqual({ kind: "points", points: [[5, 5], [9, 9]] });
  });
  it("is placed with the keyboard alone", () => {
    const e = new TestEditor().do({ type: "label", label: "hand" }).tool("points").space().space().arrow(10, 0).space().arrow(0, -10).space();
    expect(e.last).toMatchObject({ points: [[30, 20], [40, 20], [40, 10]] });
  });
});

describe("brush", () => {
  it("strokes go on to one mask until Enter, each one undone by itself", () => {
    const e = new TestEditor().do({ type: "brush", radius: 3 }).tool("mask").drag([10, 10], [20, 10]).drag([10, 20], [20, 20]);
    expect(e.regions).toHaveLength(1);
    const both = e.last as Shape & { kind: "mask" };
    expect([hasPixel(both, 15, 10), hasPixel(both, 15, 15), hasPixel(both, 15, 20)]).toEqual([true, false, true]);
    expect(isDrawing(e.state)).toBe(true);
    e.do({ type: "finish" });
    expect(isDrawing(e.state)).toBe(false);
    e.drag([40, 10], [50, 10]);
    expect(e.regions).toHaveLength(2);
    expect(e.undo().undo().regions).toHaveLength(1);
    expect(maskArea(e.last as typeof both)).toBeLessThan(maskArea(both));
    expect(e.redo().last).toEqual(both);
  });
  it("a label pressed while it is in hand begins another object instead of renaming the first", () => {
    const e = new TestEditor().tool("mask").drag([10, 10], [20, 10]).do({ type: "label", label: "tree" }).drag([40, 10], [50, 10]);
    expect(e.regions.map((r) => r.label)).toEqual(["car", "tree"]);
  });
  it("shift and a click paint straight on from the last stroke; the eraser takes to the last pixel", () => {
    const e = new TestEditor().do({ type: "brush", radius: 2 }).tool("mask").click(10, 10).click(40, 10, { shift: true });
    expect(hasPixel(e.last as Shape & { kind: "mask" }, 25, 10)).toBe(true);
    e.do({ type: "finish" }).tool("eraser").do({ type: "brush", radius: 5 }).drag([10, 10], [40, 10]);
    expect(e.regions).toEqual([]);
    expect(e.undo().regions).toHaveLength(1);
  });
});

describe("select", () => {
  it("moves what it grabs, never out of the image, as one step", () => {
    const e = new TestEditor(regions(box(10, 10, 10, 10), box(30, 10, 5, 5))).drag([15, 15], [20, 17]);
    expect(e.shapes[0]).toEqual(box(15, 12, 10, 10));
    expect(e.drag([20, 17], [-40, 90]).shapes[0]).toEqual(box(0, 30, 10, 10));
    expect(e.undo().undo().shapes[0]).toEqual(box(10, 10, 10, 10));
  });
  it("pulls a handle by a drag, or by a click that takes and one that puts it down", () => {
    const e = new TestEditor(regions(SQUARE)).click(20, 20).drag([30, 30], [35, 36]);
    expect(e.last).toEqual(polygon([10, 10], [30, 10], [35, 36], [10, 30]));
    e.click(10, 10).expectIn("handle.moving").move(3, 3).click(4, 5).expectIn("idle");
    expect(e.last).toEqual(polygon([4, 5], [30, 10], [35, 36], [10, 30]));
    e.click(30, 10).move(50, 3).do({ type: "cancel" }).expectIn("idle");
    expect(e.last).toEqual(polygon([4, 5], [30, 10], [35, 36], [10, 30]));
  });
  it("adds a point on an edge, takes one away with alt, never the third last", () => {
    const e = new TestEditor(regions(SQUARE)).click(20, 20).click(20, 10.5);
    expect(e.last).toEqual(polygon([10, 10], [20, 10], [30, 10], [30, 30], [10, 30]));
    e.click(20, 10, { alt: true }).click(30, 10, { alt: true }).click(10, 10, { alt: true });
    expect(e.last).toEqual(polygon([10, 10], [30, 30], [10, 30]));
  });
  it("walks the handles by keyboard: arrows move, Enter puts down, Delete removes", () => {
    const e = new TestEditor(regions(SQUARE)).do({ type: "walk", by: 1 }, { type: "walk-points", by: 1 }).arrow(2, 3).do({ type: "finish" });
    expect(e.last).toEqual(polygon([12, 13], [30, 10], [30, 30], [10, 30]));
    e.do({ type: "walk-points", by: -1 }, { type: "delete" });
    expect(e.last).toEqual(polygon([12, 13], [30, 10], [30, 30]));
  });
  it("goes through what is stacked by clicking again, smallest first; marquee and shift take several", () => {
    const e = new TestEditor(regions(box(0, 0, 50, 30), box(10, 10, 10, 10))).click(15, 15);
    expect(e.state.selected).toEqual(["x1"]);
    expect(e.click(13, 14).state.selected).toEqual(["x0"]);
    expect(e.click(25, 25, { shift: true }).state.selected).toEqual([]);
    expect(e.drag([55, 35], [12, 12]).state.selected).toEqual(["x0", "x1"]);
    expect(e.click(55, 35).state.selected).toEqual([]);
  });
  it("nudges by arrows; a run of them is one step", () => {
    const e = new TestEditor(regions(box(10, 10, 10, 10))).drag([15, 15], [17, 15]).arrow(1, 0).arrow(10, 0).arrow(0, -1);
    expect(e.last).toEqual(box(23, 9, 10, 10));
    expect(e.undo().last).toEqual(box(12, 10, 10, 10));
    expect(e.redo().last).toEqual(box(23, 9, 10, 10));
  });
  it("leaves locked and hidden ones alone", () => {
    const e = new TestEditor(regions(box(10, 10, 10, 10))).do({ type: "lock", regions: ["x0"], on: true }).drag([15, 15], [25, 25]);
    e.do({ type: "pick", regions: ["x0"] }, { type: "delete" }, { type: "label", label: "car" }).arrow(1, 1);
    expect(e.regions).toMatchObject([{ label: "tree", shape: box(10, 10, 10, 10) }]);
    e.do({ type: "lock", regions: ["x0"], on: false }, { type: "hide", regions: ["x0"], on: true }, { type: "cancel" }).click(15, 15);
    expect(e.state.selected).toEqual([]);
  });
});

describe("whole objects", () => {
  it("digits relabel the selection, else set the label that is drawn next", () => {
    const e = new TestEditor(regions(box(10, 10, 10, 10))).do({ type: "label", label: "car" }).tool("box").drag([30, 10], [40, 20]);
    expect(e.regions.map((r) => r.label)).toEqual(["tree", "car"]);
    // What was just drawn is not renamed by choosing the label of the next one.
    e.do({ type: "label", label: "tree" });
    expect(e.regions.map((r) => r.label)).toEqual(["tree", "car"]);
    e.tool("select").click(35, 15).do({ type: "label", label: "tree" });
    expect(e.regions.map((r) => r.label)).toEqual(["tree", "tree"]);
    expect(digits(e.state, e.given).map((l) => l.id)).toEqual(["car", "hand", "tree"]);
  });
  it("another question that is focused takes the digits from a selection", () => {
    const e = new TestEditor(regions(box(10, 10, 10, 10))).do({ type: "select-all" }, { type: "focus", question: "w" }, { type: "label", label: "rain" });
    expect(slotOf(e.state.doc, "w").answer).toEqual({ kind: "choice", labels: ["rain"] });
    expect(e.do({ type: "select-all" }, { type: "next-question", by: 1 }).state.selected).toEqual([]);
  });
  it("key points keep a label whose skeleton they have", () => {
    const e = new TestEditor().do({ type: "label", label: "tree" }).tool("points").click(5, 5).do({ type: "finish" }, { type: "select-all" }, { type: "label", label: "hand" });
    expect(e.regions[0]?.label).toBe("tree");
  });
  it("attributes take what fits, follow the label, and are demanded", () => {
    const e = new TestEditor().tool("box").drag([10, 10], [20, 20]);
    expect(lacking(e.given, e.state.doc)[0]?.attributes.map((a) => a.id)).toEqual(["colour"]);
    e.do({ type: "attribute", regions: ["n1"], attribute: "colour", value: "green" }, { type: "attribute", regions: ["n1"], attribute: "doors", value: 9 });
    expect(e.regions[0]?.attributes).toBeUndefined();
    e.do({ type: "attribute", regions: ["n1"], attribute: "colour", value: "red" }, { type: "attribute", regions: ["n1"], attribute: "doors", value: 4 });
    expect(e.regions[0]?.attributes).toEqual({ colour: "red", doors: 4 });
    expect(lacking(e.given, e.state.doc)).toEqual([]);
    e.tool("select").click(15, 15).do({ type: "label", label: "tree" });
    expect(e.regions[0]?.attributes).toEqual({});
    expect(e.undo().regions[0]?.attributes).toEqual({ colour: "red", doors: 4 });
  });
  it("copies have ids of their own and lie beside; on another image too", () => {
    const e = new TestEditor(regions(box(10, 10, 10, 10))).do({ type: "select-all" }, { type: "duplicate" });
    expect(e.regions.map((r) => r.id)).toEqual(["x0", "n1"]);
    expect(e.last).toEqual(box(20, 20, 10, 10));
    const other = new TestEditor().do({ type: "paste", copied: e.regions.map((region) => ({ question: "r", region })) });
    expect(other.shapes).toEqual(e.shapes);
    expect(other.state.selected).toEqual(["n1", "n2"]);
  });
  it("areas are merged, cut and converted", () => {
    const two = regions(SQUARE, polygon([20, 20], [40, 20], [40, 38], [20, 38]));
    const merged = new TestEditor(two).do({ type: "select-all" }, { type: "merge" });
    expect(merged.regions.map((r) => r.id)).toEqual(["x0"]);
    expect((merged.last as typeof SQUARE).parts[0]?.[0]).toHaveLength(8);
    const cut = new TestEditor(two).do({ type: "pick", regions: ["x0"] }, { type: "pick", regions: ["x1"], add: true }, { type: "cut" });
    expect((cut.shapes[0] as typeof SQUARE).parts[0]?.[0]).toHaveLength(6);
    expect(cut.shapes[1]).toEqual(two["r"]?.kind === "region" ? two["r"].regions[1]?.shape : null);
    const mask = new TestEditor(regions(SQUARE)).do({ type: "select-all" }, { type: "convert" });
    expect(maskArea(mask.last as Shape & { kind: "mask" })).toBe(400);
    expect((mask.do({ type: "convert" }).last as typeof SQUARE).parts[0]?.[0]).toHaveLength(4);
  });
  it("order is front and back", () => {
    const e = new TestEditor(regions(box(0, 0, 9, 9), box(1, 1, 9, 9))).do({ type: "pick", regions: ["x0"] }, { type: "order", to: "front" });
    expect(scenes(e.given)(e.state, { opacity: 0.3, scale: 1 }).drawn.map((d) => d.region.id)).toEqual(["x1", "x0"]);
  });
});

describe("suggestions of a model", () => {
  const suggested = () => new TestEditor(regions(box(0, 0, 9, 9), box(20, 20, 9, 9)), true);
  it("are walked lowest confidence first, confirmed by Y, rejected by X", () => {
    const e = suggested().do({ type: "walk", by: 1 });
    expect(e.state.selected).toEqual(["x1"]);
    e.do({ type: "confirm" });
    expect(slotOf(e.state.doc, "r").suggested).toEqual(["x0"]);
    expect(e.regions[1]?.score).toBe(0.8);
    e.do({ type: "walk", by: 1 });
    expect(e.state.selected).toEqual(["x0"]);
    expect(e.do({ type: "reject" }).regions.map((r) => r.id)).toEqual(["x1"]);
  });
  it("become a person's when touched, and lose the model's score", () => {
    const e = suggested().drag([24, 24], [26, 26]);
    expect(slotOf(e.state.doc, "r").suggested).toEqual(["x0"]);
    expect(e.regions[1]?.score).toBeUndefined();
  });
});

describe("the scene", () => {
  it("keeps every part that did not change", () => {
    const e = new TestEditor(regions(box(0, 0, 9, 9), box(20, 20, 9, 9)));
    const scene = scenes(e.given);
    const look = { opacity: 0.3, scale: 4 };
    const one = scene(e.state, look);
    const moved = scene(e.move(40, 30).state, look);
    expect(moved.drawn).toBe(one.drawn);
    const edited = scene(e.drag([24, 24], [26, 26]).state, look);
    expect(edited.drawn[0]).toBe(one.drawn[0]);
    expect(edited.drawn[1]).not.toBe(one.drawn[1]);
  });
  it("shows what moves on a layer of its own", () => {
    const e = new TestEditor(regions(box(20, 20, 9, 9))).down(24, 24).move(26, 26);
    expect(scenes(e.given)(e.state, { opacity: 0.3, scale: 4 }).active.shapes).toMatchObject([{ id: "x0", shape: { x: 22, y: 22 } }]);
  });
});

it("offers the tools that a question takes", () => {
  const e = new TestEditor({}, false, [{ ...THINGS, shapes: ["box", "mask"] }]);
  expect(toolsOf(e.given, e.state.doc)).toEqual(["select", "box", "mask", "eraser"]);
  expect(e.tool("polygon").state.tool).toBe("select");
});

const place = fc.tuple(fc.integer({ min: -5, max: 65 }), fc.integer({ min: -5, max: 45 }));
const pointer = fc.record({ at: place, scale: fc.constantFrom(0.5, 1, 4), shift: fc.boolean(), alt: fc.boolean() });
const anyEvent: fc.Arbitrary<Event> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constantFrom("pointer-down" as const, "pointer-move" as const, "pointer-up" as const, "double" as const), pointer }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("tool" as const), tool: fc.constantFrom<Tool>("select", "box", "rotated_box", "polygon", "polyline", "points", "mask", "eraser") }) },
  fc.record({ type: fc.constant("arrow" as const), dx: fc.integer({ min: -10, max: 10 }), dy: fc.integer({ min: -10, max: 10 }), from: place }),
  fc.record({ type: fc.constant("label" as const), label: fc.constantFrom("car", "hand", "tree", "sun", "zzz") }),
  fc.record({ type: fc.constant("attribute" as const), regions: fc.constantFrom(["n1"], ["n2", "n3"]), attribute: fc.constantFrom("colour", "doors", "zzz"), value: fc.constantFrom("red", "green", 3, 99, true, null) }),
  fc.record({ type: fc.constantFrom("hide" as const, "lock" as const), regions: fc.constantFrom(["n1"], ["n2"]), on: fc.boolean() }),
  fc.record({ type: fc.constant("pick" as const), regions: fc.constantFrom(["n1"], ["n1", "n2"], ["n3"]), add: fc.boolean() }),
  fc.constantFrom<Event>({ type: "place", from: [30, 20], scale: 4 }, { type: "finish" }, { type: "cancel" }, { type: "delete" }, { type: "walk", by: 1 }, { type: "walk-points", by: 1 }),
  fc.constantFrom<Event>({ type: "select-all" }, { type: "confirm" }, { type: "reject" }, { type: "duplicate" }, { type: "merge" }, { type: "cut" }, { type: "convert" }),
  fc.constantFrom<Event>({ type: "order", to: "front" }, { type: "cutting", on: true }, { type: "visibility" }, { type: "brush", radius: 4 }, { type: "undo" }, { type: "redo" }, { type: "next-question", by: 1 }),
);
const scripts = fc.array(anyEvent, { maxLength: 60 });

describe("the laws of editing", () => {
  it("no script of events ever breaks the rules of the questions", () => {
    fc.assert(
      fc.property(scripts, (events) => {
        const e = new TestEditor(regions(box(5, 5, 20, 20), SQUARE), true);
        for (const event of events) {
          const before = e.state.doc;
          e.do(event);
          if (e.state.doc === before) continue;
          expect(regionsFit(THINGS, e.regions, EXTENT), JSON.stringify({ event, shapes: e.shapes })).toBe(true);
          for (const q of [THINGS, WEATHER]) {
            const { answer, suggested } = slotOf(e.state.doc, q.id);
            if (answer !== null) expect(fits(q, answer, 0)).toBe(true);
            if (answer?.kind === "region") expect(suggested.every((id) => answer.regions.some((r) => r.id === id))).toBe(true);
          }
          expect(selection(e.state, e.given)).toHaveLength(e.state.selected.length);
        }
      }),
      { numRuns: 300 },
    );
  });
  it("undo takes every step back and redo does them all again", () => {
    fc.assert(
      fc.property(scripts, (events) => {
        const e = new TestEditor(regions(box(5, 5, 20, 20), SQUARE), true);
        const first = answersOf([THINGS, WEATHER], e.state.doc);
        e.do(...events.filter((event) => event.type !== "undo" && event.type !== "redo"), { type: "cancel" });
        const end = e.state.doc;
        const steps = e.state.history.done.length;
        for (let i = 0; i < steps; i += 1) e.undo();
        expect(answersOf([THINGS, WEATHER], e.state.doc)).toEqual(first);
        for (let i = 0; i < steps; i += 1) e.redo();
        expect(e.state.doc).toEqual(end);
      }),
    );
  });
});
