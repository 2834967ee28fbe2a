/** How well regions of a model, people and gold lie over one another; every figure opens the images behind it. */
import { Button, Checkbox, NativeSelect } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useRef, useState } from "react";
import { Link } from "wouter";

import { api, must, type Noun } from "../../api/client";
import type { Region } from "../../editor/types";
import { Pictured, type Colours } from "../../parts/overlay";
import { Empty, Trouble, Waiting } from "../../parts/state";
import { t } from "../../strings";
import type { TabProps } from "./ProjectScreen";

type Between = Noun<"OverlapView">["between"];
type Figures = Noun<"QuestionOverlap">;
type LabelFigures = Noun<"LabelOverlap">;
type Row = Noun<"Difference">;
type Kind = Row["predicted_kinds"][number];
/** Which images are listed. */
interface Chosen { readonly question: string; readonly kind: Kind | "different"; readonly label?: string; readonly said?: string }

const KINDS = ["matched", "wrong_label", "low_overlap", "extra", "missing"] as const;
const BETWEENS = ["model_people", "people", "model_gold", "people_gold"] as const;
const THRESHOLDS = ["0.3", "0.5", "0.75", "0.9"];

export default function OverlapTab({ project, view }: TabProps) {
  const [between, setBetween] = useState<Between>("model_people");
  const [threshold, setThreshold] = useState("0.5");
  const [chosen, setChosen] = useState<Chosen | null>(null);
  const query = { between, threshold: Number(threshold) };
  const found = useQuery({
    queryKey: ["overlap", project, query, view.counts],
    queryFn: () => must(api.GET("/api/projects/{project_id}/overlap", { params: { path: { project_id: project }, query } })),
    placeholderData: (before) => before,
  });
  if (found.isPending) return <Waiting />;
  if (found.isError) return <Trouble error={found.error} retry={() => void found.refetch()} />;
  const shown = found.data.questions.filter((each) => each.n > 0);
  const open = chosen ?? (shown[0] === undefined ? null : { question: shown[0].question, kind: "different" as const });
  return (
    <div aria-busy={found.isPlaceholderData}>
      <div className="lw-row" style={{ alignItems: "flex-end", marginBottom: 12 }}>
        <NativeSelect label={t("overlap.between")} w={240} value={between} onChange={(e) => { setBetween(e.currentTarget.value as Between); setChosen(null); }} data={BETWEENS.map((value) => ({ value, label: t(`overlap.betweens.${value}`) }))} />
        <NativeSelect label={t("overlap.threshold")} w={190} value={threshold} onChange={(e) => { setThreshold(e.currentTarget.value); }} data={THRESHOLDS} />
      </div>
      {between === "model_people" && shown.length > 0 && <p className="lw-dim">{t("overlap.note")}</p>}
      {shown.length === 0 && <Empty title={t("overlap.nothing")}>{t(`overlap.nothings.${between}`)}</Empty>}
      {shown.map((figures) => <Question key={figures.question} figures={figures} open={open} choose={setChosen} />)}
      {open !== null && (between.endsWith("gold") && view.role !== "manager"
        ? <p className="lw-dim">{t("overlap.noGold")}</p>
        : <Images project={project} view={view} query={query} chosen={open} figures={shown} back={chosen === null ? undefined : () => { setChosen(null); }} />)}
    </div>
  );
}

function Question({ figures, open, choose }: { figures: Figures; open: Chosen | null; choose: (chosen: Chosen) => void }) {
  const title = t("overlap.about", { name: figures.name, n: figures.n });
  const name = (label: string): string => figures.labels.find((each) => each.label === label)?.name ?? label;
  const isOpen = (kind: string, label: string | undefined): boolean => open?.question === figures.question && open.kind === kind && open.label === label && open.said === undefined;
  const rows = figures.labels.length > 1 ? [...figures.labels, figures.total] : figures.labels;
  return (
    <section className="lw-card" style={{ marginBottom: 12 }} aria-label={figures.name}>
      <h2>{title}</h2>
      <div className="lw-scroll" tabIndex={0} role="region" aria-label={title}>
        <table className="lw-table lw-number lw-overlap-table">
          <thead>
            <tr>
              <th scope="col">{t("overlap.label")}</th><th scope="col">{t("overlap.true")}</th><th scope="col">{t("overlap.said")}</th>
              {KINDS.map((kind) => <th key={kind} scope="col" title={t(`overlap.kindHints.${kind}`)}>{t(`overlap.kinds.${kind}`)}</th>)}
              <th scope="col">{t("overlap.precision")}</th><th scope="col">{t("overlap.recall")}</th><th scope="col">{t("overlap.f1")}</th><th scope="col">{t("overlap.meanIou")}</th>
              <th scope="col" title={t("overlap.apHint")}>{t("overlap.ap")}</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => {
              const label = row.label === "" ? undefined : (row.label ?? undefined);
              return (
                <tr key={row.label}>
                  <th scope="row">{label === undefined ? t("overlap.all") : row.name}</th><td>{row.true}</td><td>{row.predicted}</td>
                  {KINDS.map((kind) => (
                    <td key={kind}>
                      {(row[kind] ?? 0) === 0 ? "0" : (
                        <button type="button" className="lw-count" aria-pressed={isOpen(kind, label)} aria-label={`${t(`overlap.kinds.${kind}`)}, ${t("overlap.open", { n: row[kind] ?? 0 })}`} onClick={() => { choose({ question: figures.question, kind, ...(label === undefined ? {} : { label }) }); }}>
                          {(row[kind] ?? 0).toLocaleString("en")}
                        </button>
                      )}
                    </td>
                  ))}
                  {measures(row).map((value, i) => <td key={i}>{typeof value === "number" ? value.toFixed(3) : "–"}</td>)}
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
      <div className="lw-two" style={{ marginTop: 12 }}>
        <Histogram bins={figures.histogram} />
        <div>
          {figures.mixed.length > 0 && (
            <>
              <h3>{t("overlap.mixed")}</h3>
              <ul className="lw-plain-list">
                {figures.mixed.slice(0, 8).map(({ said, right, n }) => (
                  <li key={`${said} ${right}`}>
                    {t("overlap.mixedRow", { said: name(said), right: name(right) })}{" "}
                    <button type="button" className="lw-count" aria-label={t("overlap.open", { n })} onClick={() => { choose({ question: figures.question, kind: "wrong_label", label: right, said }); }}>{n.toLocaleString("en")}</button>
                  </li>
                ))}
              </ul>
            </>
          )}
          {figures.sides.length > 1 && (
            <table className="lw-table lw-number">
              <thead><tr><th scope="col">{t("overlap.sides")}</th><th scope="col">{t("overlap.images")}</th><th scope="col">{t("overlap.f1")}</th><th scope="col">{t("overlap.meanIou")}</th></tr></thead>
              <tbody>
                {figures.sides.map((side) => (
                  <tr key={`${side.predicted_by} ${side.true_by}`}><td>{t("overlap.sidesPair", { one: side.predicted_by, other: side.true_by })}</td><td>{side.n}</td><td>{side.f1.toFixed(3)}</td><td>{side.mean_iou?.toFixed(3) ?? "–"}</td></tr>
                ))}
              </tbody>
            </table>
          )}
        </div>
      </div>
    </section>
  );
}

const measures = (row: LabelFigures) => [row.precision, row.recall, row.f1, row.mean_iou, row.average_precision] as const;

function Histogram({ bins }: { bins: readonly number[] }) {
  const most = Math.max(1, ...bins);
  const edge = (i: number): string => (i / bins.length).toFixed(1);
  const named = (n: number, i: number): string => t("overlap.bin", { low: edge(i), high: edge(i + 1), n });
  return (
    <figure className="lw-histogram">
      <figcaption>{t("overlap.histogram")}</figcaption>
      <ol aria-label={t("overlap.histogram")}>
        {bins.map((n, i) => <li key={i} title={named(n, i)}><span className="lw-bar" style={{ height: `${String((100 * n) / most)}%` }} /><span className="lw-hidden">{named(n, i)}</span></li>)}
      </ol>
      <div className="lw-dim lw-row" aria-hidden="true"><span className="lw-grow">0</span><span>1</span></div>
    </figure>
  );
}

function Images({ project, view, query, chosen, figures, back }: {
  project: number;
  view: TabProps["view"];
  query: { between: Between; threshold: number };
  chosen: Chosen;
  figures: readonly Figures[];
  back: (() => void) | undefined;
}) {
  const [onlyDifferent, setOnlyDifferent] = useState(false);
  const heading = useRef<HTMLHeadingElement>(null);
  const pages = useInfiniteQuery({
    queryKey: ["overlap-images", project, query, chosen, view.counts],
    initialPageParam: null as string | null,
    queryFn: ({ pageParam }) => must(api.GET("/api/projects/{project_id}/overlap/assets", { params: { path: { project_id: project }, query: { ...query, ...chosen, ...(pageParam === null ? {} : { after: pageParam }) } } })) as Promise<Noun<"DifferencePage">>,
    getNextPageParam: (last) => last.next,
  });
  const { colours, edges } = useMemo(() => looks(view, chosen.question), [view, chosen.question]);
  // A figure was chosen: the keyboard goes on at what it opened.
  const isChosen = back !== undefined;
  useEffect(() => { if (isChosen && !pages.isPending) heading.current?.focus(); }, [chosen, isChosen, pages.isPending]);
  if (pages.isPending) return <Waiting />;
  if (pages.isError) return <Trouble error={pages.error} retry={() => void pages.refetch()} />;
  const rows = pages.data.pages.flatMap((page) => page.rows);
  const of = figures.find((each) => each.question === chosen.question);
  const name = (id: string): string => of?.labels.find((each) => each.label === id)?.name ?? id;
  const kind = chosen.said !== undefined ? t("overlap.mixedRow", { said: name(chosen.said), right: name(chosen.label ?? "") }) : t(`overlap.kinds.${chosen.kind}`);
  const what = chosen.label === undefined || chosen.said !== undefined ? kind : t("overlap.listOf", { kind, label: name(chosen.label) });
  return (
    <section aria-labelledby="overlap-images">
      <div className="lw-row">
        <h2 id="overlap-images" className="lw-grow" tabIndex={-1} ref={heading}>{t("overlap.list", { what, n: pages.data.pages[0]?.total ?? 0 })}</h2>
        {back !== undefined && <Button size="xs" variant="default" onClick={back}>{t("overlap.clear")}</Button>}
        <Checkbox label={t("overlap.onlyDifferent")} checked={onlyDifferent} onChange={(e) => { setOnlyDifferent(e.currentTarget.checked); }} />
      </div>
      {rows.length === 0 && <p className="lw-dim">{t("overlap.none")}</p>}
      <ul className="lw-overlap-grid">
        {rows.map((row, i) => <li key={`${String(row.asset_id)} ${String(i)}`}><Card project={project} row={row} colours={colours} edges={edges} onlyDifferent={onlyDifferent} /></li>)}
      </ul>
      {pages.hasNextPage && <Button variant="default" loading={pages.isFetchingNextPage} onClick={() => void pages.fetchNextPage()}>{t("overlap.more")}</Button>}
    </section>
  );
}

function Card({ project, row, colours, edges, onlyDifferent }: { project: number; row: Row; colours: Colours; edges: Edges; onlyDifferent: boolean }) {
  const name = row.external_id ?? t("overlap.noImage", { n: row.asset_id });
  const title = t("overlap.card", { name, f1: row.f1.toFixed(2) });
  const kept = (regions: readonly unknown[], kinds: readonly Kind[]): Region[] => (regions as Region[]).filter((_, i) => !onlyDifferent || kinds[i] !== "matched");
  const counts = KINDS.flatMap((kind) => {
    const n = (kind === "extra" ? row.predicted_kinds : row.true_kinds).filter((each) => each === kind).length;
    return n === 0 || kind === "matched" ? [] : [`${t(`overlap.kinds.${kind}`)} ${n.toLocaleString("en")}`];
  });
  return (
    <Link href={`/projects/${String(project)}/label?asset=${String(row.asset_id)}`} className="lw-overlap-card">
      {row.image !== null && (
        <Pictured
          src={`/api/projects/${String(project)}/assets/${String(row.asset_id)}/image/preview`} alt="" picture={row.image} colours={colours} edges={edges}
          layers={[{ regions: kept(row.true, row.true_kinds), dashed: false }, { regions: kept(row.predicted, row.predicted_kinds), dashed: true }]}
        />
      )}
      <b className="lw-cut">{title}</b>
      {counts.length > 0 && <span>{counts.join(" · ")}</span>}
      <span className="lw-dim lw-cut">{t("overlap.legend", { predicted: row.predicted_by, true: row.true_by })}</span>
    </Link>
  );
}

type Edges = Readonly<Record<string, readonly (readonly [number, number])[]>>;

/** How the labels of a question are drawn. */
function looks(view: TabProps["view"], question: string): { colours: Colours; edges: Edges } {
  const asked = view.ontology.questions.find((each) => each.id === question);
  const labels = asked !== undefined && "labels" in asked ? asked.labels : [];
  return {
    colours: Object.fromEntries(labels.map((label) => [label.id, label.colour ?? ""])),
    edges: Object.fromEntries(labels.map((label) => [label.id, (label.skeleton?.edges ?? []) as readonly (readonly [number, number])[]])),
  };
}
