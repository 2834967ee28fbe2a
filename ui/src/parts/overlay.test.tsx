import { render } from "@testing-library/react";
import { describe, expect, it } from "vitest";

import type { Region, Shape } from "../editor/types";
import { Overlay, pathOf } from "./overlay";

const region = (shape: Shape, label = "a"): Region => ({ id: JSON.stringify(shape), label, shape });

describe("overlay", () => {
  it("draws a polygon with its hole, a box and a turned box", () => {
    const hole: Shape = { kind: "polygon", parts: [[[[0, 0], [9, 0], [9, 9]], [[5, 2], [7, 2], [7, 4]]]] };
    expect(pathOf(hole)).toBe("M0 0L9 0L9 9ZM5 2L7 2L7 4Z");
    expect(pathOf({ kind: "box", x: 1, y: 2, width: 3, height: 4 })).toBe("M1 2L4 2L4 6L1 6Z");
    expect(pathOf({ kind: "rotated_box", x: 0, y: 0, width: 4, height: 2, angle_deg: 90 })).toBe("M3 -1L3 3L1 3L1 -1Z");
  });

  it("takes one path per label, dashed for a model's, and leaves absent points out", () => {
    const many = [0, 1, 2].map((x) => region({ kind: "box", x, y: 0, width: 1, height: 1 }));
    const points: Shape = { kind: "points", points: [[1, 1], [2, 2], [3, 3]], visibility: [2, 0, 1] };
    const { container } = render(
      <Overlay picture={{ width: 9, height: 9 }} regions={[...many, region(points, "b")]} colours={{ a: "#0072B2" }} dashed edges={{ b: [[0, 1], [0, 2]] }} />,
    );
    const lines = [...container.querySelectorAll(".lw-line path")];
    expect(lines.map((line) => line.getAttribute("d"))).toEqual(["M0 0L1 0L1 1L0 1ZM1 0L2 0L2 1L1 1ZM2 0L3 0L3 1L2 1Z", "M1 1L3 3", "M1 1h0M3 3h0"]);
    expect(lines[0]?.getAttribute("stroke-dasharray")).toBe("5 4");
  });
});
