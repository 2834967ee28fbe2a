/** Cuts a paragraph where spans begin and end, so that each piece can be drawn once with all that covers it. */
import type { Range } from "./offsets";
import type { Span } from "./types";

export interface Cover {
  readonly question: string;
  readonly span: Span;
  readonly suggested: boolean;
  /** Underline lane, from 0. */
  readonly lane: number;
}

export interface Segment {
  readonly start: number;
  readonly end: number;
  /** What covers it, innermost first. */
  readonly covers: readonly Cover[];
  /** Spans whose last piece this is, innermost first: their tags follow it. */
  readonly ends: readonly Cover[];
}

export interface Marked {
  readonly question: string;
  readonly span: Span;
  readonly suggested: boolean;
}

/** Lanes for overlapping spans: each gets the lowest one that is free where it starts. */
export function lanes(marked: readonly Marked[]): Cover[] {
  const ordered = [...marked].sort((a, b) => a.span.start - b.span.start || b.span.end - a.span.end);
  const busyUntil: number[] = [];
  return ordered.map((each) => {
    let lane = busyUntil.findIndex((end) => end <= each.span.start);
    if (lane === -1) lane = busyUntil.length;
    busyUntil[lane] = each.span.end;
    return { ...each, lane };
  });
}

/** `further`: further ranges whose ends are cut at, such as places that are only painted. */
export function segments(paragraph: Range, covers: readonly Cover[], further: readonly Range[] = []): Segment[] {
  const inside = covers.filter((c) => c.span.start < paragraph.end && paragraph.start < c.span.end);
  const cuts = new Set([paragraph.start, paragraph.end]);
  for (const span of [...inside.map((c) => c.span), ...further]) {
    if (span.start > paragraph.start && span.start < paragraph.end) cuts.add(span.start);
    if (span.end > paragraph.start && span.end < paragraph.end) cuts.add(span.end);
  }
  const borders = [...cuts].sort((a, b) => a - b);
  const inner = (a: Cover, b: Cover): number => a.span.end - a.span.start - (b.span.end - b.span.start);
  return borders.slice(0, -1).map((start, i) => {
    const end = borders[i + 1] ?? paragraph.end;
    const here = inside.filter((c) => c.span.start < end && start < c.span.end).sort(inner);
    // A span over a line end shows its tag once, where it really ends.
    return { start, end, covers: here, ends: here.filter((c) => c.span.end === end) };
  });
}
