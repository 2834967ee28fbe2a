/** What came of an import: counts, and what was left out with the reasons. */
import { Alert, Button } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";

import { api, must, type Noun } from "../api/client";
import { t } from "../strings";

interface Report { new?: number; same?: number; changed?: number; bad?: number; duplicates?: number; annotations?: number; predictions?: number; gold?: number; problems?: { where: string; message: string }[] }
const SHOWN = 8;

export function ImportReport({ job, project }: { job: Noun<"Job">; project: number }) {
  const report = (job.report ?? {}) as Report;
  const problems = report.problems ?? [];
  const [all, setAll] = useState(false);
  const pages = useInfiniteQuery({
    queryKey: ["problems", project, job.id],
    enabled: all,
    initialPageParam: 0,
    queryFn: ({ pageParam }) => must(api.GET("/api/projects/{project_id}/imports/{job_id}/problems", { params: { path: { project_id: project, job_id: job.id }, query: { after: pageParam } } })),
    getNextPageParam: (page) => page.next,
  });
  const rows = all ? (pages.data?.pages.flatMap((page) => page.rows) ?? problems) : problems.slice(0, SHOWN);
  const came = [["annotations", report.annotations], ["predictions", report.predictions], ["gold", report.gold]] as const;
  return (
    <>
      <p className="lw-number">
        {t("wizard.imported", { fresh: report.new ?? 0, same: report.same ?? 0, changed: report.changed ?? 0, bad: report.bad ?? 0 })}
        {(report.duplicates ?? 0) > 0 && ` · ${t("images.duplicates", { n: report.duplicates ?? 0 })}`}
        {came.map(([what, n]) => ((n ?? 0) > 0 ? ` · ${t(`images.came.${what}`, { n: n ?? 0 })}` : ""))}
      </p>
      {problems.length > 0 && (
        <Alert color="yellow" title={t("wizard.problems")} mb="sm">
          <ul className="lw-problems" style={{ maxHeight: 320, overflow: "auto" }}>{rows.map((p, i) => <li key={i}><code>{p.where}</code>: {p.message}</li>)}</ul>
          {!all && problems.length > SHOWN && <Button size="compact-xs" variant="subtle" onClick={() => { setAll(true); }}>{t("images.allProblems")}</Button>}
          {all && pages.hasNextPage && <Button size="compact-xs" variant="subtle" loading={pages.isFetchingNextPage} onClick={() => void pages.fetchNextPage()}>{t("common.more")}</Button>}
        </Alert>
      )}
    </>
  );
}
