/** The tools, each with its key. */
import { memo } from "react";

import type { Tool } from "../../../editor/image/session";
import { keyOf } from "../../../keys";
import { t } from "../../../strings";

interface Props {
  readonly tools: readonly Tool[];
  readonly tool: Tool;
  readonly cutting: boolean;
  readonly choose: (tool: Tool) => void;
  readonly cut: () => void;
}

/** Drawn on 20 x 20. */
const ICONS: Readonly<Record<Tool, string>> = {
  select: "M5 3l10 7-4.5 1L13 16l-2 1-2.4-5L5 15z",
  box: "M3 5h14v10H3z",
  rotated_box: "M10 2l8 7-8 9-8-7z",
  polygon: "M4 7l7-4 6 6-4 8-8-2z",
  polyline: "M3 15l5-8 4 6 5-10",
  points: "M4 4h2v2H4zM14 5h2v2h-2zM9 10h2v2H9zM5 15h2v2H5zM14 14h2v2h-2z",
  mask: "M16 3l-7 8M7 11c3 0 3 3 2 4-1 2-4 2-6 2 1-1 1-2 1-3 0-2 1-3 3-3z",
  eraser: "M8 16h9M4 13l7-8 5 4-6 7H7z",
};

export const Rail = memo(function Rail({ tools, tool, cutting, choose, cut }: Props) {
  const cuts = tools.includes("polygon") || tools.includes("mask");
  return (
    <nav className="lw-rail" aria-label={t("drawing.tools")}>
      {tools.map((each) => (
        <button key={each} type="button" className={each === tool ? "lw-on" : ""} aria-pressed={each === tool} title={t(`drawing.tool.${each}`)} aria-label={t(`drawing.tool.${each}`)} onClick={() => { choose(each); }}>
          <svg viewBox="0 0 20 20" aria-hidden><path d={ICONS[each]} /></svg>
          <kbd aria-hidden>{keyOf(`tool-${each}`).replace("shift+", "⇧")}</kbd>
        </button>
      ))}
      {cuts && (
        <button type="button" className={cutting ? "lw-on" : ""} aria-pressed={cutting} title={t("drawing.cutting")} aria-label={t("drawing.cutting")} onClick={cut}>
          <svg viewBox="0 0 20 20" aria-hidden><path d="M3 4h14v12H3zM7 10h6" /></svg>
          <kbd aria-hidden>{keyOf("cutting")}</kbd>
        </button>
      )}
    </nav>
  );
});
