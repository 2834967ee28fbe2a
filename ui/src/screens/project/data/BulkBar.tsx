/** What can be done with the chosen assets: in portions, with progress, a way to stop and a way back. */
import { Button, Menu, Modal, Progress } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { useLocation } from "wouter";

import { api, must } from "../../../api/client";
import { chooseForExport } from "../chosen";
import { Trouble } from "../../../parts/state";
import { t } from "../../../strings";

type Action = "accept" | "take_back" | "skip" | "unskip" | "release" | "gold" | "not_gold";
const BACK: Readonly<Partial<Record<Action, Action>>> = { accept: "take_back", skip: "unskip", unskip: "skip", gold: "not_gold" };
const ASKS = ["accept", "take_back", "release", "not_gold"] as const;
type Asking = (typeof ASKS)[number];
const PORTION = 200;

interface Outcome { changed: number[]; left: Record<string, number>; stopped: boolean }

export function BulkBar({ project, ids, manager, all, onAll, onNone, more }: { project: number; ids: readonly number[]; manager: boolean; all: boolean; onAll: () => void; onNone: () => void; more: boolean }) {
  const queries = useQueryClient();
  const [, navigate] = useLocation();
  const [asking, setAsking] = useState<Asking | null>(null);
  const [done, setDone] = useState(0);
  const stop = useRef(false);
  const act = useMutation({
    mutationFn: async ({ action, on }: { action: Action; on: readonly number[] }): Promise<Outcome> => {
      stop.current = false;
      setDone(0);
      const found: Outcome = { changed: [], left: {}, stopped: false };
      for (let i = 0; i < on.length; i += PORTION) {
        if (stop.current) return { ...found, stopped: true };
        const part = await must(api.POST("/api/projects/{project_id}/bulk", { params: { path: { project_id: project } }, body: { action, asset_ids: on.slice(i, i + PORTION) } }));
        found.changed.push(...part.changed);
        for (const [why, n] of Object.entries(part.left_out)) found.left[why] = (found.left[why] ?? 0) + (n ?? 0);
        setDone(Math.min(on.length, i + PORTION));
      }
      return found;
    },
    onSuccess: (found, { action }) => {
      const back = BACK[action];
      const left = (Object.entries(found.left) as [keyof typeof LEFT, number][]).map(([why, n]) => t(LEFT[why], { n }));
      const id = `bulk-${crypto.randomUUID()}`;
      notifications.show({
        id,
        autoClose: 12_000,
        ...(found.changed.length === 0 ? { color: "yellow" } : {}),
        message: (
          <div className="lw-row">
            <span className="lw-grow">{t(`bulk.done.${action}`, { n: found.changed.length })}{left.length > 0 ? ` ${left.join(", ")}.` : ""}</span>
            {back !== undefined && found.changed.length > 0 && <Button size="compact-xs" variant="default" onClick={() => { notifications.hide(id); act.mutate({ action: back, on: found.changed }); }}>{t("projectSettings.undo")}</Button>}
          </div>
        ),
      });
    },
    // What was done before a failure stays done.
    onSettled: () => {
      for (const key of ["assets", "project", "asset", "numbers", "trust"]) void queries.invalidateQueries({ queryKey: [key, project] });
    },
  });
  const begin = (action: Action): void => {
    if (ASKS.includes(action as Asking)) setAsking(action as Asking);
    else act.mutate({ action, on: ids });
  };
  if (act.isPending) {
    return (
      <div className="lw-bulk" role="status">
        <span className="lw-number">{t("bulk.working", { done, total: act.variables.on.length })}</span>
        <Progress className="lw-grow" value={(100 * done) / act.variables.on.length} aria-label={t(`bulk.actions.${act.variables.action}`)} />
        <Button size="xs" variant="default" onClick={() => { stop.current = true; }}>{t("bulk.stop")}</Button>
      </div>
    );
  }
  return (
    <>
      <div className="lw-bulk">
        <b className="lw-number" role="status">{t("bulk.chosen", { n: ids.length })}</b>
        {!all && <Button size="compact-xs" variant="subtle" onClick={onAll}>{t("bulk.all")}</Button>}
        {all && more && <span className="lw-dim">{t("bulk.allMore", { n: ids.length })}</span>}
        {ids.length > 0 && (
          <>
            <Button size="xs" onClick={() => { begin("accept"); }}>{t("bulk.actions.accept")}</Button>
            <Button size="xs" variant="default" onClick={() => { begin("gold"); }}>{t("bulk.actions.gold")}</Button>
            <Button size="xs" variant="default" onClick={() => { begin("skip"); }}>{t("bulk.actions.skip")}</Button>
            {manager && <Button size="xs" variant="default" onClick={() => { chooseForExport(project, ids); navigate(`/projects/${String(project)}/export`); }}>{t("bulk.actions.export")}</Button>}
            <Menu position="bottom-end">
              <Menu.Target><Button size="xs" variant="default">{t("bulk.more")}</Button></Menu.Target>
              <Menu.Dropdown>{(["unskip", "take_back", "release", "not_gold"] as const).map((action) => <Menu.Item key={action} onClick={() => { begin(action); }}>{t(`bulk.actions.${action}`)}</Menu.Item>)}</Menu.Dropdown>
            </Menu>
            <Button size="compact-xs" variant="subtle" onClick={onNone}>{t("bulk.none")}</Button>
          </>
        )}
      </div>
      {act.isError && <Trouble error={act.error} />}
      <Modal opened={asking !== null} onClose={() => { setAsking(null); }} title={asking === null ? "" : t(`bulk.actions.${asking}`)}>
        {asking !== null && (
          <>
            <p>{t(`bulk.ask.${asking}`, { n: ids.length })}</p>
            <p className="lw-dim">{t(`bulk.askMore.${asking}`)}</p>
            <div className="lw-row">
              <Button data-autofocus onClick={() => { setAsking(null); act.mutate({ action: asking, on: ids }); }}>{t(`bulk.actions.${asking}`)}</Button>
              <Button variant="default" onClick={() => { setAsking(null); }}>{t("common.cancel")}</Button>
            </div>
          </>
        )}
      </Modal>
    </>
  );
}

const LEFT = { not_here: "bulk.left.not_here", no_answer: "bulk.left.no_answer", unfit: "bulk.left.unfit", withheld: "bulk.left.withheld", audit: "bulk.left.audit", held: "bulk.left.held", answered: "bulk.left.answered", unchanged: "bulk.left.unchanged" } as const;
