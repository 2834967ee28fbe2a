/** All assets: filters, pages by key, only the visible rows in the page, preview beside it. */
import { Button, Checkbox, Drawer, NumberInput, Select, TextInput } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { Link, useLocation, useSearchParams } from "wouter";

import { api, must, type Noun } from "../../api/client";
import type { Question } from "../../editor/types";
import { match, typingIn } from "../../keys";
import { AnswerChips } from "../../parts/answers";
import { FlagBadge, FlagNotice, FlaggedText } from "../../parts/flags";
import { Confidence } from "../../parts/label";
import { Empty, Trouble, Waiting } from "../../parts/state";
import { t } from "../../strings";
import type { TabProps } from "./ProjectScreen";

const STATUSES = ["new", "predicted", "accepted", "in_progress", "labelled", "skipped"] as const;

/** A number in [0, 1] from the address; null for anything else. */
function part(value: string | null): number | null {
  const n = value === null || value === "" ? NaN : Number(value);
  return n >= 0 && n <= 1 ? n : null;
}

function totalOf(counts: Readonly<Record<string, number>>): number {
  return STATUSES.reduce((sum, status) => sum + (counts[status] ?? 0), 0);
}

const FLAGS = [
  { value: "any", label: t("flags.any") },
  { value: "instructions", label: t("flags.instructions") },
  { value: "role_marks", label: t("flags.role_marks") },
  { value: "invisible", label: t("flags.invisible") },
  { value: "mixed_scripts", label: t("flags.mixed_scripts") },
];

export default function DataTable({ project, view }: TabProps) {
  const questions = view.ontology.questions as unknown as Question[];
  // The filters are part of the address: back from the editor they are still there, and a link shows the same rows.
  const [address, setAddress] = useSearchParams();
  const [text, setText] = useState(address.get("text") ?? "");
  const searched = address.get("text") ?? "";
  const status = address.get("status");
  const label = address.get("label");
  const below = part(address.get("below"));
  const above = part(address.get("above"));
  const change = address.get("change");
  const flag = address.get("flag");
  const gold = address.get("gold") === "true";
  const order: "id" | "confidence" = address.get("order") === "confidence" ? "confidence" : "id";
  const filtered = searched !== "" || status !== null || label !== null || below !== null || above !== null || change !== null || flag !== null || gold;
  const set = useCallback((name: string, value: string | null): void => {
    setAddress((now) => {
      const next = new URLSearchParams(now);
      if (value === null || value === "") next.delete(name);
      else next.set(name, value);
      return next;
    }, { replace: true });
  }, [setAddress]);
  const [at, setAt] = useState(0);
  const [preview, setPreview] = useState<number | null>(null);
  const search = useRef<HTMLInputElement>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const [, navigate] = useLocation();

  useEffect(() => {
    if (text === searched) return;
    const timer = setTimeout(() => { set("text", text); }, 250);
    return () => { clearTimeout(timer); };
  }, [text, searched, set]);
  const clear = (): void => {
    setText("");
    setAddress(order === "confidence" ? { order } : {}, { replace: true });
  };

  const wanted = {
    order, limit: 100,
    ...(searched === "" ? {} : { text: searched }),
    ...(status === null ? {} : { status: status as never }),
    ...(label === null ? {} : { label }),
    ...(below === null ? {} : { confidence_below: below }),
    ...(above === null ? {} : { confidence_above: above }),
    ...(flag === null ? {} : { flag: flag as "any" }),
    ...(gold ? { gold: true } : {}),
    ...(change === null ? {} : { model_vs_human: change as "changed" | "kept" }),
  };
  const pages = useInfiniteQuery({
    queryKey: ["assets", project, wanted],
    initialPageParam: null as string | null,
    queryFn: ({ pageParam }) => must(api.GET("/api/projects/{project_id}/assets", { params: { path: { project_id: project }, query: { ...wanted, ...(pageParam === null ? {} : { after: pageParam }) } } })),
    getNextPageParam: (page) => page.next,
  });
  const rows = useMemo(() => (pages.data?.pages ?? []).flatMap((page) => page.rows) as Noun<"AssetRow">[], [pages.data]);
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => scroller.current, estimateSize: () => 38, overscan: 12 });
  const shown = virtual.getVirtualItems();
  const last = shown.at(-1)?.index ?? 0;
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = pages;
  useEffect(() => {
    if (hasNextPage && !isFetchingNextPage && last >= rows.length - 30) void fetchNextPage();
  }, [last, rows.length, hasNextPage, isFetchingNextPage, fetchNextPage]);

  const press = (event: React.KeyboardEvent): void => {
    const found = match(event.nativeEvent, ["table"]);
    if (found === undefined || typingIn(event.target)) return;
    event.preventDefault();
    const move = (by: number): void => {
      const next = Math.max(0, Math.min(rows.length - 1, at + by));
      setAt(next);
      virtual.scrollToIndex(next);
    };
    const row = rows[at];
    if (found.id === "table-search") search.current?.focus();
    else if (found.id === "table-down") move(1);
    else if (found.id === "table-up") move(-1);
    else if (found.id === "table-preview" && row !== undefined) setPreview(row.asset.id);
    else if (found.id === "table-open" && row !== undefined) navigate(`/projects/${String(project)}/label?asset=${String(row.asset.id)}`);
  };

  const labels = questions.flatMap((q) => ("labels" in q ? q.labels.filter((l) => !l.retired).map((l) => ({ value: l.id, label: l.name })) : []));
  return (
    <>
      <div className="lw-row" style={{ marginBottom: 12 }}>
        <TextInput ref={search} aria-label={t("table.search")} placeholder={`${t("table.search")} ( / )`} value={text} onChange={(e) => { setText(e.currentTarget.value); }} w={260} />
        <Select aria-label={t("table.status")} placeholder={t("table.anyStatus")} clearable data={STATUSES.map((value) => ({ value, label: t(`table.statuses.${value}`) }))} value={status} onChange={(v) => { set("status", v); }} w={140} />
        <Select aria-label={t("ontology.label")} placeholder={t("table.anyLabel")} clearable searchable data={[...new Map(labels.map((l) => [l.value, l])).values()]} value={label} onChange={(v) => { set("label", v); }} w={160} />
        <NumberInput aria-label={t("table.below")} placeholder={t("table.below")} min={0} max={1} step={0.1} decimalScale={2} value={below ?? ""} onChange={(v) => { set("below", String(v)); }} w={160} />
        <NumberInput aria-label={t("table.above")} placeholder={t("table.above")} min={0} max={1} step={0.1} decimalScale={2} value={above ?? ""} onChange={(v) => { set("above", String(v)); }} w={160} />
        <Select aria-label={t("table.anyChange")} placeholder={t("table.anyChange")} clearable data={[{ value: "changed", label: t("table.changed") }, { value: "kept", label: t("table.kept") }]} value={change} onChange={(v) => { set("change", v); }} w={180} />
        <Select aria-label={t("flags.filter")} placeholder={t("flags.filter")} clearable data={FLAGS} value={flag} onChange={(v) => { set("flag", v); }} w={180} />
        <Checkbox label={t("table.gold")} checked={gold} onChange={(e) => { set("gold", e.currentTarget.checked ? "true" : null); }} />
        <Button variant={order === "confidence" ? "filled" : "default"} aria-pressed={order === "confidence"} onClick={() => { set("order", order === "confidence" ? null : "confidence"); }}>{t("table.sort")}</Button>
        <span className="lw-dim lw-number" role="status">{filtered ? `${t("table.loaded", { n: rows.length })}${hasNextPage ? "+" : ""}` : t("table.loadedOf", { n: rows.length, total: totalOf(view.counts) })}</span>
        {filtered && <Button variant="subtle" onClick={clear}>{t("table.clear")}</Button>}
      </div>
      {pages.isPending ? <Waiting /> : pages.isError ? <Trouble error={pages.error} retry={() => void pages.refetch()} /> : rows.length === 0 ? <Empty title={t("table.none")} action={filtered ? <Button variant="default" onClick={clear}>{t("table.clear")}</Button> : <Button component={Link} href={`/projects/${String(project)}/import`}>{t("home.import")}</Button>}>{t(filtered ? "table.noneFiltered" : "table.noneHint")}</Empty> : (
        <div className="lw-scroll" ref={scroller} tabIndex={0} onKeyDown={press} role="region" aria-label={t("project.data")} style={{ height: "calc(100vh - 240px)", minHeight: 240 }}>
          <table className="lw-table" style={{ tableLayout: "fixed" }}>
            <colgroup><col style={{ width: 90 }} /><col /><col style={{ width: "32%" }} /><col style={{ width: 110 }} /><col style={{ width: 110 }} /></colgroup>
            <thead><tr><th>id</th><th>{t("table.text")}</th><th>{t("table.answers")}</th><th>{t("table.confidence")}</th><th>{t("table.status")}</th></tr></thead>
            <tbody>
              <tr style={{ height: shown[0]?.start ?? 0 }} aria-hidden><td colSpan={5} style={{ padding: 0, border: 0 }} /></tr>
              {shown.map((item) => {
                const row = rows[item.index];
                if (row === undefined) return null;
                return (
                  <tr key={row.asset.id} data-index={item.index} ref={virtual.measureElement} aria-selected={item.index === at} onClick={() => { setAt(item.index); setPreview(row.asset.id); }} style={{ cursor: "pointer" }}>
                    <td className="lw-cut" title={row.asset.external_id ?? ""}>{row.asset.external_id ?? row.asset.id}</td>
                    <td className="lw-cut" dir="auto"><FlagBadge kinds={row.asset.flags} /> {row.asset.text}</td>
                    <td><AnswerChips answers={row.answers as never} questions={questions} by={row.answers_by} text={row.asset.text ?? ""} /></td>
                    <td><Confidence value={row.asset.confidence ?? null} /></td>
                    <td className="lw-dim">{t(`table.statuses.${row.asset.status ?? "new"}`)}{row.gold ? ` · ${t("table.goldMark")}` : ""}</td>
                  </tr>
                );
              })}
              <tr style={{ height: virtual.getTotalSize() - (shown.at(-1)?.end ?? 0) }} aria-hidden><td colSpan={5} style={{ padding: 0, border: 0 }} /></tr>
            </tbody>
          </table>
        </div>
      )}
      <Drawer opened={preview !== null} onClose={() => { setPreview(null); }} position="right" size="lg" title={t("table.preview")}>
        {preview !== null && <Preview project={project} asset={preview} questions={questions} />}
      </Drawer>
    </>
  );
}

function Preview({ project, asset, questions }: { project: number; asset: number; questions: readonly Question[] }) {
  const found = useQuery({
    queryKey: ["asset", project, asset],
    queryFn: () => must(api.GET("/api/projects/{project_id}/assets/{asset_id}", { params: { path: { project_id: project, asset_id: asset } } })) as Promise<Noun<"AssetView">>,
  });
  const [reveal, setReveal] = useState(false);
  if (found.isPending) return <Waiting />;
  if (found.isError) return <Trouble error={found.error} />;
  const { data } = found;
  const text = data.asset.text ?? "";
  return (
    <>
      <p className="lw-pre" dir="auto" style={{ fontSize: 16, lineHeight: "26px" }}><FlaggedText text={text} flags={data.flags ?? []} reveal={reveal} /></p>
      <FlagNotice flags={data.flags ?? []} shown={reveal} show={setReveal} />
      {data.withheld === true && <p className="lw-dim">{t("flags.withheld")}</p>}
      <Button component={Link} href={`/projects/${String(project)}/label?asset=${String(asset)}`}>{t("table.open")}</Button>
      {data.prediction && (
        <>
          <h2>{t("table.prediction")}</h2>
          <p className="lw-dim">{data.prediction.predictor_title}</p>
          <AnswerChips answers={data.prediction.answers as never} questions={questions} by="model" text={text} />
          {Object.entries(data.prediction.confidence ?? {}).map(([q, c]) => <div key={q} className="lw-row"><span>{questions.find((x) => x.id === q)?.name ?? q}</span><Confidence value={c.value ?? null} /><span className="lw-dim">{c.scorer}</span></div>)}
          {(data.prediction.problems ?? []).map((p, i) => <p key={i} className="lw-warn">{p.where}: {p.message}</p>)}
        </>
      )}
      <h2>{t("table.annotations")}</h2>
      {data.annotations.length === 0 && <p className="lw-dim">{t("table.noAnswer")}</p>}
      {data.annotations.map((a) => (
        <div key={a.id} style={{ marginBottom: 8, opacity: a.taken_back === true ? 0.6 : 1 }}>
          <span className="lw-dim">{data.names[String(a.author_id)] ?? a.author_id} · {new Date(a.created_at).toLocaleString()}{a.taken_back === true ? ` · ${t("table.takenBack")}` : ""}</span>
          <div><AnswerChips answers={a.answers as never} questions={questions} by="person" text={text} /></div>
        </div>
      ))}
      <h2>{t("table.history")}</h2>
      <ul className="lw-problems">{data.events.map((e) => <li key={e.id}>{new Date(e.at).toLocaleString()} · {e.kind.replaceAll("_", " ")} {e.user_id !== null && e.user_id !== undefined ? `· ${data.names[String(e.user_id)] ?? ""}` : ""}</li>)}</ul>
    </>
  );
}
