/** Where examples come from: which submission, whose, since when, of which batch. */
import { Button, NumberInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";

import { api, must, type Noun } from "../../api/client";
import type { Question } from "../../editor/types";
import { AnswerChips } from "../../parts/answers";
import { Trouble } from "../../parts/state";
import { t } from "../../strings";

const dates = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });

export function Examples({ rows, questions, project }: { rows: readonly Noun<"ShownExample">[]; questions: readonly Question[]; project: number }) {
  return (
    <div className="lw-scroll" style={{ maxHeight: 320, overflow: "auto" }} tabIndex={0} role="region" aria-label={t("shown.title")}>
      <table className="lw-table">
        <thead><tr><th>{t("shown.text")}</th><th>{t("shown.answers")}</th><th>{t("shown.who")}</th><th>{t("shown.when")}</th><th>{t("shown.batch")}</th></tr></thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.annotation_id}>
              <td style={{ maxWidth: 320 }} dir="auto"><Link href={`/projects/${String(project)}/label?asset=${String(row.asset_id)}`} title={row.annotation_id}>{row.text.slice(0, 160)}</Link></td>
              <td><AnswerChips answers={row.answers as never} questions={questions} by="person" text={row.text} /></td>
              <td>{row.author}<br /><span className="lw-dim">{row.counts === false ? t("shown.gone") : row.changed === true ? t("shown.changed") : ""}</span></td>
              <td className="lw-number">{typeof row.created_at === "string" ? dates.format(new Date(row.created_at)) : ""}</td>
              <td className="lw-number">{row.batch ?? t("shown.noBatch")}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** For a run that chooses examples for each text: those that were shown with one of them. */
export function ExamplesOf({ project, run, questions }: { project: number; run: number; questions: readonly Question[] }) {
  const [asset, setAsset] = useState<number | null>(null);
  const [wanted, want] = useState<number | null>(null);
  const shown = useQuery({
    queryKey: ["runs", project, run, "examples", wanted],
    enabled: wanted !== null,
    queryFn: () => must(api.GET("/api/projects/{project_id}/runs/{run_id}/examples", { params: { path: { project_id: project, run_id: run }, query: { asset_id: wanted ?? 0 } } })),
  });
  return (
    <>
      <div className="lw-row" style={{ alignItems: "flex-end" }}>
        <NumberInput label={t("shown.forAsset")} min={1} value={asset ?? ""} onChange={(v) => { setAsset(v === "" ? null : Number(v)); }} w={230} />
        <Button variant="default" disabled={asset === null} onClick={() => { want(asset); }}>{t("shown.look")}</Button>
      </div>
      {shown.isError && <Trouble error={shown.error} />}
      {shown.data !== undefined && <Examples rows={shown.data} questions={questions} project={project} />}
    </>
  );
}
