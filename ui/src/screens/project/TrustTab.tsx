/** How far a model can be trusted: its confidence, answers accepted unseen, and what holds for the whole project. */
import { Alert, Button, Modal, NumberInput, Select, Slider } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";

import { api, must, type Noun } from "../../api/client";
import { JobProgress } from "../../parts/job";
import { Empty, Trouble, Waiting } from "../../parts/state";
import { t } from "../../strings";
import { Reliability } from "./reliability";
import type { TabProps } from "./ProjectScreen";

type View = Noun<"TrustView">;
type Step = Noun<"Step">;
const ONE = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 1 });
const percent = (x: number): string => ONE.format(x);

/** Reviews from which on a confidence is calibrated. */
const CALIBRATED_FROM = 30;

export default function TrustTab({ project, view }: TabProps) {
  const [predictor, setPredictor] = useState<string | null>(null);
  const [question, setQuestion] = useState<string | null>(null);
  const [accuracy, setAccuracy] = useState(95);
  const [certainty, setCertainty] = useState(95);
  const wanted = { accuracy: accuracy / 100, certainty: certainty / 100, ...(predictor === null ? {} : { predictor }), ...(question === null ? {} : { question }) };
  const found = useQuery({
    queryKey: ["trust", project, wanted, view.counts],
    queryFn: () => must(api.GET("/api/projects/{project_id}/trust", { params: { path: { project_id: project }, query: wanted } })) as Promise<View>,
    placeholderData: (before) => before,
  });
  if (found.isPending) return <Waiting />;
  if (found.isError) return <Trouble error={found.error} retry={() => void found.refetch()} />;
  const data = found.data;
  if (data.predictors.length === 0) return <Empty title={t("trust.none")}>{t("trust.noneHint")}</Empty>;
  const questions = view.ontology.questions.filter((q) => q.retired !== true);
  const manages = view.role === "manager";
  return (
    <>
      <div className="lw-row" style={{ alignItems: "flex-end", marginBottom: 8 }}>
        <Select label={t("trust.predictor")} w={280} allowDeselect={false} value={data.predictor ?? null} onChange={setPredictor} data={data.predictors.map((p) => ({ value: p.key, label: `${p.title} · ${p.answers.toLocaleString("en")}` }))} />
        {questions.length > 1 && <Select label={t("trust.about")} w={220} allowDeselect={false} value={question ?? ""} onChange={(v) => { setQuestion(v === "" ? null : v); }} data={[{ value: "", label: t("trust.whole") }, ...questions.map((q) => ({ value: q.id ?? "", label: q.name }))]} />}
      </div>
      <p className="lw-dim">{t("trust.basis", { answers: data.outlook?.answers ?? 0, reviewed: data.reviewed ?? 0, random: data.random ?? 0 })}</p>
      <p role="status"><b>{t("trust.next")}</b> {advice(data)} {(data.waiting_audits ?? 0) > 0 && view.role !== "viewer" && <Link href={`/projects/${String(project)}/label`}>{t("trust.answerNow")}</Link>}</p>
      <div className="lw-two">
        <Confidence data={data} />
        <Everything data={data} view={view} project={project} manages={manages} />
      </div>
      {question === null && <Accepting key={data.predictor} data={data} project={project} manages={manages} accuracy={accuracy} certainty={certainty} setAccuracy={setAccuracy} setCertainty={setCertainty} />}
      <Accepted data={data} project={project} manages={manages} />
    </>
  );
}

/** What brings the most now, in one sentence. */
function advice(data: View): string {
  const waits = data.waiting_audits ?? 0;
  const n = data.report?.n ?? 0;
  if (waits > 0) return t("trust.nextAnswer", { n: waits });
  if (typeof data.chosen === "number") return t("trust.nextAccept");
  if (n < CALIBRATED_FROM) return t("trust.nextReview", { n: CALIBRATED_FROM - n });
  return t("trust.nextDraw");
}

function Confidence({ data }: { data: View }) {
  const report = data.report;
  return (
    <section className="lw-card">
      <h2>{t("trust.confidence")}</h2>
      {!report?.before || !report.after ? <p>{t("trust.uncalibrated", { n: report?.n ?? 0 })}</p> : (
        <>
          <div className="lw-figures">
            <div><b>{t("trust.eceChange", { before: report.before.ece.toFixed(3), after: report.after.ece.toFixed(3) })}</b><span className="lw-dim">{t("trust.ece")}</span></div>
            <div><b>{typeof report.auroc === "number" ? report.auroc.toFixed(2) : "–"}</b><span className="lw-dim">{t("trust.auroc")}</span></div>
            <div><b>{t("trust.eceChange", { before: report.before.brier.toFixed(3), after: report.after.brier.toFixed(3) })}</b><span className="lw-dim">{t("trust.brier")}</span></div>
          </div>
          <Reliability before={report.curve_before ?? []} after={report.curve_after ?? []} />
          <p className="lw-dim">{t("trust.fitted", { method: t(`trust.method.${report.calibration.method ?? "none"}`), n: report.n, worth: Math.round(report.worth) })}</p>
        </>
      )}
    </section>
  );
}

function Everything({ data, view, project, manages }: { data: View; view: TabProps["view"]; project: number; manages: boolean }) {
  const draw = useDraw(project);
  const outlook = data.outlook;
  if (!outlook) return null;
  const { accuracy } = outlook;
  const known = accuracy.n > 0 && accuracy.high - accuracy.low < 0.9;
  const names = new Map<string, string>(view.ontology.questions.flatMap((q) => ("labels" in q ? q.labels : [])).map((l) => [l.id ?? "", l.name]));
  return (
    <section className="lw-card">
      <h2>{t("trust.all")}</h2>
      {!known ? <p>{t("trust.noEstimate", { n: data.random ?? 0 })}</p> : (
        <>
          <div className="lw-figures"><div><b>{percent(accuracy.value)}</b><span className="lw-dim">{t("trust.estimate", { n: outlook.answers })} · {t("trust.range", { low: percent(accuracy.low), high: percent(accuracy.high) })}</span></div></div>
          <Range low={accuracy.low} high={accuracy.high} value={accuracy.value} />
        </>
      )}
      <p>{data.verdict}</p>
      {outlook.unreachable > 0 && <p className="lw-dim">{t("trust.unreachable", { n: outlook.unreachable })}</p>}
      {manages && outlook.more > 0 && <Button size="xs" variant="default" loading={draw.isPending} onClick={() => { draw.mutate({ predictor: data.predictor ?? "", n: Math.min(outlook.more, 100), above: null }); }}>{t("trust.drawAll")}</Button>}
      {draw.isError && <Trouble error={draw.error} />}
      {(data.shares ?? []).length > 0 && (
        <>
          <h2 style={{ marginTop: 16 }}>{t("trust.shares")}</h2>
          <table className="lw-table lw-number">
            <thead><tr><th>{t("trust.label")}</th><th>{t("trust.said")}</th><th>{t("trust.estimated")}</th><th>{t("trust.interval")}</th></tr></thead>
            <tbody>{(data.shares ?? []).map((s) => <tr key={s.label}><td>{names.get(s.label) ?? s.label}</td><td>{percent(s.said)}</td><td>{s.share.n === 0 ? "–" : percent(s.share.value)}</td><td>{t("trust.range", { low: percent(s.share.low), high: percent(s.share.high) })}</td></tr>)}</tbody>
          </table>
        </>
      )}
    </section>
  );
}

/** An interval on the unit line. */
function Range({ low, high, value }: { low: number; high: number; value: number }) {
  return (
    <svg viewBox="0 0 300 14" style={{ width: "100%", maxWidth: 420 }} aria-hidden>
      <rect x={0} y={5} width={300} height={4} fill="var(--lw-line)" />
      <rect x={300 * low} y={3} width={Math.max(2, 300 * (high - low))} height={8} rx={2} fill="var(--lw-accent)" opacity={0.5} />
      <rect x={300 * value - 1.5} y={0} width={3} height={14} fill="var(--lw-ink)" />
    </svg>
  );
}

function useDraw(project: number) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (body: { predictor: string; n: number; above: number | null }) => must(api.POST("/api/projects/{project_id}/trust/audits", { params: { path: { project_id: project } }, body })),
    onSuccess: () => void queries.invalidateQueries({ queryKey: ["trust", project] }),
  });
}

interface AcceptingProps {
  readonly data: View;
  readonly project: number;
  readonly manages: boolean;
  readonly accuracy: number;
  readonly certainty: number;
  readonly setAccuracy: (value: number) => void;
  readonly setCertainty: (value: number) => void;
}

function Accepting({ data, project, manages, accuracy, certainty, setAccuracy, setCertainty }: AcceptingProps) {
  const steps = data.steps ?? [];
  const [picked, setPicked] = useState<number | null>(null);
  const [n, setN] = useState<number | null>(null);
  const [asking, setAsking] = useState(false);
  const queries = useQueryClient();
  const path = { project_id: project };
  const draw = useDraw(project);
  const drop = useMutation({ mutationFn: () => must(api.DELETE("/api/projects/{project_id}/trust/audits", { params: { path } })), onSuccess: () => void queries.invalidateQueries({ queryKey: ["trust", project] }) });
  const at = Math.min(picked ?? data.chosen ?? Math.floor(steps.length / 2), steps.length - 1);
  const step = steps[at];
  const accept = useMutation({
    mutationFn: (unproven: boolean) => must(api.POST("/api/projects/{project_id}/trust/acceptances", { params: { path }, body: { predictor: data.predictor ?? "", above: step?.above ?? 1, promise: { accuracy: accuracy / 100, certainty: certainty / 100 }, unproven } })),
    onSettled: () => { setAsking(false); void queries.invalidateQueries({ queryKey: ["jobs", project] }); void queries.invalidateQueries({ queryKey: ["trust", project] }); },
  });
  if (step === undefined) return null;
  // Neighbours that look alike need one digit more.
  const digits = new Set(steps.map((s) => s.confidence.toFixed(2))).size === steps.length ? 2 : 3;
  const suggested = step.more ?? Math.max(0, (data.fewest_audits ?? 0) - step.audits);
  const waits = data.waiting_audits ?? 0;
  return (
    <section className="lw-card" style={{ marginTop: 16 }}>
      <h2>{t("trust.accept")}</h2>
      <p className="lw-dim">{t("trust.acceptHint")}</p>
      <div className="lw-row" style={{ alignItems: "flex-end" }}>
        <NumberInput label={t("trust.accuracy")} w={220} min={50} max={99.9} step={1} value={accuracy} onChange={(v) => { if (Number(v) >= 50 && Number(v) <= 99.9) setAccuracy(Number(v)); }} />
        <NumberInput label={t("trust.certainty")} w={220} min={50} max={99.9} step={1} value={certainty} onChange={(v) => { if (Number(v) >= 50 && Number(v) <= 99.9) setCertainty(Number(v)); }} />
      </div>
      <div style={{ padding: "24px 24px 32px" }}>
        <Slider thumbLabel={t("trust.threshold")} min={0} max={steps.length - 1} step={1} value={at} onChange={setPicked} label={null} thumbProps={{ "aria-valuetext": said(step) }} marks={steps.map((s, i) => ({ value: i, label: `${s.confidence.toFixed(digits)}${i === data.chosen ? " ✓" : ""}` }))} />
      </div>
      <div role="status">
        <p className="lw-number"><b>{t("trust.from", { confidence: step.confidence.toFixed(3) })}</b> <span className="lw-dim">{t("trust.rawFrom", { raw: step.above.toFixed(3) })}</span> · {t("trust.waiting", { n: step.waiting })} · {t("trust.coverage", { share: percent(step.coverage) })}</p>
        <p className="lw-number">{step.audits === 0 ? t("trust.noAudits") : `${t("trust.audits", { right: step.audits - step.wrong, n: step.audits })}, ${t("trust.between", { low: percent(step.interval.low), high: percent(step.interval.high) })}`}</p>
        <p>{step.proven ? <b>{t("trust.shown", { accuracy: percent(accuracy / 100), certainty: percent(certainty / 100) })}</b> : typeof step.more === "number" ? t(step.audits === 0 ? "trust.notTried" : "trust.notShown", { n: step.more }) : t("trust.outOfSight")}</p>
      </div>
      <p className="lw-dim">{typeof data.chosen === "number" ? t("trust.loosest") : t("trust.noneProven")}</p>
      {manages && (
        <div className="lw-row" style={{ alignItems: "flex-end" }}>
          <NumberInput label={t("trust.howMany")} w={110} min={1} max={10_000} value={n ?? Math.max(1, Math.min(suggested, step.waiting))} onChange={(v) => { setN(v === "" ? null : Number(v)); }} />
          <Button variant="default" loading={draw.isPending} disabled={step.waiting === 0} onClick={() => { draw.mutate({ predictor: data.predictor ?? "", n: n ?? Math.max(1, Math.min(suggested, step.waiting)), above: step.above }); setN(null); }}>{t("trust.draw")}</Button>
          <Button disabled={!step.proven || step.waiting === 0} loading={accept.isPending} onClick={() => { accept.mutate(false); }}>{t("trust.doAccept", { n: step.waiting })}</Button>
          {!step.proven && <Button variant="subtle" disabled={step.waiting === 0} onClick={() => { setAsking(true); }}>{t("trust.unproven")}</Button>}
        </div>
      )}
      {waits > 0 && (
        <p className="lw-row" role="status">
          {t("trust.drawn", { n: waits })} <Link href={`/projects/${String(project)}/label`}>{t("trust.answerNow")}</Link>
          {manages && <Button size="compact-xs" variant="default" loading={drop.isPending} onClick={() => { drop.mutate(); }}>{t("trust.drop")}</Button>}
        </p>
      )}
      {draw.isError && <Trouble error={draw.error} />}
      {accept.isError && <Trouble error={accept.error} />}
      <details>
        <summary>{t("trust.table")}</summary>
        <table className="lw-table lw-number">
          <thead><tr><th>{t("trust.bin")}</th><th>{t("trust.coverage", { share: "%" })}</th><th>{t("trust.howMany")}</th><th>{t("trust.interval")}</th><th /></tr></thead>
          <tbody>{steps.map((s, i) => <tr key={s.above}><td>{s.confidence.toFixed(3)}</td><td>{percent(s.coverage)}</td><td>{s.audits - s.wrong} / {s.audits}</td><td>{s.audits === 0 ? "–" : `${percent(s.interval.low)} – ${percent(s.interval.high)}`}</td><td>{s.proven ? "✓" : ""}{i === data.chosen ? "✓" : ""}</td></tr>)}</tbody>
        </table>
      </details>
      <Modal opened={asking} onClose={() => { setAsking(false); }} title={t("trust.doUnproven")}>
        <p>{t("trust.unprovenSure", { accuracy: percent(accuracy / 100), n: step.waiting })}</p>
        <Button color="red" loading={accept.isPending} onClick={() => { accept.mutate(true); }}>{t("trust.doUnproven")}</Button>
      </Modal>
    </section>
  );
}

const said = (step: Step): string => `${step.confidence.toFixed(2)}: ${t("trust.waiting", { n: step.waiting })}`;

function Accepted({ data, project, manages }: { data: View; project: number; manages: boolean }) {
  const queries = useQueryClient();
  const jobs = useQuery({
    queryKey: ["jobs", project, "accept"],
    queryFn: () => must(api.GET("/api/projects/{project_id}/jobs", { params: { path: { project_id: project }, query: { kind: "accept" } } })),
    refetchInterval: (query) => ((query.state.data ?? []).some((j) => j.state === "running" || j.state === "queued") ? 700 : false),
  });
  const revert = useMutation({
    mutationFn: (id: number) => must(api.POST("/api/projects/{project_id}/trust/acceptances/{acceptance_id}/revert", { params: { path: { project_id: project, acceptance_id: id } } })),
    onSettled: () => { void queries.invalidateQueries({ queryKey: ["jobs", project] }); void queries.invalidateQueries({ queryKey: ["trust", project] }); },
  });
  const live = (jobs.data ?? []).filter((j) => j.state === "running" || j.state === "queued");
  const made = data.acceptances ?? [];
  return (
    <section className="lw-card" style={{ marginTop: 16 }}>
      <h2>{t("trust.acceptances")}</h2>
      {live.map((job) => <JobProgress key={job.id} job={job} project={project} />)}
      {made.length === 0 && <p className="lw-dim">{t("trust.acceptancesNone")}</p>}
      {made.map((a) => {
        const runs = a.state === "active" || a.state === "broken";
        return (
          <div key={a.id} style={{ padding: "8px 0", opacity: runs ? 1 : 0.7 }}>
            {a.state === "broken" && <Alert color="red" variant="light" title={t("trust.state.broken")} role="alert" mb={4} />}
            <div className="lw-row">
              <span className="lw-grow lw-number">
                <b>{t("trust.standing", { n: runs ? a.standing : a.accepted, confidence: a.confidence.toFixed(3) })}</b> · {a.predictor_title} · {a.proven ? t("trust.evidence", { accuracy: percent(a.promise.accuracy ?? 0.95), right: a.audits - a.wrong, n: a.audits }) : t("trust.withoutProof")} · {a.state === "broken" ? "" : t(`trust.state.${a.state}`)}
                <br /><span className="lw-dim">{t("trust.by", { name: a.by, when: new Date(a.created_at).toLocaleString() })}{a.ended_because === "" ? "" : ` · ${a.ended_because}`}</span>
              </span>
              {manages && runs && <Button size="xs" variant="default" loading={revert.isPending} onClick={() => { revert.mutate(a.id); }}>{t("trust.revert")}</Button>}
            </div>
          </div>
        );
      })}
      {revert.isError && <Trouble error={revert.error} />}
    </section>
  );
}
