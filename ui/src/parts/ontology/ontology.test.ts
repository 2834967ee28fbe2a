import { describe, expect, it } from "vitest";

import { bodyOf, draftOf, missingIn, newQuestion, type DraftOntology } from "./draft";
import { edgesOf, edgesText, following, layout, pointsOf } from "./skeleton";

const region = { ...newQuestion("region", []), name: "Objects", shapes: ["points"] as const };

describe("questions about images", () => {
  it("send shapes, attributes and skeletons, and only what the type of an attribute has", () => {
    const draft: DraftOntology = {
      guideline: "",
      questions: [{
        ...region, shapes: ["points", "box"],
        labels: [{ name: "Person", definition: "", colour: "#000000", skeleton: { points: ["a", "b"], edges: [[0, 1]] }, attributes: [
          { name: "age", type: "integer", options: ["left over"], minimum: 0, maximum: null, required: false },
          { name: "mood", type: "choice", options: ["good"], minimum: 3, maximum: null, required: true },
          { name: " ", type: "boolean", options: [], minimum: null, maximum: null, required: false },
        ] }, { name: "", definition: "", colour: "#000000" }],
      }],
    };
    const [question] = bodyOf(draft)["questions"] as [{ shapes: unknown; labels: { attributes: unknown; skeleton: unknown }[] }];
    expect(question.shapes).toEqual(["points", "box"]);
    expect(question.labels).toHaveLength(1);
    expect(question.labels[0]?.skeleton).toEqual({ points: ["a", "b"], edges: [[0, 1]] });
    expect(question.labels[0]?.attributes).toEqual([
      { name: "age", type: "integer", required: false, options: [], minimum: 0, maximum: null },
      { name: "mood", type: "choice", required: true, options: ["good"], minimum: null, maximum: null },
    ]);
  });
  it("come back from the server as they were", () => {
    const stored = { guideline: "g", questions: [{ id: "q", kind: "region", name: "Objects", instruction: "", required: true, shapes: ["mask"], labels: [{ id: "a", name: "A", definition: "", colour: "#111111", attributes: [{ id: "x", name: "x", type: "boolean", options: [], minimum: null, maximum: null, required: false }], skeleton: null }, { id: "b", name: "B", retired: true }] }] };
    const [question] = bodyOf(draftOf(stored))["questions"] as [{ id: string; labels: { id: string; attributes: { id: string }[] }[] }];
    expect(question.id).toBe("q");
    expect(question.labels.map((l) => l.id)).toEqual(["a"]);
    expect(question.labels[0]?.attributes[0]?.id).toBe("x");
  });
  it("say what is missing", () => {
    expect(missingIn({ guideline: "", questions: [region as never] })).toContain("label");
    const named = { ...region, labels: [{ name: "A", definition: "", colour: "", attributes: [{ name: "c", type: "choice", options: [], minimum: null, maximum: null, required: false }] }] };
    expect(missingIn({ guideline: "", questions: [named as never] })).toContain("options");
    expect(missingIn({ guideline: "", questions: [{ ...named, labels: [{ name: "A", definition: "", colour: "" }] } as never] })).toBeNull();
  });
});

describe("skeletons as rows of text", () => {
  const points = ["nose", "left-eye", "right eye"];
  it("read what they write, also names with a hyphen", () => {
    const { edges, wrong } = edgesOf("nose - left-eye\nleft-eye – right eye\nright eye - left-eye\nnose - nowhere\n", points);
    expect(edges).toEqual([[0, 1], [1, 2]]);
    expect(wrong).toEqual(["nose - nowhere"]);
    expect(edgesOf(edgesText({ points, edges }), points).edges).toEqual(edges);
  });
  it("keep their lines when a point is renamed or moves, and lose those of one that goes", () => {
    const before = { points, edges: [[0, 1], [1, 2]] as const };
    expect(following({ ...before, edges: [...before.edges] }, ["Nose", "left-eye", "right eye"])).toEqual([[0, 1], [1, 2]]);
    expect(following({ ...before, edges: [...before.edges] }, ["right eye", "nose", "left-eye"])).toEqual([[1, 2], [2, 0]]);
    expect(following({ ...before, edges: [...before.edges] }, ["nose", "left-eye"])).toEqual([[0, 1]]);
  });
  it("name every point once", () => {
    expect(pointsOf("a\n\n a \nb")).toEqual(["a", "b"]);
  });
  it("are drawn inside the frame, always the same, joined points nearer than others", () => {
    const at = layout(4, [[0, 1], [2, 3]]);
    expect(at).toEqual(layout(4, [[0, 1], [2, 3]]));
    for (const [x, y] of at) expect(Math.min(x, y, 1 - x, 1 - y)).toBeGreaterThanOrEqual(-1e-9);
    const d = (i: number, j: number): number => Math.hypot((at[i]?.[0] ?? 0) - (at[j]?.[0] ?? 0), (at[i]?.[1] ?? 0) - (at[j]?.[1] ?? 0));
    expect(d(0, 1)).toBeLessThan(d(0, 2));
    expect(layout(0, [])).toEqual([]);
  });
});
