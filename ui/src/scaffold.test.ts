/** What every screen stands on: readable errors, strings with plurals, and label colours that can be read. */
import { describe, expect, it } from "vitest";

import { ApiError, apiError, must } from "./api/client";
import { inkOn, LABEL_COLOURS } from "./palette";
import { strings, t, type Key } from "./strings";

const response = (status: number): Response => new Response(null, { status });

describe("answers of the server", () => {
  it("hands over the data of a success", async () => {
    expect(await must(Promise.resolve({ data: 7, response: response(200) }))).toBe(7);
  });

  it("turns problem details into an error that says what to do next", async () => {
    const error = { code: "too_old", detail: "Somebody changed it.", hint: "Reload.", problems: [{ where: "a", code: "b", message: "c" }] };
    const call = must(Promise.resolve({ error, response: response(409) }));
    await expect(call).rejects.toMatchObject({ status: 409, code: "too_old", message: "Somebody changed it.", hint: "Reload.", offline: false, problems: [{ where: "a" }] });
  });

  it("calls a server that cannot be reached offline, and nothing else", async () => {
    await expect(must(Promise.reject(new TypeError("Failed to fetch")))).rejects.toMatchObject({ offline: true });
    expect(apiError(502, "<html>Bad gateway</html>").offline).toBe(false);
  });

  it("makes an error of any body", () => {
    for (const body of [undefined, null, "", "<html>", [], {}, { code: 1, detail: null, problems: "no" }]) {
      const error = apiError(500, body);
      expect(error).toBeInstanceOf(ApiError);
      expect(error.message).toContain("500");
      expect(error.problems).toEqual([]);
    }
  });
});

function leaves(node: object, path: string): [string, unknown][] {
  return Object.entries(node).flatMap(([name, value]: [string, unknown]) => {
    const at = path === "" ? name : `${path}.${name}`;
    return typeof value === "string" || "other" in (value as object) ? [[at, value] as [string, unknown]] : leaves(value as object, at);
  });
}

describe("strings", () => {
  it("finds every key, and leaves no placeholder that was given a value", () => {
    for (const [key, value] of leaves(strings, "")) {
      const names = [...JSON.stringify(value).matchAll(/\{(\w+)\}/g)].map((found) => found[1] ?? "");
      const given = Object.fromEntries(names.map((name) => [name, 3]));
      expect(t(key as Key, given), key).not.toMatch(/\{\w+\}|^$|undefined/);
    }
  });

  it("has both forms wherever a count decides the form", () => {
    const counted = leaves(strings, "").filter(([, value]) => typeof value !== "string");
    for (const [key, value] of counted) expect(Object.keys(value as object).sort(), key).toEqual(["one", "other"]);
    for (const [key, value] of counted) {
      expect(t(key as Key, { n: 1 }), key).toBe((value as { one: string }).one.replaceAll("{n}", "1"));
    }
  });
});

describe("label colours", () => {
  it("puts the ink on each that can be read best", () => {
    const black = "#000000", white = "#FFFFFF";
    expect(LABEL_COLOURS.map(inkOn)).toEqual([white, black, black, black, black, black, black, white, black, white, white, black]);
  });
});
