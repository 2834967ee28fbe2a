/** Labelling one asset after another: the queue, the line above, and the editor of what is shown. */
import { Button } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useQuery } from "@tanstack/react-query";
import { Suspense, lazy, useEffect, useMemo, useRef, useState } from "react";
import { Link, useParams, useSearch } from "wouter";

import { api, must } from "../../api/client";
import { useMe } from "../../app/me";
import type { Question } from "../../editor/types";
import { outboxOf } from "../../outbox/server";
import { useLive } from "../../parts/live";
import { Empty, Trouble, Waiting } from "../../parts/state";
import { useSpeaking } from "../../parts/speaking";
import { t } from "../../strings";
import { canDecide } from "./decidable";
import { useQueue, type Queue } from "./queue";
import { SyncState } from "./SyncState";
import { TextEditor } from "./TextEditor";

/** Loaded when the first image is shown. */
const ImageEditor = lazy(() => import("./image/ImageEditor"));

export default function AnnotateScreen() {
  const project = Number(useParams()["id"]);
  const asset = new URLSearchParams(useSearch()).get("asset");
  const me = useMe();
  const outbox = useMemo(() => outboxOf(me.user.user_id), [me.user.user_id]);
  const view = useQuery({
    queryKey: ["project", project],
    queryFn: () => must(api.GET("/api/projects/{project_id}", { params: { path: { project_id: project } } })),
  });
  useSpeaking(view.data?.project.modality);
  const queue = useQueue(project, outbox, asset === null ? null : Number(asset));
  useLive(project);
  useRenewal(queue, view.data?.learning);
  const [done, setDone] = useState(0);
  const left = view.data === undefined ? null : openCount(view.data.counts);

  // With the server away the project cannot be read anew; the work goes on with what is known.
  if (view.data === undefined) return view.isError ? <Trouble error={view.error} retry={() => void view.refetch()} /> : <Waiting label={t("annotate.loading")} />;
  if (queue.loading && queue.turn === null) return <Waiting label={t("annotate.loading")} />;
  const questions = view.data.ontology.questions as unknown as Question[];
  const Editor = view.data.project.modality === "image" ? ImageEditor : TextEditor;
  return (
    <div className="lw-editor">
      <header className="lw-editor-top">
        <Link href={`/projects/${String(project)}`}>{view.data.project.name}</Link>
        <span className="lw-dim lw-number">{left !== null && left > 0 ? t("annotate.leftOpen", { n: left }) : ""}</span>
        <span className="lw-dim lw-number">{done > 0 ? t("annotate.done", { n: done }) : ""}</span>
        <span className="lw-grow" />
        {canDecide(questions) && <Link href={`/projects/${String(project)}/decide`} className="lw-dim">{t("annotate.toDecide")}</Link>}
        <SyncState outbox={outbox} project={project} />
      </header>
      {queue.turn === null ? (
        <Nothing queue={queue} project={project} />
      ) : (
        <Suspense fallback={<Waiting label={t("annotate.loading")} />}>
          <Editor
            key={`${String(queue.turn.asset.id)}:${String(queue.turn.draft?.revision ?? 0)}:${queue.turn.parent_id ?? ""}`}
            project={project}
            turn={queue.turn}
            queue={queue}
            questions={questions}
            guideline={view.data.ontology.guideline}
            idleAfterMs={(view.data.project.settings?.idle_after_s ?? 15) * 1000}
            autoSubmit={view.data.project.settings?.auto_submit ?? false}
            outbox={outbox}
            onDone={() => {
              setDone((n) => n + 1);
            }}
          />
        </Suspense>
      )}
    </div>
  );
}

/** Once the local model has learned, what is prefetched is taken anew, with its answers and in its order. */
export function useRenewal(queue: Queue, learning: { readonly training: boolean; readonly submissions: number; readonly submissions_since: number } | undefined): void {
  const seen = useRef<number | null>(null);
  const { renew } = queue;
  // How many answers the newest model knew of; while it still answers the rest, the old hand is good enough.
  const known = learning === undefined || learning.training ? null : learning.submissions - learning.submissions_since;
  useEffect(() => {
    if (known === null) return;
    if (seen.current !== null && known > seen.current) {
      renew();
      notifications.show({ id: "learned", message: t("annotate.learned", { n: known }) });
    }
    seen.current = known;
  }, [known, renew]);
}

export function openCount(counts: Readonly<Record<string, number>>): number {
  return ["new", "predicted", "in_progress", "skipped"].reduce((sum, name) => sum + (counts[name] ?? 0), 0);
}

export function Nothing({ queue, project }: { queue: Queue; project: number }) {
  if (queue.error !== null) return <Trouble error={queue.error} retry={queue.refill} />;
  if (queue.empty === null) return <Waiting label={t("annotate.loading")} />;
  const showSkipped = (): void => {
    void must(api.POST("/api/projects/{project_id}/unskip", { params: { path: { project_id: project } } })).then(queue.refill);
  };
  return (
    <Empty
      title={t("annotate.emptyTitle")}
      action={
        queue.empty.reason === "skipped" ? (
          <Button onClick={showSkipped}>{t("annotate.showSkipped")}</Button>
        ) : (
          <Button component={Link} href={`/projects/${String(project)}`}>{t("annotate.toProject")}</Button>
        )
      }
    >
      {queue.empty.message}
    </Empty>
  );
}
