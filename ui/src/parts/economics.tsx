/** What labels cost and what suggestions are worth; every figure with its n, an unknown one called unknown. */
import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";

import { api, must, type Noun } from "../api/client";
import { t } from "../strings";
import { Trouble, Waiting } from "./state";

type Figures = Noun<"Figures">;
type Line = Noun<"Line">;
type Bootstrapped = Noun<"Bootstrapped">;
/** Active minutes below which a pace says nothing. */
const ENOUGH_MIN = 5;

export function EconomicsBlock({ project, run, version }: { project: number; run?: number; version?: number | undefined }) {
  const found = useQuery({
    queryKey: ["economics", project, run ?? 0, version ?? 0],
    queryFn: () => must(api.GET("/api/projects/{project_id}/economics", { params: { path: { project_id: project }, query: run === undefined ? {} : { run } } })),
    placeholderData: (before) => before,
  });
  if (found.isPending) return <Waiting />;
  if (found.isError) return <Trouble error={found.error} retry={() => void found.refetch()} />;
  const { data } = found;
  const f = run === undefined ? data.total : { ...data.total, cost_usd: data.runs[0]?.figures.cost_usd ?? null };
  return (
    <section className={run === undefined ? "lw-card lw-economics" : "lw-economics"} aria-label={t("economics.title")}>
      <div className="lw-row">
        <h2 className="lw-grow">{t("economics.title")}</h2>
        {run === undefined && <Button component="a" href={`/api/projects/${String(project)}/economics.csv`} download size="xs" variant="default">{t("economics.csv")}</Button>}
      </div>
      {f.submissions === 0 ? <p className="lw-dim">{t("economics.none")}</p> : (
        <>
          <div className="lw-figures">
            <div><b>{rate(f)}</b><span className="lw-dim">{(f.active_min ?? 0) < ENOUGH_MIN ? t("economics.perHourLater", { min: ENOUGH_MIN }) : t("economics.perHour")}</span></div>
            <Figure value={(f.timed ?? 0) > 0 ? f.active_min : null} name={t("economics.minutes", { n: f.timed ?? 0 })} digits={1} />
            {data.runs.length === 0 ? <div><b>–</b><span className="lw-dim">{t("economics.noCost")}</span></div> : (
              <>
                <ModelCost whole={f.cost_usd} runs={data.runs} />
                <Usd value={f.usd_per_accepted} name={t("economics.perAccepted")} />
                <Usd value={f.usd_per_correct} name={t("economics.perCorrect")} />
              </>
            )}
            {f.usd_per_final !== null && <Usd value={f.usd_per_final} name={t("economics.perFinal")} />}
          </div>
          <p className="lw-dim">
            {t("economics.kept", { accepted: f.accepted ?? 0, corrected: f.corrected ?? 0, rejected: f.rejected ?? 0, added: f.added ?? 0 })}
            {(f.idle_min ?? 0) > 0 ? ` · ${(f.idle_min ?? 0).toFixed(1)} min ${t("economics.idle")}` : ""}
          </p>
          <Lines title={t("economics.byLabel")} rows={data.labels} timed={false} />
          {run === undefined && <Lines title={t("economics.byRun")} rows={data.runs} timed />}
          {run === undefined && <Lines title={t("economics.byModel")} rows={data.predictors} timed />}
          {data.people !== null && <Lines title={t("economics.byPerson")} rows={data.people} timed />}
        </>
      )}
    </section>
  );
}

function Figure({ value, name, digits }: { value: number | null | undefined; name: string; digits: number }) {
  return <div><b>{typeof value === "number" ? value.toFixed(digits) : "–"}</b><span className="lw-dim">{name}</span></div>;
}

/** What the runs cost; where some have no price, what those with one cost, and said so. */
function ModelCost({ whole, runs }: { whole: number | null | undefined; runs: readonly Line[] }) {
  const priced = runs.map((run) => run.figures.cost_usd).filter((usd) => typeof usd === "number");
  if (typeof whole === "number" || priced.length === 0) return <Usd value={whole} name={t("economics.modelCost")} />;
  return <Usd value={priced.reduce((sum, usd) => sum + usd, 0)} name={t("economics.modelCostSome", { n: priced.length, all: runs.length })} />;
}

/** Two figures are all that a pace is good for, and a pace of a few minutes is none. */
function rate(f: Figures): string {
  const { labels_per_active_hour: value, active_min: minutes = 0 } = f;
  return typeof value !== "number" || minutes < ENOUGH_MIN ? "–" : new Intl.NumberFormat("en", { maximumSignificantDigits: 2 }).format(value);
}

function Usd({ value, name }: { value: number | null | undefined; name: string }) {
  return <div><b>{usd(value)}</b><span className="lw-dim">{name}</span></div>;
}

function usd(value: number | null | undefined): string {
  return typeof value !== "number" ? t("economics.unknown") : value === 0 ? "$0" : value < 0.01 ? `$${value.toPrecision(2)}` : `$${value.toFixed(2)}`;
}

function Lines({ title, rows, timed }: { title: string; rows: readonly Line[]; timed: boolean }) {
  if (rows.length === 0) return null;
  const number = (n: number | undefined): string => (n ?? 0).toLocaleString("en");
  return (
    <details>
      <summary>{title} ({rows.length})</summary>
      <div className="lw-scroll" tabIndex={0} role="region" aria-label={title}>
        <table className="lw-table lw-number">
          <thead>
            <tr>
              <th>{t("economics.name")}</th><th>{t("economics.accepted")}</th><th>{t("economics.corrected")}</th><th>{t("economics.rejected")}</th><th>{t("economics.added")}</th><th>{t("economics.correct")}</th>
              {timed && <><th>{t("economics.active")}</th><th>{t("economics.perHour")}</th><th>{t("economics.perCorrect")}</th></>}
            </tr>
          </thead>
          <tbody>
            {rows.map(({ key, name, figures: f }: { key: string; name: string; figures: Figures }) => (
              <tr key={key}>
                <td>{name}</td><td>{number(f.accepted)}</td><td>{number(f.corrected)}</td><td>{number(f.rejected)}</td><td>{number(f.added)}</td><td>{number(f.correct)} / {number(f.said)}</td>
                {timed && <><td>{(f.timed ?? 0) > 0 ? (f.active_min ?? 0).toFixed(1) : "–"}</td><td>{rate(f)}</td><td>{usd(f.usd_per_correct)}</td></>}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}

export function ArmsBlock({ project, on, version }: { project: number; on: boolean; version: number | undefined }) {
  const found = useQuery({
    queryKey: ["arms", project, version ?? 0],
    queryFn: () => must(api.GET("/api/projects/{project_id}/arms", { params: { path: { project_id: project } } })),
    placeholderData: (before) => before,
  });
  if (found.isPending) return null;
  if (found.isError) return <Trouble error={found.error} />;
  const { data } = found;
  const ran = (data.shown.n ?? 0) + (data.hidden.n ?? 0) + (data.left_out ?? 0) > 0;
  if (!on && !ran) return <p className="lw-dim">{t("economics.armsOff")}</p>;
  const cell = (value: number | null | undefined, n: number | undefined, percent: boolean): string => (typeof value === "number" ? `${percent ? `${(100 * value).toFixed(1)} %` : value.toFixed(1)} (${String(n ?? 0)})` : "–");
  return (
    <section className="lw-card" aria-label={t("economics.arms")}>
      <h2>{t("economics.arms")}</h2>
      <p role="status">{data.message}</p>
      <table className="lw-table lw-number">
        <thead><tr><th scope="col"><span className="lw-hidden">{t("economics.name")}</span></th><th>{t("economics.shown")}</th><th>{t("economics.hidden")}</th><th>{t("economics.difference")}</th></tr></thead>
        <tbody>
          <tr><th scope="row">{t("economics.seconds")}</th><td>{cell(data.shown.active_s, data.shown.timed, false)}</td><td>{cell(data.hidden.active_s, data.hidden.timed, false)}</td><td>{data.speed_up ? `${interval(data.speed_up, 1, 2)} ${t("economics.speedUp")}` : "–"}</td></tr>
          <tr><th scope="row">{t("economics.gold")}</th><td>{cell(data.shown.right, data.shown.on_gold, true)}</td><td>{cell(data.hidden.right, data.hidden.on_gold, true)}</td><td>{data.right ? interval(data.right, 100, 1) : "–"}</td></tr>
          <tr><th scope="row">{t("economics.model")}</th><td>{cell(data.shown.agrees, data.shown.judged, true)}</td><td>{cell(data.hidden.agrees, data.hidden.judged, true)}</td><td>{data.agrees ? interval(data.agrees, 100, 1) : "–"}</td></tr>
        </tbody>
      </table>
      {(data.labels ?? []).length > 0 && (
        <details>
          <summary>{t("economics.shift")}</summary>
          <p className="lw-dim">{t("economics.shiftNote")}</p>
          <table className="lw-table lw-number">
            <tbody>
              {(data.labels ?? []).map((each) => <tr key={each.key}><th scope="row">{each.key}</th><td>{(100 * each.shown).toFixed(1)} %</td><td>{(100 * each.hidden).toFixed(1)} %</td><td>{interval(each.shift, 100, 1)}</td></tr>)}
            </tbody>
          </table>
        </details>
      )}
    </section>
  );
}

function interval(e: Bootstrapped, times: number, digits: number): string {
  return t("economics.interval", { value: (e.value * times).toFixed(digits), low: (e.low * times).toFixed(digits), high: (e.high * times).toFixed(digits) });
}
