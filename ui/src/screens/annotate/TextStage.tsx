/** Draws the text with its spans, one paragraph at a time, and turns pointers into events of the editor. */
import { memo, useEffect, useMemo, useRef, useState, type CSSProperties } from "react";

import { slotOf, spansOf, type Doc } from "../../editor/document";
import type { OffsetTable, Range } from "../../editor/offsets";
import { lanes, segments, type Cover, type Marked } from "../../editor/segments";
import { target, type Event, type Fixed, type State } from "../../editor/session";
import type { Flag } from "../../parts/flags";
import type { Label } from "../../editor/types";
import { t } from "../../strings";
import { RelationLines } from "./RelationLines";

interface Props {
  readonly given: Fixed;
  readonly state: State;
  /** Where the pieces begin that a model was asked about one by one; empty for a text asked about as a whole. */
  readonly pieces: readonly { readonly start: number }[];
  readonly dispatch: (event: Event) => void;
  readonly flags: readonly Flag[];
  /** Whether hidden characters are named where they stand. */
  readonly reveal: boolean;
}

const LONG = 20_000;
const MOST_LANES = 3;
/** Paragraphs drawn as one block: a change redraws its block alone, however long the text is. */
const BLOCK = 64;

interface Drawn {
  readonly range: Range;
  readonly covers: readonly Cover[];
  /** Changes exactly when the covers mean something else; spares the deep comparison. */
  readonly signature: string;
  /** "Part 3 of 12" where a piece begins. */
  readonly part: string;
  readonly flags: readonly Flag[];
}

export function TextStage({ given, state, pieces, dispatch, flags, reveal }: Props) {
  const stage = useRef<HTMLDivElement>(null);
  const labels = useMemo(() => labelsOf(given), [given]);
  const paragraphs = useMemo(() => given.table.paragraphs(), [given]);
  const covers = useMemo(() => coversOf(given, state.doc), [given, state.doc]);
  const parts = useMemo(() => partsOf(paragraphs, pieces), [paragraphs, pieces]);
  const blocks = useMemo(() => blocksOf(paragraphs, covers, parts, flags), [paragraphs, covers, parts, flags]);
  const [hovered, setHovered] = useState<string | null>(null);
  const related = given.questions.some((q) => q.kind === "relation");
  useTransientPaint(stage, given, state);

  const up = (event: PointerEvent): void => {
    if (event.button !== 0 || stage.current === null) return;
    const selection = window.getSelection();
    if (selection === null || selection.rangeCount === 0) return;
    const range = selection.getRangeAt(0);
    if (!stage.current.contains(range.startContainer)) return;
    const start = pointOf(range.startContainer, range.startOffset, given.table);
    const end = pointOf(range.endContainer, range.endOffset, given.table);
    if (start === null || end === null) return;
    if (!selection.isCollapsed && start !== end) {
      dispatch({ type: "select", start, end });
      selection.removeAllRanges();
      return;
    }
    const clicked = covers
      .filter((c) => c.span.start <= start && start <= c.span.end && event.target instanceof Element && event.target.closest("mark") !== null)
      .sort((a, b) => a.span.end - a.span.start - (b.span.end - b.span.start));
    // Clicking again on the same place goes through stacked spans.
    const here = clicked.findIndex((c) => c.span.id === state.picked);
    const next = clicked[(here + 1) % Math.max(clicked.length, 1)];
    dispatch(next === undefined ? { type: "place", point: start } : { type: "pick", span: next.span.id });
  };

  const latestUp = useRef(up);
  latestUp.current = up;
  const down = (): void => {
    // A drag may end beside the text.
    window.addEventListener("pointerup", (event) => { latestUp.current(event); }, { once: true });
  };

  return (
    <div
      ref={stage}
      className={`lw-text${given.table.length > LONG ? " lw-long" : ""}`}
      role="document"
      aria-label={t("annotate.textRegion")}
      tabIndex={0}
      onPointerDown={down}
      {...(related ? { onPointerOver: (event: React.PointerEvent) => { setHovered(spanUnder(event.target, covers)); } } : {})}
    >
      {related && <RelationLines stage={stage} given={given} state={state} hovered={hovered} />}
      {blocks.map(({ from, to, drawn, signature }) => {
        const picked = drawn.some((d) => d.covers.some((c) => c.span.id === state.picked)) ? state.picked : null;
        return <Block key={from} from={from} to={to} drawn={drawn} signature={signature} table={given.table} labels={labels} picked={picked} reveal={reveal && drawn.some((d) => d.flags.length > 0)} />;
      })}
    </div>
  );
}

interface BlockOf {
  readonly from: number;
  readonly to: number;
  readonly drawn: readonly Drawn[];
  readonly signature: string;
}

/** Paragraphs with what covers them, in blocks. One walk over both, since both are in text order. */
function blocksOf(paragraphs: readonly Range[], covers: readonly Cover[], parts: ReadonlyMap<number, string>, flags: readonly Flag[]): BlockOf[] {
  const here = flags.filter((f) => (f.field ?? "") === "");
  const ordered = [...covers].sort((a, b) => a.span.start - b.span.start);
  let next = 0;
  let open: Cover[] = [];
  const drawn = paragraphs.map((range, i): Drawn => {
    open = open.filter((c) => c.span.end > range.start);
    for (let c = ordered[next]; c !== undefined && c.span.start < range.end; c = ordered[++next]) open.push(c);
    const mine = open.filter((c) => c.span.end > range.start && c.span.start < range.end);
    const part = parts.get(i) ?? "";
    const signature = part + mine.map((c) => `${c.span.id}:${String(c.span.start)}-${String(c.span.end)}:${c.span.label}:${String(c.suggested)}:${String(c.lane)}`).join("|");
    return { range, covers: mine, signature, part, flags: here.filter((f) => f.start < range.end && range.start < f.end) };
  });
  const blocks: BlockOf[] = [];
  for (let i = 0; i < drawn.length; i += BLOCK) {
    const some = drawn.slice(i, i + BLOCK);
    blocks.push({ from: some[0]?.range.start ?? 0, to: some[some.length - 1]?.range.end ?? 0, drawn: some, signature: some.map((d) => d.signature).join("\n") });
  }
  return blocks;
}

/** Paragraph -> name of the piece that begins in it; the first piece needs no border. */
function partsOf(paragraphs: readonly Range[], pieces: Props["pieces"]): Map<number, string> {
  const found = new Map<number, string>();
  let at = 0;
  pieces.forEach((piece, i) => {
    while (at < paragraphs.length - 1 && (paragraphs[at]?.end ?? 0) <= piece.start) at += 1;
    if (i > 0) found.set(at, t("annotate.part", { i: i + 1, n: pieces.length }));
  });
  return found;
}

interface BlockProps extends BlockOf {
  readonly table: OffsetTable;
  readonly labels: ReadonlyMap<string, Label>;
  readonly picked: string | null;
  readonly reveal: boolean;
}

const Block = memo(
  function Block({ from, to, drawn, table, labels, picked, reveal }: BlockProps) {
    return (
      <div className="lw-block" data-from={from} data-to={to} style={{ containIntrinsicBlockSize: `auto ${String(drawn.length * 34)}px` }}>
        {drawn.map((d) => <Paragraph key={d.range.start} {...d} table={table} labels={labels} picked={d.covers.some((c) => c.span.id === picked) ? picked : null} reveal={reveal && d.flags.length > 0} />)}
      </div>
    );
  },
  (a, b) => a.signature === b.signature && a.table === b.table && a.picked === b.picked && a.labels === b.labels && a.to === b.to && a.reveal === b.reveal,
);

interface ParagraphProps extends Drawn {
  readonly table: OffsetTable;
  readonly labels: ReadonlyMap<string, Label>;
  readonly picked: string | null;
  readonly reveal: boolean;
}

const Paragraph = memo(
  function Paragraph({ range, covers, part, table, labels, picked, flags, reveal }: ParagraphProps) {
    return (
      <p dir="auto" data-start={range.start} data-part={part === "" ? undefined : part}>
        {range.start === range.end ? <br /> : null}
        {range.start === range.end
          ? null
          : segments(range, covers, flags).map((piece) =>
              piece.covers.length === 0 ? (
                <span key={piece.start} data-start={piece.start} className={flagAt(flags, piece) === undefined ? undefined : "lw-flagged"} data-hidden={reveal ? hiddenAt(flags, piece) : undefined}>
                  {table.slice(piece.start, piece.end)}
                </span>
              ) : (
                <mark
                  key={piece.start}
                  data-start={piece.start}
                  data-tag={piece.ends.length === 0 ? undefined : tagsOf(piece.ends, labels)}
                  data-hidden={reveal ? hiddenAt(flags, piece) : undefined}
                  className={[piece.covers.some((c) => c.span.id === picked) ? "lw-picked" : "", flagAt(flags, piece) === undefined ? "" : "lw-flagged"].filter((name) => name !== "").join(" ") || undefined}
                  // Operable like a button (a click picks it), which is also what lets it carry a name; N walks to it by keyboard.
                  role="button"
                  tabIndex={-1}
                  aria-label={piece.covers.map((c) => describe(c, table, labels)).join("; ")}
                  style={paint(piece.covers, piece.start, labels)}
                >
                  {table.slice(piece.start, piece.end)}
                </mark>
              ),
            )}
      </p>
    );
  },
  (a, b) => a.signature === b.signature && a.table === b.table && a.picked === b.picked && a.reveal === b.reveal && a.labels === b.labels,
);

function flagAt(flags: readonly Flag[], piece: Range): Flag | undefined {
  return flags.find((f) => f.start < piece.end && piece.start < f.end);
}

/** What a hidden character is called, at its last piece. */
function hiddenAt(flags: readonly Flag[], piece: Range): string | undefined {
  const found = flagAt(flags, piece);
  return found?.kind === "invisible" && found.end === piece.end ? found.note : undefined;
}

function labelsOf(given: Fixed): Map<string, Label> {
  const found = new Map<string, Label>();
  for (const question of given.questions) {
    if (question.kind === "span") for (const label of question.labels) found.set(`${question.id}/${label.id}`, label);
  }
  return found;
}

function coversOf(given: Fixed, doc: Doc): Cover[] {
  const marked: Marked[] = given.questions.flatMap((q) => {
    const suggested = new Set(slotOf(doc, q.id).suggested);
    return spansOf(doc, q.id).map((span) => ({ question: q.id, span, suggested: suggested.has(span.id) }));
  });
  return lanes(marked);
}

/** Tags of the spans that end here; a span whose lane is not drawn is counted, so that nothing is invisible. */
function tagsOf(ends: readonly Cover[], labels: ReadonlyMap<string, Label>): string {
  const beyond = ends.filter((c) => c.lane >= MOST_LANES).length;
  const tags = ends.filter((c) => c.lane < MOST_LANES).map((c) => tagOf(c, labels));
  return [...tags, ...(beyond > 0 ? [`+${String(beyond)}`] : [])].join(" ");
}

function tagOf(cover: Cover, labels: ReadonlyMap<string, Label>): string {
  const name = labels.get(`${cover.question}/${cover.span.label}`)?.name ?? cover.span.label;
  const unsure = cover.suggested && (cover.span.score ?? 1) < 0.5;
  return `${name.length > 14 ? `${name.slice(0, 13)}…` : name}${unsure ? "?" : ""}`;
}

/** "Germany, Location, model, 41 percent". */
export function describe(cover: Marked, table: OffsetTable, labels: ReadonlyMap<string, Label>): string {
  const { span } = cover;
  const name = labels.get(`${cover.question}/${span.label}`)?.name ?? span.label;
  const parts = [table.slice(span.start, span.end), name, cover.suggested ? t("annotate.byModel") : t("annotate.byPerson")];
  if (cover.suggested && typeof span.score === "number") parts.push(`${String(Math.round(span.score * 100))} percent`);
  return parts.join(", ");
}

function paint(covers: readonly Cover[], start: number, labels: ReadonlyMap<string, Label>): CSSProperties {
  const colour = (c: Cover): string => labels.get(`${c.question}/${c.span.label}`)?.colour ?? "#888888";
  const innermost = covers[0];
  const lines = covers
    .filter((c) => c.lane < MOST_LANES)
    .map((c) => {
      const k = colour(c);
      const line = c.suggested
        ? `repeating-linear-gradient(90deg, ${k} 0 5px, transparent 5px 9px)`
        : `linear-gradient(${k}, ${k})`;
      return `${line} 0 calc(100% - ${String(c.lane * 4)}px) / 100% 2px no-repeat`;
    });
  const caps = covers.filter((c) => c.span.start === start).slice(0, 1);
  return {
    background: [...lines, ...(innermost === undefined ? [] : [`color-mix(in srgb, ${colour(innermost)} var(--lw-tint), transparent)`])].join(", "),
    boxShadow: caps.map((c) => `inset 3px 0 0 ${colour(c)}`).join(", ") || undefined,
    "--lw-tag": innermost === undefined ? undefined : colour(covers[covers.length - 1] ?? innermost),
  } as CSSProperties;
}

/** The innermost span under the pointer. */
function spanUnder(target: EventTarget, covers: readonly Cover[]): string | null {
  const mark = target instanceof Element ? target.closest<HTMLElement>("mark[data-start]") : null;
  if (mark === null) return null;
  const at = Number(mark.dataset["start"]);
  const over = covers.filter((c) => c.span.start <= at && at < c.span.end);
  return over.sort((a, b) => a.span.end - a.span.start - (b.span.end - b.span.start))[0]?.span.id ?? null;
}

/** Code point offset of a place in the DOM; null outside the text. */
function pointOf(node: Node, offset: number, table: OffsetTable): number | null {
  const element = node instanceof Element ? node : node.parentElement;
  const piece = element?.closest<HTMLElement>("[data-start]");
  if (!piece) return null;
  const base = Number(piece.dataset["start"]);
  if (node.nodeType === Node.TEXT_NODE) return table.toPoint(table.toUnit(base) + offset);
  // Between child elements: the start of the child after, or the end of the last one.
  const child = node.childNodes[offset];
  if (child instanceof HTMLElement && child.dataset["start"] !== undefined) return Number(child.dataset["start"]);
  if (offset === 0) return base;
  const before = node.childNodes[offset - 1];
  const length = (before ?? node).textContent?.length ?? 0;
  const from = before instanceof HTMLElement && before.dataset["start"] !== undefined ? Number(before.dataset["start"]) : base;
  return table.toPoint(table.toUnit(from) + length);
}

/** DOM ranges of code point offsets: one per piece they touch. */
function domRanges(stage: HTMLElement, range: Range, table: OffsetTable): globalThis.Range[] {
  const found: globalThis.Range[] = [];
  const low = table.toUnit(range.start);
  const high = table.toUnit(range.end);
  const near = [...stage.children].filter((block) => block instanceof HTMLElement && Number(block.dataset["from"]) <= range.end && range.start <= Number(block.dataset["to"]));
  for (const piece of near.flatMap((block) => [...block.querySelectorAll<HTMLElement>("p > [data-start]")])) {
    const text = piece.firstChild;
    if (text === null || text.nodeType !== Node.TEXT_NODE) continue;
    const base = table.toUnit(Number(piece.dataset["start"]));
    const length = text.textContent?.length ?? 0;
    if (base + length <= low || base >= high) continue;
    const made = document.createRange();
    made.setStart(text, Math.max(0, low - base));
    made.setEnd(text, Math.min(length, high - base));
    found.push(made);
  }
  return found;
}

/** The caret and the selection change often and mean nothing to keep: they are painted without touching the DOM. */
function useTransientPaint(stage: React.RefObject<HTMLDivElement | null>, given: Fixed, state: State): void {
  useEffect(() => {
    if (stage.current === null || !("highlights" in CSS)) return;
    const marks = given.questions.some((q) => q.kind === "span");
    const here = marks && state.picked === null ? target(state, given) : null;
    const ranges = here === null ? [] : domRanges(stage.current, here, given.table);
    CSS.highlights.set(state.selection === null ? "lw-caret" : "lw-selection", new Highlight(...ranges));
    CSS.highlights.delete(state.selection === null ? "lw-selection" : "lw-caret");
    const focus = stage.current.querySelector(".lw-picked") ?? ranges[0]?.startContainer.parentElement ?? null;
    if (focus !== null && state.at > 0) focus.scrollIntoView({ block: "nearest" });
    return () => {
      CSS.highlights.delete("lw-caret");
      CSS.highlights.delete("lw-selection");
    };
  }, [stage, given, state]);
}
