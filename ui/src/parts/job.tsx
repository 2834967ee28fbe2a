import { Button, Progress } from "@mantine/core";

import { api, must, type Noun } from "../api/client";
import { t } from "../strings";

const number = new Intl.NumberFormat("en");

/** A background job: a bar with rate and remaining time, its outcome, and a way to stop it. */
export function JobProgress({ job, project }: { job: Noun<"Job">; project: number }) {
  const live = job.state === "running" || job.state === "queued";
  const started = job.started_at ? Date.parse(job.started_at) : null;
  const seconds = started === null ? 0 : Math.max((Date.now() - started) / 1000, 0.1);
  const done = job.done ?? 0;
  const rate = done / Math.max(seconds, 0.1);
  const total = job.total ?? null;
  const left = total !== null && rate > 0 ? Math.round((total - done) / rate) : null;
  return (
    <div>
      {live && (
        <Progress value={total === null || total === 0 ? 100 : (100 * done) / total} animated={total === null} striped={total === null} aria-label={job.kind} />
      )}
      <p className="lw-dim lw-number">
        {job.state}
        {live && ` · ${number.format(done)}${total === null ? "" : ` / ${number.format(total)}`} · ${number.format(Math.round(rate))}/s`}
        {live && left !== null && ` · ${number.format(left)} s`}
        {(job.message ?? "") !== "" && ` · ${job.message ?? ""}`}
        {live && (
          <Button ml="sm" size="compact-xs" variant="default" onClick={() => void must(api.POST("/api/projects/{project_id}/jobs/{job_id}/cancel", { params: { path: { project_id: project, job_id: job.id } } }))}>
            {t("common.cancel")}
          </Button>
        )}
      </p>
    </div>
  );
}
