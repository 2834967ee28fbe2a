/** Plans on the same gold texts: figures with intervals, one sentence per pair, and the texts on which they part. */
import { Alert, Badge, Button, NumberInput, Progress, Select } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";

import { api, must, mustBe, type Noun } from "../../api/client";
import type { Question } from "../../editor/types";
import { AnswerChips } from "../../parts/answers";
import { Trouble, Waiting } from "../../parts/state";
import { t } from "../../strings";
import { PlanForm, planOf, type PlanDraft } from "./plan";

type Comparison = Noun<"Comparison">;
type Part = "all" | "tuning" | "gate";
const percent = (share: number): string => `${(100 * share).toFixed(1)}%`;
const points = (share: number): string => `${share >= 0 ? "+" : "−"}${Math.abs(100 * share).toFixed(1)}`;
const dates = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });

export function Compare({ project, questions, newest, first }: { project: number; questions: readonly Question[]; newest: number; first: PlanDraft }) {
  const path = { project_id: project };
  const queries = useQueryClient();
  const [plans, setPlans] = useState<PlanDraft[] | null>(null);
  const [part, setPart] = useState<Part>("tuning");
  const [n, setN] = useState<number | null>(null);
  const [cap, setCap] = useState<number | null>(null);
  const [shown, show] = useState<number | null>(null);
  const gold = useQuery({ queryKey: ["gold", project], queryFn: () => must(api.GET("/api/projects/{project_id}/gold", { params: { path } })) });
  const earlier = useQuery({ queryKey: ["comparisons", project], queryFn: () => must(api.GET("/api/projects/{project_id}/comparisons", { params: { path } })) });
  const drafts: PlanDraft[] = plans ?? [first, { ...first, examples: first.examples === "none" ? "per_label" : "none" }];
  const wanted = drafts.map(planOf);
  const start = useMutation({
    mutationFn: () => mustBe<"Comparison">(api.POST("/api/projects/{project_id}/comparisons", { params: { path }, body: { plans: wanted.filter((p) => p !== null), gold: part, n, cost_cap_usd: cap === null ? null : String(cap) } })),
    onSuccess: (made) => {
      show(made.id);
      void queries.invalidateQueries({ queryKey: ["comparisons", project] });
      void queries.invalidateQueries({ queryKey: ["gold", project] });
    },
  });
  const set = (i: number, next: PlanDraft): void => { setPlans(drafts.map((d, k) => (k === i ? next : d))); };
  const state = gold.data;
  return (
    <section className="lw-card" style={{ marginTop: 16 }} aria-label={t("compare.title")}>
      <h2>{t("compare.title")}</h2>
      <p className="lw-dim">{t("compare.hint")}</p>
      {gold.isError && <Trouble error={gold.error} />}
      {state !== undefined && state.total === 0 && <Alert title={t("compare.noGold")}>{t("compare.noGoldHint")} <Link href={`/projects/${String(project)}/import`}>{t("compare.toImport")}</Link></Alert>}
      {state !== undefined && state.total > 0 && (
        <>
          <p className="lw-dim">{t("compare.state", { total: state.total, tuning: state.tuning, gate: state.gate, looks: state.looks, gateLooks: state.looks_at_gate })}</p>
          {drafts.map((draft, i) => (
            <div key={i} role="group" aria-label={t("compare.plan", { n: i + 1 })} style={{ marginBottom: 16 }}>
              <div className="lw-row"><b className="lw-grow">{t("compare.plan", { n: i + 1 })}</b>{drafts.length > 2 && <Button size="compact-xs" variant="subtle" aria-label={t("compare.removePlan", { n: i + 1 })} onClick={() => { setPlans(drafts.filter((_, k) => k !== i)); }}>✕</Button>}</div>
              <PlanForm value={draft} onChange={(next) => { set(i, next); }} project={project} questions={newest} />
            </div>
          ))}
          <div className="lw-row" style={{ alignItems: "flex-end" }}>
            {drafts.length < 4 && <Button variant="default" onClick={() => { setPlans([...drafts, { ...(drafts.at(-1) ?? first) }]); }}>{t("compare.addPlan")}</Button>}
            <Select label={t("compare.part")} allowDeselect={false} value={part} onChange={(v) => { setPart((v ?? "all") as Part); }} w={250} data={[{ value: "tuning", label: t("compare.tuning") }, { value: "gate", label: t("compare.gate") }, { value: "all", label: t("compare.all") }]} />
            <NumberInput label={t("compare.n")} min={1} max={5000} value={n ?? ""} onChange={(v) => { setN(v === "" ? null : Number(v)); }} w={160} />
            <NumberInput label={t("compare.cap")} min={0.01} decimalScale={2} value={cap ?? ""} onChange={(v) => { setCap(v === "" ? null : Number(v)); }} w={180} />
            <Button loading={start.isPending} disabled={wanted.some((p) => p === null)} onClick={() => { start.mutate(); }}>{t("compare.start")}</Button>
          </div>
          {start.isError && <Trouble error={start.error} />}
        </>
      )}
      {(earlier.data ?? []).length > 0 && (
        <Select label={t("compare.earlier")} mt="sm" maw={760} value={shown === null ? null : String(shown)} onChange={(v) => { show(v === null ? null : Number(v)); }}
          data={(earlier.data ?? []).map((c) => ({ value: String(c.id), label: `${dates.format(new Date(c.created_at))}: ${c.titles.join(" / ")} (${String(c.total)})` }))} />
      )}
      {shown !== null && <Shown key={shown} project={project} id={shown} questions={questions} />}
    </section>
  );
}

function Shown({ project, id, questions }: { project: number; id: number; questions: readonly Question[] }) {
  const path = { project_id: project, comparison_id: id };
  const queries = useQueryClient();
  const [limit, setLimit] = useState(25);
  const [question, setQuestion] = useState<string>("");
  const view = useQuery({
    queryKey: ["comparison", project, id, limit, question],
    placeholderData: (before) => before,
    queryFn: () => must(api.GET("/api/projects/{project_id}/comparisons/{comparison_id}", { params: { path, query: { limit, question: question === "" ? null : question } } })) as Promise<Comparison>,
    refetchInterval: (query) => (query.state.data?.state === "done" ? false : 900),
  });
  const stop = useMutation({
    mutationFn: () => must(api.POST("/api/projects/{project_id}/comparisons/{comparison_id}/cancel", { params: { path } })),
    onSettled: () => void queries.invalidateQueries({ queryKey: ["comparison", project, id] }),
  });
  if (view.isError) return <Trouble error={view.error} retry={() => void view.refetch()} />;
  if (view.data === undefined) return <Waiting />;
  const found = view.data;
  const named = (key: string): string => questions.find((q) => q.id === key)?.name ?? key;
  const asked = [...new Set(found.plans.flatMap((p) => Object.keys(p.figures ?? {})))];
  const done = found.plans.reduce((sum, p) => sum + p.done + p.failed, 0);
  const total = found.plans.reduce((sum, p) => sum + p.total, 0);
  return (
    <>
      {found.state === "running" && (
        <div className="lw-row" role="status" style={{ marginTop: 12 }}>
          <Progress className="lw-grow" value={(100 * done) / Math.max(1, total)} aria-label={t("compare.title")} />
          <span className="lw-number">{t("compare.asking", { done, total })}</span>
          <Button size="xs" variant="default" loading={stop.isPending} onClick={() => { stop.mutate(); }}>{t("compare.stop")}</Button>
        </div>
      )}
      <div style={{ overflowX: "auto", marginTop: 12 }} tabIndex={0} role="region" aria-label={t("compare.planHead")}>
        <table className="lw-table">
          <thead><tr><th>{t("compare.planHead")}</th>{asked.map((key) => <th key={key}>{named(key)}</th>)}<th>{t("compare.answered")}</th><th>{t("compare.cost")}</th><th>{t("compare.latency")}</th></tr></thead>
          <tbody>
            {found.plans.map((plan) => (
              <tr key={plan.run_id}>
                <td><b>{plan.title}</b>{plan.stop_reason !== "" && plan.stop_reason !== undefined && <div className="lw-warn">{plan.stop_reason}</div>}</td>
                {asked.map((key) => { const figure = plan.figures?.[key]; return <td key={key} className="lw-number">{figure === undefined ? "–" : <><Range low={figure.interval.low} high={figure.interval.high} value={figure.value} /><br />{percent(figure.value)} <span className="lw-dim">{t(`compare.${figure.measure}`)} ({t("compare.interval", { low: percent(figure.interval.low), high: percent(figure.interval.high) })})</span></>}</td>; })}
                <td className="lw-number">{plan.done} / {plan.total}{plan.failed > 0 && <span className="lw-warn"> {t("compare.failed", { n: plan.failed })}</span>}</td>
                <td className="lw-number">{plan.cost_usd === null ? t("compare.unknown") : `$${Number(plan.cost_usd).toFixed(4)}`}</td>
                <td className="lw-number">{typeof plan.latency_p50_s === "number" ? `${plan.latency_p50_s.toFixed(2)} s` : "–"}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p className="lw-dim">{found.note}</p>
      {(found.pairs ?? []).length > 0 && <h2>{t("compare.best")}</h2>}
      <ul style={{ listStyle: "none", padding: 0, margin: 0 }}>
        {(found.pairs ?? []).map((pair) => (
          <li key={`${pair.question} ${String(pair.first)} ${String(pair.second)}`} style={{ marginBottom: 6 }}>
            <Badge variant="outline" radius="sm" tt="none" mr={8} color={pair.verdict.outcome === "better" ? "green" : pair.verdict.outcome === "worse" ? "red" : "gray"} styles={{ label: { color: "var(--lw-ink)" } }}>{pair.verdict.outcome === "better" ? "▲" : pair.verdict.outcome === "worse" ? "▼" : "="} {t(`compare.${pair.verdict.outcome}`)} {points(pair.paired.difference)}</Badge>
            {pair.sentence}
          </li>
        ))}
      </ul>
      {found.state === "done" && found.compared > 0 && (
        <>
          <div className="lw-row" style={{ marginTop: 12 }}>
            <h2 className="lw-grow">{(found.disagreements_total ?? 0) === 0 ? t("compare.none") : t("compare.disagreements", { n: found.disagreements_total ?? 0 })}</h2>
            {asked.length > 1 && <Select aria-label={t("compare.onlyQuestion")} value={question} allowDeselect={false} onChange={(v) => { setQuestion(v ?? ""); }} data={[{ value: "", label: t("compare.anyQuestion") }, ...asked.map((key) => ({ value: key, label: named(key) }))]} />}
          </div>
          {(found.disagreements ?? []).length > 0 && (
            <div className="lw-scroll" style={{ maxHeight: 520, overflow: "auto" }} tabIndex={0} role="region" aria-label={t("compare.disagreements", { n: found.disagreements_total ?? 0 })}>
              <table className="lw-table">
                <thead><tr><th>{t("compare.text")}</th><th>{t("compare.truth")}</th>{found.plans.map((plan) => <th key={plan.run_id}>{plan.title}</th>)}</tr></thead>
                <tbody>
                  {(found.disagreements ?? []).map((row) => (
                    <tr key={`${String(row.asset_id)} ${row.question}`}>
                      <td style={{ maxWidth: 420 }} dir="auto"><Link href={`/projects/${String(project)}/label?asset=${String(row.asset_id)}`} aria-label={t("compare.open", { n: row.asset_id })}>{row.external_id ?? String(row.asset_id)}</Link> {row.text.slice(0, 240)}</td>
                      <td><One answer={row.truth} question={row.question} questions={questions} by="person" text={row.text} /></td>
                      {row.said.map((answer, i) => (
                        <td key={i}><span className={row.scores[i] === 1 ? "lw-dim" : "lw-warn"}>{row.scores[i] === 1 ? `✓ ${t("compare.right")}` : row.scores[i] === 0 ? `✗ ${t("compare.wrong")}` : `✗ ${percent(row.scores[i] ?? 0)}`}</span> <One answer={answer} question={row.question} questions={questions} by="model" text={row.text} /></td>
                      ))}
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )}
          {(found.disagreements ?? []).length < (found.disagreements_total ?? 0) && limit < 1000 && <Button mt="xs" size="xs" variant="default" onClick={() => { setLimit(limit * 4); }}>{t("compare.more")}</Button>}
        </>
      )}
    </>
  );
}

function One({ answer, question, questions, by, text }: { answer: unknown; question: string; questions: readonly Question[]; by: "person" | "model"; text: string }) {
  return <AnswerChips answers={(answer === null || answer === undefined ? null : { [question]: answer }) as never} questions={questions} by={by} text={text} />;
}

/** An interval as a line on the way from 0 to 100 %, with the figure as a dot. */
function Range({ low, high, value }: { low: number; high: number; value: number }) {
  return (
    <svg width="164" height="12" viewBox="0 0 164 12" aria-hidden style={{ verticalAlign: "middle" }}>
      <line x1="2" x2="162" y1="6" y2="6" stroke="var(--lw-line3)" strokeWidth="1" />
      <line x1={2 + 160 * low} x2={2 + 160 * high} y1="6" y2="6" stroke="var(--lw-accent)" strokeWidth="6" />
      <circle cx={2 + 160 * value} cy="6" r="2.5" fill="var(--lw-panel)" stroke="var(--lw-ink)" />
    </svg>
  );
}
