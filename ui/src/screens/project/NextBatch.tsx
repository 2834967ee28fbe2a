/** What a series of batches waits for, with the ways to hurry or end it. */
import { Button } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";

import { api, must, type Noun } from "../../api/client";
import { Trouble } from "../../parts/state";
import { t } from "../../strings";

/** The run whose series waits for people: it goes on without anybody touching this screen, so the screen looks now and then. */
export const awaited = (runs: readonly Noun<"Run">[] | undefined): Noun<"Run"> | undefined => (runs ?? []).find((run) => run.next_batch !== null && run.next_batch !== undefined);

export function NextBatch({ run, project, steer = true }: { run: Noun<"Run">; project: number; steer?: boolean }) {
  const queries = useQueryClient();
  const path = { project_id: project, run_id: run.id };
  const change = useMutation({
    mutationFn: (what: "go-on" | "end") => must(what === "go-on" ? api.POST("/api/projects/{project_id}/runs/{run_id}/go-on", { params: { path } }) : api.POST("/api/projects/{project_id}/runs/{run_id}/end-series", { params: { path } })),
    onSettled: () => void queries.invalidateQueries({ queryKey: ["runs", project] }),
  });
  const next = run.next_batch;
  if (next === null || next === undefined) return null;
  const done = run.state === "done";
  return (
    <div className="lw-row">
      <span className="lw-grow" role="status">{next.starting === true ? t("series.starting") : t(done ? "series.waiting" : "series.running", { n: next.left })}</span>
      {steer && next.starting !== true && done && <Button size="xs" variant="default" loading={change.isPending} onClick={() => { change.mutate("go-on"); }}>{t("series.now")}</Button>}
      {steer && next.starting !== true && <Button size="xs" variant="subtle" loading={change.isPending} onClick={() => { change.mutate("end"); }}>{t("series.end")}</Button>}
      {change.isError && <Trouble error={change.error} />}
    </div>
  );
}
