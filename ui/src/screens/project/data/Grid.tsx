/** Assets as thumbnails with what was answered; only the visible ones are in the page. */
import { useVirtualizer } from "@tanstack/react-virtual";
import { memo, useEffect, useLayoutEffect, useRef, useState } from "react";

import type { Noun } from "../../../api/client";
import type { Answers, Question } from "../../../editor/types";
import { AnswerChips } from "../../../parts/answers";
import { Confidence } from "../../../parts/label";
import { Overlay } from "../../../parts/overlay";
import { coloursOf, edgesOf, regionsOf } from "../../../parts/regions";
import { t } from "../../../strings";
import type { Selection } from "./selection";
import { imageUrl, shows, type Shown } from "./shown";

export const SIZES = { s: 128, m: 208, l: 336 } as const;
export type Size = keyof typeof SIZES;
const GAP = 10;
/** Name, status and chips under the picture. */
const BELOW = { s: 42, m: 68, l: 72 } as const;

export interface ListProps {
  readonly project: number;
  readonly rows: readonly Noun<"AssetRow">[];
  readonly questions: readonly Question[];
  readonly selection: Selection;
  readonly onClick: (event: React.MouseEvent, place: number) => void;
  readonly onTick: (event: React.MouseEvent, place: number) => void;
  readonly onOpen: (place: number) => void;
  readonly onKey: (event: React.KeyboardEvent, columns: number, goTo: (place: number) => void) => void;
  /** The last rows are near: more are wanted. */
  readonly onEnd: () => void;
}

export function Grid({ project, rows, questions, selection, size, shown, onClick, onTick, onOpen, onKey, onEnd }: ListProps & { size: Size; shown: Shown }) {
  const scroller = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const element = scroller.current;
    if (element === null) return;
    const watch = new ResizeObserver(() => { setWidth(element.clientWidth); });
    watch.observe(element);
    return () => { watch.disconnect(); };
  }, []);
  const columns = Math.max(1, Math.floor((width - GAP) / (SIZES[size] + GAP)));
  const edge = width === 0 ? SIZES[size] : Math.floor((width - GAP) / columns) - GAP;
  const height = Math.round(edge * 0.75) + BELOW[size] + GAP;
  const virtual = useVirtualizer({ count: Math.ceil(rows.length / columns), getScrollElement: () => scroller.current, estimateSize: () => height, overscan: 3, paddingStart: GAP });
  // Another size or width: every row is another height.
  useEffect(() => { virtual.measure(); }, [virtual, height]);
  const lines = virtual.getVirtualItems();
  const last = (lines.at(-1)?.index ?? 0) * columns;
  useEffect(() => { if (last >= rows.length - 5 * columns) onEnd(); }, [last, rows.length, columns, onEnd]);
  const colours = coloursOf(questions);
  const edges = edgesOf(questions);
  return (
    <div className="lw-scroll lw-grid" ref={scroller} tabIndex={0} role="grid" aria-label={t("project.data")} aria-multiselectable aria-rowcount={Math.ceil(rows.length / columns)} aria-colcount={columns}
      aria-activedescendant={rows[selection.at] === undefined ? undefined : `tile-${String(rows[selection.at]?.asset.id)}`}
      onKeyDown={(event) => { onKey(event, columns, (place) => { virtual.scrollToIndex(Math.floor(place / columns)); }); }} style={{ height: "calc(100vh - 300px)", minHeight: 260 }}>
      <div style={{ height: virtual.getTotalSize(), position: "relative" }} role="presentation">
        {lines.map((line) => (
          <div key={line.key} role="row" aria-rowindex={line.index + 1} style={{ position: "absolute", top: 0, left: GAP, display: "flex", gap: GAP, transform: `translateY(${String(line.start)}px)` }}>
            {rows.slice(line.index * columns, (line.index + 1) * columns).map((row, i) => {
              const place = line.index * columns + i;
              return (
                <div key={row.asset.id} id={`tile-${String(row.asset.id)}`} role="gridcell" aria-selected={selection.ids.has(row.asset.id)} className={`lw-tile${place === selection.at ? " lw-tile-at" : ""}`} style={{ width: edge, height: height - GAP }}
                  onClick={(event) => { onClick(event, place); }} onDoubleClick={() => { onOpen(place); }}>
                  <input type="checkbox" className="lw-tick" tabIndex={-1} aria-label={t("bulk.choose", { name: nameOf(row) })} checked={selection.ids.has(row.asset.id)} readOnly onClick={(event) => { event.stopPropagation(); onTick(event, place); }} onDoubleClick={(event) => { event.stopPropagation(); }} />
                  <Thumbnail project={project} row={row} edge={edge} shown={shown} colours={colours} edges={edges} />
                  <div className="lw-row lw-tile-head">
                    <span className="lw-grow lw-cut" title={nameOf(row)}>{nameOf(row)}</span>
                    {size !== "s" && <Confidence value={row.asset.confidence ?? null} />}
                  </div>
                  <div className="lw-tile-said">
                    <span className="lw-dim">{t(`table.statuses.${row.asset.status ?? "new"}`)}{row.gold ? ` · ${t("table.goldMark")}` : ""}</span>
                    {size !== "s" && row.answers !== null && <AnswerChips answers={row.answers as never} questions={questions} by={row.answers_by} />}
                  </div>
                </div>
              );
            })}
          </div>
        ))}
      </div>
    </div>
  );
}

export function nameOf(row: Noun<"AssetRow">): string {
  return row.asset.image?.file_name?.split("/").at(-1) || row.asset.external_id || String(row.asset.id);
}

/** A picture in a fixed frame, with regions over exactly the part of the frame that it fills. */
const Thumbnail = memo(function Thumbnail({ project, row, edge, shown, colours, edges }: { project: number; row: Noun<"AssetRow">; edge: number; shown: Shown; colours: Readonly<Record<string, string>>; edges: ReturnType<typeof edgesOf> }) {
  const { image } = row.asset;
  const [model, people] = row.answers_by === "person" ? [row.suggested, row.answers] : [row.answers, null];
  const modelRegions = regionsOf(model as Answers | null | undefined);
  const peopleRegions = regionsOf(people as Answers | null | undefined);
  return (
    <div className="lw-frame" style={{ height: Math.round(edge * 0.75) }}>
      <img src={imageUrl(project, row.asset.id, edge > 280 ? "preview" : "thumbnail")} alt="" loading="lazy" decoding="async" draggable={false} />
      {image && shows(shown, "model") && <Overlay picture={image} regions={modelRegions} dashed colours={colours} edges={edges} />}
      {image && shows(shown, "people") && <Overlay picture={image} regions={peopleRegions} colours={colours} edges={edges} />}
    </div>
  );
});
