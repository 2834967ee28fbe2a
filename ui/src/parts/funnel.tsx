import { t } from "../strings";

/** How far a project is, as a bar and in words. */
export function Funnel({ counts, more = [] }: { counts: Readonly<Record<string, number>>; more?: readonly string[] }) {
  const n = (name: string): number => counts[name] ?? 0;
  const total = n("new") + n("predicted") + n("in_progress") + n("skipped") + n("labelled") + n("accepted");
  const share = (part: number): string => `${String(total === 0 ? 0 : (100 * part) / total)}%`;
  return (
    <>
      <div className="lw-funnel" aria-hidden>
        <span className="lw-f-done" style={{ width: share(n("labelled")) }} />
        <span className="lw-f-accepted" style={{ width: share(n("accepted")) }} />
        <span className="lw-f-predicted" style={{ width: share(n("predicted")) }} />
        <span className="lw-f-other" style={{ width: share(n("in_progress") + n("skipped")) }} />
      </div>
      <p className="lw-dim lw-number" style={{ marginTop: 0 }}>
        {total === 0 ? t("funnel.empty") : t("funnel.line", { labelled: n("labelled"), total, predicted: n("predicted"), fresh: n("new") })}
        {n("accepted") > 0 ? ` ${t("funnel.accepted", { n: n("accepted") })}` : ""}
        {n("skipped") > 0 ? ` ${t("funnel.skipped", { n: n("skipped") })}` : ""}
        {more.map((each) => ` · ${each}`).join("")}
      </p>
    </>
  );
}
