/** One line that says what is going on and what the next key or click does. */
import { isDrawing } from "../../../editor/image/session";
import type { Given, State } from "../../../editor/image/state";
import { regionNamed, selection } from "../../../editor/image/state";
import { skeletonDrawn } from "../../../editor/image/tools/keypoints";
import { t } from "../../../strings";
import { describe, labelName } from "./Objects";

const SEEN = ["absent", "hidden", "visible"] as const;

export function hintOf(state: State, given: Given): string {
  const { mode } = state;
  switch (mode.kind) {
    case "box.drawing":
      return t("drawing.hint.box");
    case "rotated_box.drawing":
      return t(mode.side === null ? "drawing.hint.rotatedSide" : "drawing.hint.rotatedDepth");
    case "chain.drawing":
      return t(mode.hole === null ? "drawing.hint.chain" : "drawing.hint.hole", { n: mode.points.length });
    case "points.drawing": {
      const names = skeletonDrawn(state, given)?.points;
      const name = names?.[mode.points.length];
      const seen = mode.next === 2 ? "" : ` · ${t(`drawing.hint.seen.${SEEN[mode.next]}`)}`;
      if (names === undefined || name === undefined) return t("drawing.hint.freePoints", { n: mode.points.length }) + seen;
      return t("drawing.hint.point", { name, i: mode.points.length + 1, n: names.length }) + seen;
    }
    case "handle.moving":
      return mode.pressed ? "" : t("drawing.hint.handle");
    case "idle":
      break;
    default:
      return "";
  }
  const begun = isDrawing(state) ? regionNamed(given, state.doc, state.painting) : null;
  if (begun !== null) return t("drawing.hint.painting", { name: labelName(begun) });
  if (state.crosshair !== null) return t("drawing.hint.crosshair", { x: Math.round(state.crosshair[0]), y: Math.round(state.crosshair[1]) });
  const names = state.tool === "points" ? skeletonDrawn(state, given)?.points : undefined;
  return names?.[0] === undefined ? "" : t("drawing.hint.point", { name: names[0], i: 1, n: names.length });
}

/** For a screen reader: what is selected, or what the hint says. */
export function announcementOf(state: State, given: Given, hint: string): string {
  const chosen = selection(state, given);
  const [first] = chosen;
  if (state.mode.kind !== "idle" || first === undefined) return hint;
  return t("drawing.selected", { n: chosen.length, name: describe(first) });
}
