import { afterEach, describe, expect, it } from "vitest";

import { BINDINGS, TOGETHER, changeKey, digitOf, keyOf, keysOf, match, nameOf, turnSingleKeys } from "./keys";

const press = (key: string, code: string, more: object = {}) => ({
  key, code, ctrlKey: false, metaKey: false, shiftKey: false, altKey: false, ...more,
});

afterEach(() => {
  localStorage.clear();
});

describe("the key registry", () => {
  it("never gives one key two meanings at the same time", () => {
    for (const scopes of TOGETHER) {
      const seen = new Map<string, string>();
      for (const binding of BINDINGS.filter((b) => scopes.includes(b.scope))) {
        for (const key of keysOf(binding)) {
          expect(seen.get(key), `${key} in ${scopes.join("+")}`).toBeUndefined();
          seen.set(key, binding.id);
        }
      }
    }
  });
  it("has a title for every entry and unique ids, and takes no key that the browser or the system owns", () => {
    expect(new Set(BINDINGS.map((b) => b.id)).size).toBe(BINDINGS.length);
    expect(BINDINGS.every((b) => b.title !== "")).toBe(true);
    const owned = ["mod+W", "mod+T", "mod+N", "alt+Tab", "mod+Space", "alt+ArrowLeft", "alt+ArrowRight", "Tab"];
    expect(BINDINGS.flatMap((b) => keysOf(b)).filter((key) => owned.includes(key))).toEqual([]);
  });
  it("names letters by what they are and digits by where they are", () => {
    expect(nameOf(press("y", "KeyZ"))).toBe("Y");
    expect(nameOf(press("&", "Digit1"))).toBe("1");
    expect(nameOf(press("н", "KeyY"))).toBe("Y");
    expect(nameOf(press("?", "Slash", { shiftKey: true }))).toBe("?");
    expect(nameOf(press("Z", "KeyZ", { ctrlKey: true, shiftKey: true }))).toBe("mod+shift+Z");
  });
  it("gives digits with shift the second ten labels", () => {
    expect(digitOf(press("1", "Digit1"))).toBe(0);
    expect(digitOf(press("0", "Digit0"))).toBe(9);
    expect(digitOf(press("!", "Digit1", { shiftKey: true }))).toBe(10);
    expect(digitOf(press("1", "Digit1", { ctrlKey: true }))).toBeUndefined();
  });
  it("does not submit again while Enter is held, nor while an input method composes", () => {
    expect(match(press("Enter", "Enter"), ["item"])?.id).toBe("submit");
    expect(match(press("Enter", "Enter", { repeat: true }), ["item"])).toBeUndefined();
    expect(match(press("Enter", "Enter", { isComposing: true }), ["item"])).toBeUndefined();
  });
  it("can change a key and turn single keys off", () => {
    changeKey("skip", "P");
    expect(match(press("p", "KeyP"), ["item"])?.id).toBe("skip");
    expect(match(press("i", "KeyI"), ["item"])).toBeUndefined();
    expect(keyOf("skip")).toBe("P");
    turnSingleKeys(false);
    expect(match(press("p", "KeyP"), ["item"])).toBeUndefined();
    expect(match(press("z", "KeyZ", { ctrlKey: true }), ["item"])?.id).toBe("undo");
  });
});
