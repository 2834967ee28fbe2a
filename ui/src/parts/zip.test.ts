// @vitest-environment node
import { describe, expect, it } from "vitest";

import { zipOf } from "./zip";

describe("a zip made in the browser", () => {
  it("holds the files as they are, with the names and sums that every reader checks", async () => {
    const told: number[] = [];
    const zip = await zipOf([{ name: "a/ä.txt", content: new Blob(["hello"]) }, { name: "b.bin", content: new Blob([new Uint8Array([0, 255])]) }], (n) => told.push(n));
    const bytes = new Uint8Array(await zip.arrayBuffer());
    const view = new DataView(bytes.buffer);
    expect(view.getUint32(0, true)).toBe(0x04034b50);
    // CRC-32 of "hello", as every table of test values has it.
    expect(view.getUint32(14, true)).toBe(0x3610a686);
    expect(view.getUint32(18, true)).toBe(5);
    const name = new TextEncoder().encode("a/ä.txt");
    expect([...bytes.slice(30, 30 + name.length)]).toEqual([...name]);
    expect(new TextDecoder().decode(bytes.slice(30 + name.length, 35 + name.length))).toBe("hello");
    // The end names both entries and where the index begins.
    const end = bytes.length - 22;
    expect(view.getUint32(end, true)).toBe(0x06054b50);
    expect(view.getUint16(end + 10, true)).toBe(2);
    expect(view.getUint32(view.getUint32(end + 16, true), true)).toBe(0x02014b50);
    expect(told).toEqual([0, 1]);
  });
});
