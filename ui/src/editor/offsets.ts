/**
 * The only file that knows UTF-16. Everywhere else an offset is a count of Unicode code points, as on the server;
 * the DOM and JavaScript strings count UTF-16 units, and this table turns one into the other.
 */
export class OffsetTable {
  /** Code points of the text. */
  readonly length: number;
  private readonly units: Uint32Array | null;

  constructor(readonly text: string) {
    const starts: number[] = [];
    let plain = true;
    for (let unit = 0; unit < text.length; ) {
      starts.push(unit);
      const pair = isPair(text, unit);
      if (pair) plain = false;
      unit += pair ? 2 : 1;
    }
    this.length = starts.length;
    starts.push(text.length);
    // Most texts have no astral characters; then both counts are the same and no table is needed.
    this.units = plain ? null : Uint32Array.from(starts);
  }

  /** Code point offset -> UTF-16 offset; clamped to the text. */
  toUnit(point: number): number {
    const clamped = Math.max(0, Math.min(point, this.length));
    return this.units === null ? clamped : (this.units[clamped] ?? this.text.length);
  }

  /** UTF-16 offset -> code point offset; the middle of a pair counts as its start. */
  toPoint(unit: number): number {
    const clamped = Math.max(0, Math.min(unit, this.text.length));
    if (this.units === null) return clamped;
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.units[middle] ?? 0) <= clamped) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** The text between two code point offsets. */
  slice(start: number, end: number): string {
    return this.text.slice(this.toUnit(start), this.toUnit(end));
  }

  /** Where `needle` occurs, as code point ranges; occurrences do not overlap. */
  occurrences(needle: string): { start: number; end: number }[] {
    const found: { start: number; end: number }[] = [];
    if (needle === "") return found;
    for (let at = this.text.indexOf(needle); at !== -1; at = this.text.indexOf(needle, at + needle.length)) {
      found.push({ start: this.toPoint(at), end: this.toPoint(at + needle.length) });
    }
    return found;
  }

  /** Ranges of words, numbers and marks (no white space), in order: where the keyboard caret can stand. */
  words(): Range[] {
    const found: Range[] = [];
    for (const part of new Intl.Segmenter(undefined, { granularity: "word" }).segment(this.text)) {
      if (part.segment.trim() === "") continue;
      found.push({ start: this.toPoint(part.index), end: this.toPoint(part.index + part.segment.length) });
    }
    return found;
  }

  /** Borders of the characters a person sees (grapheme clusters), first and last included. */
  graphemes(start: number, end: number): number[] {
    const from = this.toUnit(start);
    const borders: number[] = [];
    for (const part of new Intl.Segmenter(undefined, { granularity: "grapheme" }).segment(this.slice(start, end))) {
      borders.push(this.toPoint(from + part.index));
    }
    borders.push(end);
    return borders;
  }

  /** The range widened so that neither end cuts a character a person sees (a flag, a family, a letter with marks). */
  snapped(start: number, end: number): Range {
    const all = new Intl.Segmenter(undefined, { granularity: "grapheme" }).segment(this.text);
    const first = all.containing(this.toUnit(start));
    const last = all.containing(this.toUnit(end));
    const low = first === undefined ? start : this.toPoint(first.index);
    const cut = last !== undefined && last.index < this.toUnit(end);
    return { start: low, end: cut ? this.toPoint(last.index + last.segment.length) : end };
  }

  /** Paragraphs: ranges between line ends. The line end belongs to none; empty lines are empty ranges. */
  paragraphs(): Range[] {
    const found: Range[] = [];
    let start = 0;
    for (const match of this.text.matchAll(/\r\n|[\n\r\u2028\u2029\u0085]/gu)) {
      found.push({ start: this.toPoint(start), end: this.toPoint(match.index) });
      start = match.index + match[0].length;
    }
    found.push({ start: this.toPoint(start), end: this.length });
    return found;
  }
}

export interface Range {
  readonly start: number;
  readonly end: number;
}

function isPair(text: string, unit: number): boolean {
  const high = text.charCodeAt(unit);
  if (high < 0xd800 || high > 0xdbff) return false;
  const low = text.charCodeAt(unit + 1);
  return low >= 0xdc00 && low <= 0xdfff;
}
