/** Skeletons as people write them, one point or one line between two points per row, and a picture of them. */
import type { DraftSkeleton } from "./draft";

type Edge = readonly [number, number];

/** One name per row; empty rows are left out, and so is a name that was there before. */
export function pointsOf(text: string): string[] {
  return [...new Set(text.split("\n").map((line) => line.trim()).filter((line) => line !== ""))];
}

export function edgesText(skeleton: DraftSkeleton): string {
  return skeleton.edges.map(([a, b]) => `${skeleton.points[a] ?? ""} - ${skeleton.points[b] ?? ""}`).join("\n");
}

/** Rows `nose - left eye`, and those that name no two points. */
export function edgesOf(text: string, points: readonly string[]): { edges: Edge[]; wrong: string[] } {
  const edges: Edge[] = [];
  const wrong: string[] = [];
  for (const line of text.split("\n").map((each) => each.trim()).filter((each) => each !== "")) {
    // A name may contain a hyphen itself, so every place to cut at is tried.
    const found = [...line.matchAll(/\s*[-–—]\s*/gu)].map((at) => [points.indexOf(line.slice(0, at.index)), points.indexOf(line.slice(at.index + at[0].length))] as const).find(([a, b]) => a >= 0 && b >= 0 && a !== b);
    if (found === undefined) wrong.push(line);
    else if (!edges.some(([a, b]) => (a === found[0] && b === found[1]) || (a === found[1] && b === found[0]))) edges.push(found);
  }
  return { edges, wrong };
}

/** Edges after the points changed: they follow the names, or the places when a name was only corrected. */
export function following(before: DraftSkeleton, points: readonly string[]): Edge[] {
  const place = (i: number): number => {
    const name = before.points[i] ?? "";
    const found = points.indexOf(name);
    return found >= 0 ? found : points.length === before.points.length ? i : -1;
  };
  return before.edges.map(([a, b]) => [place(a), place(b)] as const).filter(([a, b]) => a >= 0 && b >= 0 && a !== b);
}

/** Where to draw each point, in [0, 1]: joined ones are pulled together, all push each other away. Always the same. */
export function layout(n: number, edges: readonly Edge[]): (readonly [number, number])[] {
  const at = Array.from({ length: n }, (_, i) => [Math.cos((2 * Math.PI * i) / Math.max(n, 1)), Math.sin((2 * Math.PI * i) / Math.max(n, 1))] as [number, number]);
  for (let round = 0; round < 200; round++) {
    const push = at.map(() => [0, 0] as [number, number]);
    const act = (i: number, j: number, strength: (d: number) => number): void => {
      const [p, q, f, g] = [at[i], at[j], push[i], push[j]];
      if (p === undefined || q === undefined || f === undefined || g === undefined) return;
      const [dx, dy] = [q[0] - p[0], q[1] - p[1]];
      const d = Math.max(Math.hypot(dx, dy), 0.01);
      const s = strength(d) / d;
      f[0] += dx * s; f[1] += dy * s; g[0] -= dx * s; g[1] -= dy * s;
    };
    for (let i = 0; i < n; i++) for (let j = i + 1; j < n; j++) act(i, j, (d) => -0.02 / d);
    for (const [a, b] of edges) act(a, b, (d) => 0.2 * (d - 0.35));
    const heat = 0.3 * (1 - round / 200);
    for (const [i, p] of at.entries()) {
      const f = push[i] ?? [0, 0];
      p[0] += Math.max(-heat, Math.min(heat, f[0]));
      p[1] += Math.max(-heat, Math.min(heat, f[1]));
    }
  }
  const xs = at.map((p) => p[0]);
  const ys = at.map((p) => p[1]);
  const [x0, y0] = [Math.min(...xs), Math.min(...ys)];
  const span = Math.max(Math.max(...xs) - x0, Math.max(...ys) - y0, 1e-6);
  return at.map(([x, y]) => [(x - x0) / span, (y - y0) / span] as const);
}
