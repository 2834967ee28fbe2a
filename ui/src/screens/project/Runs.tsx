import { Alert, Button, Checkbox, Modal, NumberInput, Progress, Select, Switch } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";

import { api, must, type Noun } from "../../api/client";
import { EconomicsBlock } from "../../parts/economics";
import { Empty, Trouble, Waiting } from "../../parts/state";
import { t } from "../../strings";
import { Examples, ExamplesOf } from "./Examples";
import { FIRST_PLAN, PlanForm, planOf, usePlanParts, type PlanDraft } from "./plan";
import type { Question } from "../../editor/types";
import { Detectors } from "./Detectors";
import { awaited, NextBatch } from "./NextBatch";
import type { TabProps } from "./ProjectScreen";

type Run = Noun<"Run">;
const number = new Intl.NumberFormat("en");
const ENDED = ["done", "cancelled", "failed", "paused"];

export default function Runs({ project, view }: TabProps) {
  const [adding, setAdding] = useState(false);
  const [open, setOpen] = useState<number | null>(null);
  const runs = useQuery({
    queryKey: ["runs", project],
    queryFn: () => must(api.GET("/api/projects/{project_id}/runs", { params: { path: { project_id: project }, query: { kind: "batch" } } })),
    refetchInterval: (query) => ((query.state.data?.rows ?? []).some((r) => !ENDED.includes(r.state)) ? 800 : awaited(query.state.data?.rows as Run[] | undefined) === undefined ? false : 3000),
  });
  if (runs.isPending) return <Waiting />;
  if (runs.isError) return <Trouble error={runs.error} retry={() => void runs.refetch()} />;
  const rows = runs.data.rows as Run[];
  const questions = view.ontology.questions as unknown as Question[];
  const images = view.project.modality === "image";
  return (
    <>
      {images && <Detectors project={project} questions={questions} started={() => void runs.refetch()} />}
      <div className="lw-row"><h2 className="lw-grow">{t(images ? "detectors.runs" : "runs.title")}</h2>{!images && <Button onClick={() => { setAdding(true); }}>{t("runs.new")}</Button>}</div>
      {rows.length === 0 ? <Empty title={t(images ? "detectors.noRuns" : "runs.none")}>{t(images ? "detectors.noRunsHint" : "runs.noneHint")}</Empty> : rows.map((run) => <RunCard key={run.id} run={run} project={project} questions={questions} open={open === run.id} toggle={() => { setOpen(open === run.id ? null : run.id); }} />)}
      <Modal opened={adding} onClose={() => { setAdding(false); }} title={t("runs.new")} size="xl">
        <NewRun project={project} batchSize={view.project.settings?.batch_size ?? 100} done={() => { setAdding(false); void runs.refetch(); }} />
      </Modal>
    </>
  );
}

function RunCard({ run, project, questions, open, toggle }: { run: Run; project: number; questions: readonly Question[]; open: boolean; toggle: () => void }) {
  const queries = useQueryClient();
  const path = { project_id: project, run_id: run.id };
  const steer = useMutation({
    mutationFn: (what: "pause" | "resume" | "cancel" | "retry-failed") => must(what === "pause" ? api.POST("/api/projects/{project_id}/runs/{run_id}/pause", { params: { path } }) : what === "resume" ? api.POST("/api/projects/{project_id}/runs/{run_id}/resume", { params: { path } }) : what === "cancel" ? api.POST("/api/projects/{project_id}/runs/{run_id}/cancel", { params: { path } }) : api.POST("/api/projects/{project_id}/runs/{run_id}/retry-failed", { params: { path } })),
    onSettled: () => void queries.invalidateQueries({ queryKey: ["runs", project] }),
  });
  const done = run.done ?? 0;
  const failed = run.failed ?? 0;
  const engine = run.predictor.engine;
  const title = engine.kind === "prompted" ? `${engine.model}${engine.examples?.kind === "none" ? "" : " · few-shot"}` : engine.kind === "detector" ? engine.name : "";
  const prompted = engine.kind === "prompted";
  return (
    <section className="lw-card" style={{ marginBottom: 12 }} aria-label={`${t("runs.batch", { n: run.batch ?? 0 })} ${title}`}>
      <div className="lw-row">
        <b>{t("runs.batch", { n: run.batch ?? 0 })}</b><span>{title}</span><span className="lw-dim lw-grow" role="status">{run.state}</span>
        {run.state === "running" && <Button size="xs" variant="default" onClick={() => { steer.mutate("pause"); }}>{t("runs.pause")}</Button>}
        {run.state === "paused" && <Button size="xs" onClick={() => { steer.mutate("resume"); }}>{t("runs.resume")}</Button>}
        {["running", "queued", "paused"].includes(run.state) && <Button size="xs" variant="default" onClick={() => { steer.mutate("cancel"); }}>{t("runs.cancel")}</Button>}
        {failed > 0 && ["done", "cancelled"].includes(run.state) && <Button size="xs" variant="default" onClick={() => { steer.mutate("retry-failed"); }}>{t("runs.retryFailed")}</Button>}
        <Button size="xs" variant="subtle" aria-expanded={open} onClick={toggle}>{t("runs.details")}</Button>
      </div>
      <Progress.Root size="md" my={8}>
        <Progress.Section value={(100 * done) / Math.max(run.total, 1)} aria-label={t("runs.done")} />
        <Progress.Section value={(100 * failed) / Math.max(run.total, 1)} color="orange" aria-label={t("runs.failed")} />
      </Progress.Root>
      <p className="lw-dim lw-number">
        {t("runs.done")} {number.format(done)} / {number.format(run.total)} · {t("runs.failed")} {failed}{prompted ? ` · ${t("runs.retried")} ${String(run.retried ?? 0)} · ${t("runs.tokens")} ${number.format(run.prompt_tokens ?? 0)} + ${number.format(run.completion_tokens ?? 0)}` : typeof run.latency_p50_s === "number" ? ` · ${t("detectors.each", { ms: Math.round(1000 * run.latency_p50_s) })}` : ""} · {t("runs.cost")} {run.cost_usd === null || run.cost_usd === undefined ? "–" : `$${Number(run.cost_usd).toFixed(4)}`}{run.cost_cap_usd ? ` / $${Number(run.cost_cap_usd).toFixed(2)}` : ""}
        {typeof run.rate_per_s === "number" && run.state === "running" ? ` · ${run.rate_per_s.toFixed(1)}/s` : ""}{typeof run.eta_s === "number" && run.state === "running" ? ` · ${t("runs.eta")} ${String(Math.round(run.eta_s))} s` : ""}
      </p>
      {(run.from_cache ?? 0) > 0 && <p className="lw-dim">{t("runs.fromCache", { n: run.from_cache ?? 0 })}</p>}
      {(run.stop_reason ?? "") !== "" && <Alert color={run.state === "failed" ? "red" : run.state === "paused" ? "yellow" : "gray"}>{run.stop_reason}</Alert>}
      {(run.examples_note ?? "") !== "" && <p className="lw-dim">{run.examples_note}</p>}
      {steer.isError && <Trouble error={steer.error} />}
      <NextBatch run={run} project={project} />
      {(open || (run.how === "batch" && !ENDED.includes(run.state))) && <Details project={project} run={run.id} questions={questions} />}
    </section>
  );
}

function Details({ project, run, questions }: { project: number; run: number; questions: readonly Question[] }) {
  const view = useQuery({ queryKey: ["runs", project, run], queryFn: () => must(api.GET("/api/projects/{project_id}/runs/{run_id}", { params: { path: { project_id: project, run_id: run } } })), refetchInterval: (query) => (ENDED.includes(query.state.data?.run.state ?? "") ? false : 2000) });
  if (view.isPending) return <Waiting />;
  if (view.isError) return <Trouble error={view.error} />;
  const causes = Object.entries(view.data.run.failures ?? {});
  const leftOut = Object.entries(view.data.left_out ?? {}).sort((a, b) => b[1] - a[1]);
  const { remote, usd_per_confirmed: each, confirmed = 0 } = view.data;
  const facts = [
    remote ? (remote.state === "preparing" ? t("runs.remotePreparing") : t("runs.remote", { status: remote.status ?? "", done: remote.completed ?? 0, total: remote.requests })) : "",
    each === null || each === undefined ? "" : t("runs.perConfirmed", { usd: Number(each).toPrecision(3), n: confirmed }),
    (view.data.run.cached_tokens ?? 0) > 0 ? t("runs.cachedTokens", { n: view.data.run.cached_tokens ?? 0 }) : "",
    (view.data.run.reasoning_tokens ?? 0) > 0 ? t("runs.reasoning", { n: view.data.run.reasoning_tokens ?? 0 }) : "",
  ].filter((fact) => fact !== "");
  return (
    <>
      {facts.length > 0 && <p className="lw-number" role="status">{facts.join(" · ")}</p>}
      {leftOut.length > 0 && <><p>{t("detectors.leftOut")}</p><ul className="lw-problems lw-number">{leftOut.map(([name, n]) => <li key={name}>{name}: {number.format(n)}</li>)}</ul></>}
      <EconomicsBlock project={project} run={run} />
      {causes.length > 0 && <h2>{t("runs.failures")}</h2>}
      {causes.map(([cause, n]) => (
        <div key={cause}><b>{cause.replaceAll("_", " ")}</b> <span className="lw-number">{n}</span>
          <ul className="lw-problems">{(view.data.failures_sample[cause] ?? []).map((f) => <li key={f.asset_id}><Link href={`/projects/${String(project)}/label?asset=${String(f.asset_id)}`}>{f.asset_id}</Link>: {f.message}</li>)}</ul>
        </div>
      ))}
      {view.data.examples.length > 0 && <><h2>{t("runs.examples")}</h2>{chosenPerText(view.data.run) && <><ExamplesOf project={project} run={run} questions={questions} /><p className="lw-dim">{t("shown.pool")}</p></>}<Examples rows={view.data.examples} questions={questions} project={project} /></>}
    </>
  );
}

function chosenPerText(run: Run): boolean {
  return run.predictor.engine.kind === "prompted" && ["nearest", "nearest_per_label", "mmr"].includes(run.predictor.engine.examples?.kind ?? "none");
}

function NewRun({ project, batchSize, done }: { project: number; batchSize: number; done: () => void }) {
  const [draft, setDraft] = useState<PlanDraft>(FIRST_PLAN);
  const [size, setSize] = useState(batchSize);
  const [batches, setBatches] = useState<string>("1");
  const [cap, setCap] = useState<number | null>(null);
  const [how, setHow] = useState<"now" | "batch">("now");
  const [bypass, setBypass] = useState(false);
  const [wait, setWait] = useState(true);
  const [share, setShare] = useState(100);
  const path = { project_id: project };
  const plan = planOf(draft);
  const { providers } = usePlanParts(project);
  const able = providers.find((p) => String(p.id) === draft.provider)?.capabilities;
  const count = batches === "all" ? null : Number(batches);
  const estimate = useQuery({
    queryKey: ["estimate", project, plan, size, count, how],
    enabled: plan !== null,
    queryFn: () => must(api.POST("/api/projects/{project_id}/estimates", { params: { path }, body: { plan: plan as never, batch_size: size, batches: count, how } })),
  });
  const start = useMutation({
    mutationFn: () => must(api.POST("/api/projects/{project_id}/runs", { params: { path }, body: { plan: plan as never, batch_size: size, batches: count, cost_cap_usd: cap === null ? null : String(cap), review_share: wait && batches !== "1" ? share / 100 : null, how, use_cache: !bypass } })),
    onSuccess: done,
  });
  return (
    <>
      <PlanForm value={draft} onChange={setDraft} project={project} more={<Switch label={t("runs.bypass")} checked={bypass} onChange={(e) => { setBypass(e.currentTarget.checked); }} />} />
      <div className="lw-row" style={{ marginTop: 16, alignItems: "flex-end" }}>
        <NumberInput label={t("runs.batchSize")} min={1} max={100000} value={size} onChange={(v) => { setSize(Number(v) || 1); }} w={140} />
        <Select label={t("runs.batches")} data={["1", "2", "3", "5", "10", { value: "all", label: t("runs.all") }]} allowDeselect={false} value={batches} onChange={(v) => { setBatches(v ?? "1"); }} w={160} />
        <Select label={t("runs.how")} data={[{ value: "now", label: t("runs.now") }, { value: "batch", label: t("runs.viaBatch") }]} allowDeselect={false} value={how} onChange={(v) => { setHow(v === "batch" ? "batch" : "now"); }} w={240} />
        <NumberInput label={t("runs.cap")} min={0.01} decimalScale={2} value={cap ?? ""} onChange={(v) => { setCap(v === "" ? null : Number(v)); }} w={140} />
      </div>
      {how === "batch" && able && able.batches !== true && <Alert mt="sm" color="orange">{t("runs.noBatch")}</Alert>}
      {batches !== "1" && (
        <div className="lw-row" style={{ marginTop: 8, alignItems: "flex-end" }}>
          <Checkbox className="lw-grow" label={t("series.wait")} description={t("series.waitHint")} checked={wait} onChange={(e) => { setWait(e.currentTarget.checked); }} />
          {wait && <NumberInput label={t("series.share")} min={1} max={100} value={share} onChange={(v) => { setShare(Math.min(100, Math.max(1, Number(v) || 100))); }} w={160} />}
        </div>
      )}
      {estimate.data !== undefined && (
        <p role="status"><b>{t("runs.estimate")}:</b> {t("runs.estimated", { assets: estimate.data.assets, prompt: estimate.data.prompt_tokens, completion: estimate.data.completion_tokens })} · {estimate.data.usd_low === null ? t("runs.noPrice") : t("runs.usd", { low: Number(estimate.data.usd_low).toFixed(4), high: Number(estimate.data.usd_high).toFixed(4) })}<br /><span className="lw-dim">{estimate.data.note}</span></p>
      )}
      {estimate.isError && <Trouble error={estimate.error} />}
      {start.isError && <Trouble error={start.error} />}
      <Button mt="md" disabled={plan === null} loading={start.isPending} onClick={() => { start.mutate(); }}>{t("runs.start")}</Button>
    </>
  );
}
