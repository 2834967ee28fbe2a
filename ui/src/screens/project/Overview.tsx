import { Button } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";

import { api, must, type Noun } from "../../api/client";
import { ArmsBlock, EconomicsBlock } from "../../parts/economics";
import { Funnel } from "../../parts/funnel";
import { t } from "../../strings";
import { awaited, NextBatch } from "./NextBatch";
import type { TabProps } from "./ProjectScreen";

export default function Overview({ project, view }: TabProps) {
  const path = { project_id: project };
  const sees = view.role !== "annotator";
  const numbers = useQuery({
    queryKey: ["numbers", project, view.counts["submissions"]],
    queryFn: () => must(api.GET("/api/projects/{project_id}/numbers", { params: { path } })),
    enabled: sees,
    placeholderData: (before) => before,
  });
  const runs = useQuery({
    queryKey: ["runs", project, "overview"],
    queryFn: () => must(api.GET("/api/projects/{project_id}/runs", { params: { path, query: { kind: "batch" } } })) as Promise<{ rows: Noun<"Run">[] }>,
    enabled: sees,
    refetchInterval: (query) => (awaited(query.state.data?.rows) === undefined ? false : 3000),
  });
  const waiting = awaited(runs.data?.rows);
  const learn = useMutation({ mutationFn: () => must(api.POST("/api/projects/{project_id}/learn", { params: { path } })) });
  const { learning } = view;
  const more = Math.max(learning.learn_every - learning.submissions_since, 1);
  const count = (name: string): number => view.counts[name] ?? 0;
  const most = Math.max(1, ...(numbers.data?.days ?? []).map((d) => d.submissions));
  return (
    <>
      {view.project.description !== "" && <p className="lw-dim">{view.project.description}</p>}
      <section className="lw-card lw-progress">
        <h2>{t("project.progress")}</h2>
        <Funnel counts={view.counts} more={[...(count("gold") > 0 ? [t("project.gold", { n: count("gold") })] : []), ...(sees && count("flagged") > 0 ? [t("flags.count", { n: count("flagged") })] : [])]} />
        <p>{next(count, view.role)}</p>
        {waiting !== undefined && <NextBatch run={waiting} project={project} steer={view.role === "manager"} />}
      </section>
      <div className="lw-cards">
        {/* Nothing local learns from images yet. */}
        {view.project.modality !== "image" && <section className="lw-card">
          <h2>{t("project.learning")}</h2>
          <p>{learning.has_model ? t("project.learnedSome") : t("project.learnedNone")}</p>
          <p className="lw-dim" role="status">
            {learning.learn_every === 0 ? t("project.learnOff") : learning.training ? t("project.training") : t("project.learnNext", { n: more })}
          </p>
          {view.role === "manager" && <Button size="xs" variant="default" loading={learn.isPending} onClick={() => { learn.mutate(); }}>{t("project.learnNow")}</Button>}
        </section>}
        {sees && (
          <section className="lw-card">
            <h2>{t("project.agreement")}</h2>
            {(numbers.data?.agreement ?? []).length === 0 ? <p className="lw-dim">{t("project.agreementNone")}</p> : (
              <>
                <div className="lw-figures">
                  {numbers.data?.agreement.map((each) => (
                    <div key={each.question}>
                      <b>{Math.round(each.mean * 100)}%</b>
                      <span className="lw-dim">{view.ontology.questions.find((q) => q.id === each.question)?.name}: {t("project.agreementRow", { same: each.same, n: each.n })}</span>
                    </div>
                  ))}
                </div>
                <p className="lw-dim">{t("project.agreementNote")}</p>
              </>
            )}
          </section>
        )}
        {sees && numbers.data !== undefined && (
          <section className="lw-card">
            <h2>{t("project.days")}</h2>
            <div style={{ display: "flex", alignItems: "flex-end", gap: 3, height: 56 }} role="img" aria-label={numbers.data.days.map((d) => `${d.day}: ${String(d.submissions)}`).join(", ")}>
              {numbers.data.days.map((d) => <span key={d.day} title={`${d.day}: ${String(d.submissions)}`} style={{ flex: 1, background: d.submissions > 0 ? "var(--lw-accent)" : "var(--lw-line)", height: `${String(Math.max(4, (100 * d.submissions) / most))}%`, borderRadius: 2 }} />)}
            </div>
            <div className="lw-figures">
              {numbers.data.active_s_median !== null && <div><b>{numbers.data.active_s_median.toFixed(1)} s</b><span className="lw-dim">{t("project.median")} (n = {numbers.data.timed})</span></div>}
            </div>
          </section>
        )}
      </div>
      {sees && (
        <div className="lw-stack">
          <EconomicsBlock project={project} version={view.counts["submissions"]} />
          <ArmsBlock project={project} on={(view.project.settings?.no_suggestion_share ?? 0) > 0} version={view.counts["submissions"]} />
        </div>
      )}
    </>
  );
}

/** What to do now, in one sentence. */
function next(count: (name: string) => number, role: string): string {
  if (count("predicted") > 0) return t("project.nextJudge", { n: count("predicted") });
  if (count("new") > 0) return t("project.nextLabel", { n: count("new") });
  if (count("labelled") + count("accepted") > 0) return role === "manager" ? t("project.nextExport") : t("project.nextDone");
  return role === "manager" ? t("project.nextImport") : t("project.nextDone");
}
