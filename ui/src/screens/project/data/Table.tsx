/** Assets as rows; only the visible ones are in the page. */
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useRef } from "react";

import type { Answers } from "../../../editor/types";
import { AnswerChips } from "../../../parts/answers";
import { FlagBadge } from "../../../parts/flags";
import { Confidence } from "../../../parts/label";
import { Overlay } from "../../../parts/overlay";
import { coloursOf, edgesOf, regionsOf } from "../../../parts/regions";
import { t } from "../../../strings";
import { nameOf, type ListProps } from "./Grid";
import { imageUrl } from "./shown";

export function Table({ project, rows, questions, selection, onClick, onTick, onKey, onEnd, images }: ListProps & { images: boolean }) {
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => scroller.current, estimateSize: () => (images ? 62 : 38), overscan: 12 });
  const shown = virtual.getVirtualItems();
  const last = shown.at(-1)?.index ?? 0;
  useEffect(() => { if (last >= rows.length - 30) onEnd(); }, [last, rows.length, onEnd]);
  const colours = coloursOf(questions);
  const edges = edgesOf(questions);
  return (
    <div className="lw-scroll" ref={scroller} tabIndex={0} onKeyDown={(event) => { onKey(event, 1, (place) => { virtual.scrollToIndex(place); }); }} role="region" aria-label={t("project.data")} style={{ height: "calc(100vh - 280px)", minHeight: 240 }}>
      <table className="lw-table" style={{ tableLayout: "fixed" }}>
        <colgroup><col style={{ width: 34 }} /><col style={{ width: images ? 150 : 90 }} />{images ? <col style={{ width: 96 }} /> : <col />}<col style={images ? {} : { width: "32%" }} /><col style={{ width: 110 }} /><col style={{ width: 110 }} /></colgroup>
        <thead><tr><th aria-label={t("bulk.chosen", { n: selection.ids.size })} /><th>id</th><th>{t("table.text")}</th><th>{t("table.answers")}</th><th>{t("table.confidence")}</th><th>{t("table.status")}</th></tr></thead>
        <tbody>
          <tr style={{ height: shown[0]?.start ?? 0 }} aria-hidden><td colSpan={6} style={{ padding: 0, border: 0 }} /></tr>
          {shown.map((item) => {
            const row = rows[item.index];
            if (row === undefined) return null;
            const { image } = row.asset;
            return (
              <tr key={row.asset.id} data-index={item.index} ref={virtual.measureElement} aria-selected={item.index === selection.at || selection.ids.has(row.asset.id)} onClick={(event) => { onClick(event, item.index); }} style={{ cursor: "pointer" }}>
                <td><input type="checkbox" tabIndex={-1} aria-label={t("bulk.choose", { name: nameOf(row) })} checked={selection.ids.has(row.asset.id)} readOnly onClick={(event) => { event.stopPropagation(); onTick(event, item.index); }} /></td>
                <td className="lw-cut" title={row.asset.external_id ?? ""}>{row.asset.external_id ?? row.asset.id}</td>
                {image ? (
                  <td>
                    <div className="lw-frame" style={{ width: 72, height: 48 }}>
                      <img src={imageUrl(project, row.asset.id, "thumbnail")} alt="" loading="lazy" decoding="async" />
                      <Overlay picture={image} regions={regionsOf(row.answers as Answers | null)} dashed={row.answers_by === "model"} colours={colours} edges={edges} />
                    </div>
                  </td>
                ) : <td className="lw-cut" dir="auto"><FlagBadge kinds={row.asset.flags} /> {row.asset.text}</td>}
                <td><AnswerChips answers={row.answers as never} questions={questions} by={row.answers_by} text={row.asset.text ?? ""} /></td>
                <td><Confidence value={row.asset.confidence ?? null} /></td>
                <td className="lw-dim">{t(`table.statuses.${row.asset.status ?? "new"}`)}{row.gold ? ` · ${t("table.goldMark")}` : ""}</td>
              </tr>
            );
          })}
          <tr style={{ height: virtual.getTotalSize() - (shown.at(-1)?.end ?? 0) }} aria-hidden><td colSpan={6} style={{ padding: 0, border: 0 }} /></tr>
        </tbody>
      </table>
    </div>
  );
}
