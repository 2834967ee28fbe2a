import { describe, expect, it } from "vitest";

import { NOTHING, choose, clicked, type Selection, type Step } from "./selection";

const LIST = [10, 11, 12, 13, 14, 15];
const after = (...steps: Step[]): Selection => steps.reduce((now, step) => choose(now, step, LIST), NOTHING);
const ids = (s: Selection): number[] => [...s.ids].sort((a, b) => a - b);
const click = (place: number, keys: Partial<{ shiftKey: boolean; ctrlKey: boolean; metaKey: boolean }> = {}): Step => clicked({ shiftKey: false, ctrlKey: false, metaKey: false, ...keys }, place);

describe("choosing assets", () => {
  it("a click chooses one, ctrl adds and takes away", () => {
    expect(ids(after(click(1), click(3)))).toEqual([13]);
    expect(ids(after(click(1), click(3, { ctrlKey: true }), click(1, { metaKey: true })))).toEqual([13]);
  });
  it("shift chooses a stretch from the last click, in both directions, and can be drawn again", () => {
    expect(ids(after(click(2), click(4, { shiftKey: true })))).toEqual([12, 13, 14]);
    expect(ids(after(click(2), click(4, { shiftKey: true }), click(0, { shiftKey: true })))).toEqual([10, 11, 12]);
  });
  it("shift and ctrl keep what was chosen", () => {
    expect(ids(after(click(0), click(3, { ctrlKey: true }), click(5, { shiftKey: true, ctrlKey: true })))).toEqual([10, 13, 14, 15]);
  });
  it("the keyboard moves inside the list and chooses nothing", () => {
    const s = after({ kind: "move", place: 99 });
    expect(s.at).toBe(5);
    expect(s.ids.size).toBe(0);
    expect(ids(after({ kind: "move", place: 3 }, { kind: "stretch", place: 2 }))).toEqual([12, 13]);
  });
  it("all of a filter may be more than what is loaded, and a place beyond the list is no place", () => {
    expect(ids(after({ kind: "these", ids: [1, 10, 999] }))).toEqual([1, 10, 999]);
    expect(after(click(17))).toBe(NOTHING);
    expect(ids(after({ kind: "these", ids: [1] }, { kind: "none" }))).toEqual([]);
  });
});
