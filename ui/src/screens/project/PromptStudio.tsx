/** Writing a prompt and seeing what it does: the exact prompt for a text, and a sample with answers, cost and latency. */
import { Alert, Button, Checkbox, NumberInput, TextInput, Textarea } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";

import { api, must, type Noun } from "../../api/client";
import type { Question } from "../../editor/types";
import { AnswerChips } from "../../parts/answers";
import { Confidence } from "../../parts/label";
import { Trouble, Waiting } from "../../parts/state";
import { t } from "../../strings";
import { Compare } from "./Compare";
import { Examples } from "./Examples";
import { FIRST_PLAN, PlanForm, decodingOf, planOf, usePlanParts, type PlanDraft } from "./plan";
import type { TabProps } from "./ProjectScreen";

const FIELDS = "{role} {guideline} {questions} {format} · {text} {fields}";

export default function PromptStudio({ project, view }: TabProps) {
  const path = { project_id: project };
  const queries = useQueryClient();
  const { templates } = usePlanParts(project);
  const [plan, setPlan] = useState<PlanDraft>(FIRST_PLAN);
  const [second, setSecond] = useState<PlanDraft | null>(null);
  const [wording, setWording] = useState<{ system: string; user: string; of: number } | null>(null);
  const [name, setName] = useState("");
  const [asset, setAsset] = useState<number | null>(null);
  const [n, setN] = useState(20);
  const [onGold, setOnGold] = useState(false);
  const [trials, setTrials] = useState<number[]>([]);

  const stored = templates.find((x) => (x.version ?? 0) === plan.version);
  if (stored !== undefined && wording?.of !== plan.version) setWording({ system: stored.system, user: stored.user, of: plan.version });
  const changed = stored !== undefined && wording !== null && (wording.system !== stored.system || wording.user !== stored.user);

  const [settled, settle] = useState(wording);
  useEffect(() => {
    const timer = setTimeout(() => { settle(wording); }, 400);
    return () => { clearTimeout(timer); };
  }, [wording]);
  const decoding = decodingOf(plan);
  const [part, setPart] = useState(0);
  const cut = JSON.stringify([asset, plan.provider, decoding]);
  // Another text or another way to cut it begins at its first request.
  useEffect(() => { setPart(0); }, [cut]);
  const preview = useQuery({
    queryKey: ["prompt-preview", project, settled, plan.examples, plan.k, cut, part, plan.model, view.ontology.version],
    enabled: settled !== null,
    placeholderData: (before) => before,
    queryFn: () => must(api.POST("/api/projects/{project_id}/prompt-preview", { params: { path }, body: { asset_id: asset, template: settled === null ? null : { name: "", system: settled.system, user: settled.user }, template_version: plan.version, examples: { kind: plan.examples, k: plan.k, seed: 0 }, model: plan.model, provider_id: plan.provider === null ? null : Number(plan.provider), decoding, part } })),
  });
  const save = useMutation({
    mutationFn: () => must(api.POST("/api/projects/{project_id}/templates", { params: { path }, body: { name, system: wording?.system ?? "", user: wording?.user ?? "" } })),
    onSuccess: async (made) => {
      await queries.invalidateQueries({ queryKey: ["templates", project] });
      setPlan((now) => ({ ...now, version: made.version ?? 0 }));
      notifications.show({ message: t("prompts.versionNamed", { n: made.version ?? 0, name: made.name ?? "" }) });
    },
  });
  const run = useMutation({
    mutationFn: async () => {
      const plans = [planOf(plan), second === null ? null : planOf(second)].filter((p) => p !== null);
      return must(api.POST("/api/projects/{project_id}/trials", { params: { path }, body: { plans, n, on: onGold ? "gold" : "sample" } }));
    },
    onSuccess: (runs) => { setTrials(runs.map((r) => r.id)); },
  });
  const questions = view.ontology.questions as unknown as Question[];
  return (
    <>
      <div className="lw-two">
        <section>
          <PlanForm value={plan} onChange={setPlan} project={project} />
          <p className="lw-dim">{t("prompts.fields", { list: FIELDS })}</p>
          <Textarea label={t("prompts.system")} autosize minRows={8} maxRows={20} value={wording?.system ?? ""} styles={{ input: { fontFamily: "var(--lw-mono)", fontSize: 12 } }} onChange={(e) => { setWording({ system: e.currentTarget.value, user: wording?.user ?? "", of: plan.version }); }} />
          <Textarea label={t("prompts.user")} autosize minRows={2} maxRows={10} mt="sm" value={wording?.user ?? ""} styles={{ input: { fontFamily: "var(--lw-mono)", fontSize: 12 } }} onChange={(e) => { setWording({ system: wording?.system ?? "", user: e.currentTarget.value, of: plan.version }); }} />
          {changed && (
            <div className="lw-row" style={{ marginTop: 8, alignItems: "flex-end" }}>
              <TextInput label={t("prompts.saveName")} value={name} onChange={(e) => { setName(e.currentTarget.value); }} />
              <Button loading={save.isPending} onClick={() => { save.mutate(); }}>{t("prompts.saveAs")}</Button>
            </div>
          )}
          {save.isError && <Trouble error={save.error} />}
        </section>
        <section>
          <div className="lw-row">
            <h2 className="lw-grow">{t("prompts.preview")}</h2>
            <span className="lw-dim" aria-hidden>{t("prompts.previewFor")}</span>
            <NumberInput aria-label={t("prompts.previewAsset")} placeholder={t("prompts.previewNext")} value={asset ?? ""} min={1} onChange={(v) => { setAsset(v === "" ? null : Number(v)); }} w={120} />
          </div>
          {preview.isError && <Trouble error={preview.error} />}
          {preview.data === undefined && !preview.isError && <Waiting label={t("prompts.previewWaiting")} />}
          {preview.data !== undefined && (
            <>
              <p className="lw-dim" role="status">{preview.isPlaceholderData ? t("prompts.previewWaiting") : t("prompts.tokens", { n: preview.data.prompt_tokens })}{preview.data.examples_note ? ` · ${preview.data.examples_note}` : ""}</p>
              {(preview.data.parts ?? 1) > 1 && <PartOf preview={preview.data} questions={view.ontology.questions as unknown as Question[]} go={setPart} />}
              {preview.data.problems.map((p, i) => <Alert key={i} color="yellow" mb={4}>{p.where}: {p.message}</Alert>)}
              {preview.data.examples.length > 0 && <details><summary>{t("shown.title")} ({preview.data.examples.length})</summary><Examples rows={preview.data.examples} questions={questions} project={project} /></details>}
              <div style={{ maxHeight: 640, overflow: "auto" }} tabIndex={0} role="region" aria-label={t("prompts.preview")}>
                {preview.data.messages.map((m, i) => <div key={i} style={{ marginBottom: 8 }}><span className="lw-dim">{m.role}</span><pre className="lw-code" style={{ maxHeight: "none" }}>{m.content}</pre></div>)}
              </div>
            </>
          )}
        </section>
      </div>
      <section className="lw-card" style={{ marginTop: 16 }}>
        <h2>{t("prompts.trial")}</h2>
        <div className="lw-row">
          <NumberInput label={t("prompts.trialN")} min={1} max={500} value={n} onChange={(v) => { setN(Number(v) || 20); }} w={100} />
          <Checkbox label={t("prompts.onGold")} checked={onGold} onChange={(e) => { setOnGold(e.currentTarget.checked); }} mt={20} disabled={(view.counts["gold"] ?? 0) === 0} />
          <Checkbox label={t("prompts.compare")} checked={second !== null} onChange={(e) => { setSecond(e.currentTarget.checked ? { ...plan } : null); }} mt={20} />
          <Button mt={20} loading={run.isPending} disabled={planOf(plan) === null} onClick={() => { run.mutate(); }}>{t("prompts.run")}</Button>
        </div>
        {second !== null && <><p className="lw-dim">{t("prompts.second")}</p><PlanForm value={second} onChange={setSecond} project={project} /></>}
        {run.isError && <Trouble error={run.error} />}
        {trials.length > 0 && <Results project={project} trials={trials} questions={questions} />}
      </section>
      <Compare project={project} questions={questions} newest={view.ontology.version ?? 1} first={plan} />
    </>
  );
}

/** Which of several requests is shown, and the way to the others. */
function PartOf({ preview, questions, go }: { preview: Noun<"Preview">; questions: readonly Question[]; go: (part: number) => void }) {
  const { part = 0, parts = 1, piece = 0, pieces = 1, sample = 0 } = preview;
  const asked = (preview.questions ?? []).map((id) => questions.find((q) => q.id === id)?.name ?? id);
  const what = [
    t("prompts.part", { i: part + 1, n: parts }),
    ...(pieces > 1 ? [t("prompts.partPiece", { i: piece + 1, n: pieces })] : []),
    ...(asked.length < questions.length ? [t("prompts.partQuestions", { names: asked.join(", ") })] : []),
    ...(sample > 0 ? [t("prompts.partSample", { i: sample + 1 })] : []),
  ];
  return (
    <div className="lw-row" style={{ marginBottom: 8 }}>
      <Button size="compact-xs" variant="default" aria-label={t("prompts.previousPart")} disabled={part === 0} onClick={() => { go(part - 1); }}>‹</Button>
      <Button size="compact-xs" variant="default" aria-label={t("prompts.nextPart")} disabled={part + 1 >= parts} onClick={() => { go(part + 1); }}>›</Button>
      <span role="status">{what.join(" · ")}</span>
    </div>
  );
}

function useTrial(project: number, id: number | undefined) {
  return useQuery({
    queryKey: ["trial", project, id],
    enabled: id !== undefined,
    queryFn: () => must(api.GET("/api/projects/{project_id}/trials/{run_id}", { params: { path: { project_id: project, run_id: id ?? 0 } } })) as Promise<Noun<"Trial">>,
    refetchInterval: (query) => (query.state.data && ["done", "failed", "cancelled", "paused"].includes(query.state.data.run.state) ? false : 700),
  });
}

function Results({ project, trials, questions }: { project: number; trials: readonly number[]; questions: readonly Question[] }) {
  const one = useTrial(project, trials[0]);
  const two = useTrial(project, trials[1]);
  const found = [one.data, two.data].filter((x) => x !== undefined);
  if (one.isError) return <Trouble error={one.error} />;
  if (found.length === 0) return <Waiting />;
  const assets = [...new Map(found.flatMap((x) => x.rows.map((r) => [r.asset_id, r.text]))).entries()];
  const said = (trial: Noun<"Trial">, asset: number) => trial.rows.find((r) => r.asset_id === asset);
  return (
    <>
      <div className="lw-two">{found.map((x) => <Summary key={x.run.id} trial={x} questions={questions} />)}</div>
      <div className="lw-scroll" style={{ maxHeight: 560 }} tabIndex={0} role="region" aria-label={t("prompts.results")}>
        <table className="lw-table">
          <thead><tr><th>{t("table.text")}</th>{found.map((x) => <th key={x.run.id}>{x.run.predictor.engine.kind === "prompted" ? x.run.predictor.engine.model : ""}</th>)}</tr></thead>
          <tbody>
            {assets.map(([asset, text]) => {
              const rows = found.map((x) => said(x, asset));
              const differ = found.length === 2 && JSON.stringify(short(rows[0])) !== JSON.stringify(short(rows[1]));
              return (
                <tr key={asset} aria-selected={differ}>
                  <td style={{ maxWidth: 420 }} dir="auto">{text.slice(0, 300)}</td>
                  {rows.map((row, i) => (
                    <td key={i}>
                      {row === undefined ? <span className="lw-dim">…</span> : row.prediction === null ? <span className="lw-warn">{row.failure ?? ""} {row.message ?? ""}</span> : (
                        <>
                          <AnswerChips answers={row.prediction?.answers as never} questions={questions} by="model" text={row.text} />
                          <div className="lw-row" style={{ gap: 8 }}>
                            {Object.entries(row.prediction?.confidence ?? {}).map(([q, c]) => <Confidence key={q} value={c.value ?? null} />)}
                            {Object.entries(row.right ?? {}).map(([q, right]) => <span key={q} className={right ? "lw-dim" : "lw-warn"}>{right ? "✓" : "✗"} {questions.find((x) => x.id === q)?.name ?? q}</span>)}
                            {typeof row.latency_s === "number" && <span className="lw-dim lw-number">{row.latency_s.toFixed(2)} s</span>}
                          </div>
                          {(row.prediction?.problems ?? []).length > 0 && <span className="lw-warn" title={(row.prediction?.problems ?? []).map((p) => p.message).join("\n")}>{t("prompts.problems", { n: row.prediction?.problems?.length ?? 0 })}</span>}
                        </>
                      )}
                    </td>
                  ))}
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </>
  );
}

/** What an answer says, without ids and scores, to tell real differences. */
function short(row: Noun<"TrialRow"> | undefined): unknown {
  return Object.entries(row?.prediction?.answers ?? {}).map(([q, a]) => {
    const answer = a as { kind: string; labels?: string[]; value?: unknown; text?: string; spans?: { start: number; end: number; label: string }[] };
    return [q, answer.labels ?? answer.value ?? answer.text ?? (answer.spans ?? []).map((s) => [s.start, s.end, s.label])];
  });
}

function Summary({ trial, questions }: { trial: Noun<"Trial">; questions: readonly Question[] }) {
  const { summary, run } = trial;
  const live = !["done", "failed", "cancelled", "paused"].includes(run.state);
  return (
    <div className="lw-figures">
      {live && <div role="status"><b>{summary.done + summary.failed}</b><span className="lw-dim">{t("prompts.waiting", { done: summary.done + summary.failed, total: run.total })}</span></div>}
      {!live && <div><b>{summary.done}</b><span className="lw-dim">{t("prompts.parsed", { n: summary.done, total: run.total })}</span></div>}
      {run.state === "paused" && <Alert color="red">{run.stop_reason}</Alert>}
      {Object.entries(summary.compared).map(([q, n]) => <div key={q}><b>{n === 0 ? "–" : `${String(Math.round((100 * (summary.right[q] ?? 0)) / n))}%`}</b><span className="lw-dim">{questions.find((x) => x.id === q)?.name ?? q}: {n === 0 ? t("prompts.truthNone") : t("prompts.right", { right: summary.right[q] ?? 0, n })}</span></div>)}
      {summary.latency_p50_s !== null && <div><b>{Number(summary.latency_p50_s).toFixed(2)} s</b><span className="lw-dim">{t("prompts.latency")}</span></div>}
      {summary.cost_usd !== null && <div><b>${Number(summary.cost_usd).toFixed(4)}</b><span className="lw-dim">{t("prompts.cost")}</span></div>}
    </div>
  );
}
