/** All assets: filters, pages by key, as a table or as thumbnails, a preview beside it, and what can be done with many at once. */
import { Button, Drawer, SegmentedControl, Select } from "@mantine/core";
import { useInfiniteQuery, useMutation } from "@tanstack/react-query";
import { useCallback, useMemo, useReducer, useRef, useState } from "react";
import { Link, useLocation } from "wouter";

import { api, must, type Noun } from "../../api/client";
import type { Question } from "../../editor/types";
import { match, typingIn } from "../../keys";
import { Empty, Trouble, Waiting } from "../../parts/state";
import { t } from "../../strings";
import { BulkBar } from "./data/BulkBar";
import { FilterBar } from "./data/FilterBar";
import { Grid, SIZES, type Size } from "./data/Grid";
import { Preview } from "./data/Preview";
import { Table } from "./data/Table";
import { STATUSES, useFilters } from "./data/filters";
import { NOTHING, choose, clicked, type Selection, type Step } from "./data/selection";
import { SHOWN, type Shown } from "./data/shown";
import type { TabProps } from "./ProjectScreen";

function totalOf(counts: Readonly<Record<string, number>>): number {
  return STATUSES.reduce((sum, status) => sum + (counts[status] ?? 0), 0);
}

/** A choice that this browser remembers. */
function useKept<T extends string>(key: string, options: readonly T[], first: T): [T, (next: T) => void] {
  const [value, setValue] = useState<T>(() => options.find((each) => each === localStorage.getItem(key)) ?? first);
  return [value, (next) => { localStorage.setItem(key, next); setValue(next); }];
}

export default function DataTab({ project, view }: TabProps) {
  const questions = view.ontology.questions as unknown as Question[];
  const images = view.project.modality === "image";
  const filters = useFilters();
  const { wanted, filtered } = filters;
  const grid = images && filters.view !== "table";
  const [size, setSize] = useKept<Size>("lw.grid.size", Object.keys(SIZES) as Size[], "m");
  const [shown, setShown] = useKept<Shown>("lw.grid.shown", SHOWN, "both");
  const [preview, setPreview] = useState<number | null>(null);
  const search = useRef<HTMLInputElement>(null);
  const [, navigate] = useLocation();

  const pages = useInfiniteQuery({
    queryKey: ["assets", project, wanted],
    initialPageParam: null as string | null,
    queryFn: ({ pageParam }) => must(api.GET("/api/projects/{project_id}/assets", { params: { path: { project_id: project }, query: { ...wanted, limit: 100, ...(pageParam === null ? {} : { after: pageParam }) } } })),
    getNextPageParam: (page) => page.next,
  });
  const rows = useMemo(() => (pages.data?.pages ?? []).flatMap((page) => page.rows) as Noun<"AssetRow">[], [pages.data]);
  const list = useMemo(() => rows.map((row) => row.asset.id), [rows]);
  const [selection, step] = useReducer((now: Selection, next: Step & { list: readonly number[] }) => choose(now, next, next.list), NOTHING);
  const [everything, setEverything] = useState<{ of: unknown; more: boolean } | null>(null);
  const take = useCallback((next: Step): void => { setEverything(null); step({ ...next, list }); }, [list]);
  const all = useMutation({
    mutationFn: () => must(api.GET("/api/projects/{project_id}/asset-ids", { params: { path: { project_id: project }, query: wanted } })),
    onSuccess: (found) => { step({ kind: "these", ids: found.asset_ids, list }); setEverything({ of: wanted, more: found.more }); },
  });
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = pages;
  const onEnd = useCallback(() => { if (hasNextPage && !isFetchingNextPage) void fetchNextPage(); }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  const open = (place: number): void => {
    const row = rows[place];
    if (row !== undefined) navigate(`/projects/${String(project)}/label?asset=${String(row.asset.id)}`);
  };

  const press = (event: React.KeyboardEvent, columns: number, goTo: (place: number) => void): void => {
    if (typingIn(event.target) && (event.target as HTMLInputElement).type !== "checkbox") return;
    // Holding shift draws the choice along with the movement.
    const found = match(event.nativeEvent, ["table"]) ?? (event.shiftKey ? match({ ...plainKey(event.nativeEvent), shiftKey: false }, ["table"]) : undefined);
    if (found === undefined) return;
    const moves: Readonly<Record<string, number>> = { "table-down": columns, "table-up": -columns, ...(columns > 1 ? { "table-right": 1, "table-left": -1 } : {}) };
    const by = moves[found.id];
    if (by === undefined && (found.id === "table-left" || found.id === "table-right")) return;
    event.preventDefault();
    if (by !== undefined) {
      const place = Math.max(0, Math.min(rows.length - 1, selection.at + by));
      take(event.shiftKey ? { kind: "stretch", place } : { kind: "move", place });
      goTo(place);
    } else if (found.id === "table-search") search.current?.focus();
    else if (found.id === "table-preview") setPreview(rows[selection.at]?.asset.id ?? null);
    else if (found.id === "table-open") open(selection.at);
    else if (found.id === "table-choose") take({ kind: "toggle", place: selection.at });
    else if (found.id === "table-all") all.mutate();
    else if (found.id === "table-none") take({ kind: "none" });
  };

  const bulk = view.role === "manager" || view.role === "reviewer";
  const lists = {
    project, rows, questions, selection, onEnd, onOpen: open, onKey: press,
    onTick: (event: React.MouseEvent, place: number) => { take(event.shiftKey ? { kind: "stretch", place, more: true } : { kind: "toggle", place }); },
    onClick: (event: React.MouseEvent, place: number) => {
      if (grid || event.shiftKey || event.ctrlKey || event.metaKey) take(clicked(event, place));
      else {
        take({ kind: "move", place });
        setPreview(rows[place]?.asset.id ?? null);
      }
    },
  };
  const ids = useMemo(() => [...selection.ids], [selection.ids]);
  return (
    <>
      <div className="lw-row" style={{ marginBottom: 8 }}>
        <FilterBar filters={filters} questions={questions} search={search} images={images} />
        <span className="lw-dim lw-number" role="status">{filtered ? `${t("table.loaded", { n: rows.length })}${hasNextPage ? "+" : ""}` : t("table.loadedOf", { n: rows.length, total: totalOf(view.counts) })}</span>
        {filtered && <Button variant="subtle" onClick={filters.clear}>{t("table.clear")}</Button>}
      </div>
      {rows.length > 0 && (
        <div className="lw-row" style={{ marginBottom: 8, minHeight: 34 }}>
          {images && <SegmentedControl size="xs" aria-label={t("images.view")} value={grid ? "grid" : "table"} onChange={(v) => { filters.set("view", v === "table" ? "table" : null); }} data={[{ value: "grid", label: t("images.asGrid") }, { value: "table", label: t("images.asTable") }]} />}
          {grid && (
            <>
              <SegmentedControl size="xs" aria-label={t("images.size")} value={size} onChange={(v) => { setSize(v as Size); }} data={(Object.keys(SIZES) as Size[]).map((value) => ({ value, label: t(`images.sizes.${value}`) }))} />
              <Select size="xs" w={170} aria-label={t("images.show")} allowDeselect={false} value={shown} onChange={(v) => { setShown((v ?? "both") as Shown); }} data={SHOWN.map((value) => ({ value, label: t(`images.shows.${value}`) }))} />
            </>
          )}
          <span className="lw-grow" />
          {bulk && <BulkBar project={project} ids={ids} manager={view.role === "manager"} all={everything !== null && everything.of === wanted} more={everything?.more === true} onAll={() => { all.mutate(); }} onNone={() => { take({ kind: "none" }); }} />}
        </div>
      )}
      {pages.isPending ? <Waiting /> : pages.isError ? <Trouble error={pages.error} retry={() => void pages.refetch()} /> : rows.length === 0 ? <Empty title={t("table.none")} action={filtered ? <Button variant="default" onClick={filters.clear}>{t("table.clear")}</Button> : <Button component={Link} href={`/projects/${String(project)}/import`}>{t("home.import")}</Button>}>{t(filtered ? "table.noneFiltered" : "table.noneHint")}</Empty> : (
        grid ? <Grid {...lists} size={size} shown={shown} /> : <Table {...lists} images={images} />
      )}
      {grid && rows.length > 0 && <p className="lw-dim" style={{ margin: "6px 0 0" }}>{t("images.gridHint")}</p>}
      <Drawer opened={preview !== null} onClose={() => { setPreview(null); }} position="right" size={images ? "xl" : "lg"} title={t("table.preview")}>
        {preview !== null && <Preview project={project} asset={preview} questions={questions} shown={shown} />}
      </Drawer>
    </>
  );
}

/** What `match` needs of an event; spreading an event itself copies nothing. */
function plainKey(event: KeyboardEvent) {
  return { key: event.key, code: event.code, ctrlKey: event.ctrlKey, metaKey: event.metaKey, altKey: event.altKey, shiftKey: event.shiftKey, repeat: event.repeat, isComposing: event.isComposing };
}
