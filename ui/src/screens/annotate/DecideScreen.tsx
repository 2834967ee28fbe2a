/** One text or image, one question, one key: accept what the model says, or name the label. */
import { Button } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useQuery } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { Link, useParams } from "wouter";

import { api, must } from "../../api/client";
import { useMe } from "../../app/me";
import { active } from "../../editor/time";
import type { Question } from "../../editor/types";
import { digitOf, inDialog, keyOf, match, ownsKey, typingIn } from "../../keys";
import { outboxOf } from "../../outbox/server";
import { useLive } from "../../parts/live";
import { FlagNotice, FlaggedText } from "../../parts/flags";
import { Confidence, LabelChip } from "../../parts/label";
import { Pictured } from "../../parts/overlay";
import { useSpeaking } from "../../parts/speaking";
import { Empty, Trouble, Waiting } from "../../parts/state";
import { t } from "../../strings";
import { Nothing, openCount, useRenewal } from "./AnnotateScreen";
import { useQueue } from "./queue";
import { SyncState } from "./SyncState";
import { canDecide } from "./decidable";
import { takeBack } from "./takeBack";
import { useActivity } from "./useActivity";

interface Recent {
  readonly id: string;
  readonly text: string;
  readonly label: string;
}

export default function DecideScreen() {
  const project = Number(useParams()["id"]);
  const me = useMe();
  const outbox = useMemo(() => outboxOf(me.user.user_id), [me.user.user_id]);
  const view = useQuery({
    queryKey: ["project", project],
    queryFn: () => must(api.GET("/api/projects/{project_id}", { params: { path: { project_id: project } } })),
  });
  useSpeaking(view.data?.project.modality);
  const queue = useQueue(project, outbox, null);
  useLive(project);
  useRenewal(queue, view.data?.learning);
  const region = useRef<HTMLDivElement>(null);
  const [recent, setRecent] = useState<readonly Recent[]>([]);
  const [choosing, setChoosing] = useState(false);
  const [reveal, setReveal] = useState(false);
  const handedIn = useRef<number | null>(null);
  const returning = useRef(false);
  const turn = queue.turn;
  const asset = turn?.asset.id;
  const idleAfterMs = (view.data?.project.settings?.idle_after_s ?? 15) * 1000;
  const clock = useActivity(asset, idleAfterMs);

  useEffect(() => {
    setChoosing(false);
    handedIn.current = null;
    region.current?.focus({ preventScroll: true });
  }, [asset, view.isPending]);

  const questions = (view.data?.ontology.questions ?? []) as unknown as Question[];
  const question = questions.find((q): q is Question & { kind: "choice" } => q.kind === "choice" && !q.multiple && !q.retired);
  const possible = canDecide(questions);

  const notKept = useCallback((failure: unknown) => {
    handedIn.current = null;
    notifications.show({ color: "red", autoClose: false, message: t("annotate.notKept", { why: String(failure) }) });
  }, []);
  const decide = useCallback(
    (labelId: string) => {
      // A second press before the screen has moved on, or while a submission comes back, decides nothing.
      if (turn === null || question === undefined || handedIn.current === turn.asset.id || returning.current) return;
      handedIn.current = turn.asset.id;
      const id = crypto.randomUUID();
      const time = active(clock.current, performance.now(), idleAfterMs);
      const given = (turn.draft?.answers ?? turn.answers ?? turn.prediction?.answers ?? {}) as Record<string, unknown>;
      const body = {
        id,
        answers: { ...given, [question.id]: { kind: "choice", labels: [labelId] } },
        ontology_version: turn.ontology_version,
        prediction_id: turn.prediction?.id ?? null,
        parent_id: turn.parent_id ?? null,
        time: { active_ms: Math.round(time.active), idle_ms: Math.round(time.idle), wait_ms: 0 },
      };
      const name = question.labels.find((l) => l.id === labelId)?.name ?? labelId;
      void outbox.post({ id, project, asset: turn.asset.id, kind: "annotation", body, at: Date.now() }).then(() => {
        setRecent((now) => [{ id, text: (turn.asset.image?.file_name ?? turn.asset.text ?? "").slice(0, 80), label: name }, ...now].slice(0, 10));
        queue.leave(turn.asset.id);
      }, notKept);
    },
    [turn, question, outbox, project, queue, notKept, clock, idleAfterMs],
  );

  // With the server away the project cannot be read anew; the work goes on with what is known.
  if (view.data === undefined) return view.isError ? <Trouble error={view.error} retry={() => void view.refetch()} /> : <Waiting label={t("annotate.loading")} />;
  if (queue.loading) return <Waiting label={t("annotate.loading")} />;
  if (question === undefined || !possible) {
    return <Empty title={t("annotate.noChoice")} action={<Button component={Link} href={`/projects/${String(project)}/label`}>{t("annotate.editor")}</Button>} />;
  }
  const said = turn?.prediction?.answers[question.id] as { kind: string; labels: string[] } | undefined;
  const suggestion = question.labels.find((l) => l.id === said?.labels[0]);

  const skip = (): void => {
    if (turn === null || handedIn.current === turn.asset.id || returning.current) return;
    handedIn.current = turn.asset.id;
    void outbox
      .post({ id: crypto.randomUUID(), project, asset: turn.asset.id, kind: "skip", body: { reason: "" }, at: Date.now() })
      .then(() => { queue.leave(turn.asset.id); }, notKept);
  };
  const back = (): void => {
    if (returning.current) return;
    returning.current = true;
    takeBack(project, outbox, queue).finally(() => { returning.current = false; }).then(
      (found) => {
        if (found === null) return;
        handedIn.current = null;
        queue.show(found);
        setRecent((now) => now.slice(1));
      },
      (error: unknown) => notifications.show({ color: "red", message: String(error) }),
    );
  };
  const press = (event: KeyboardEvent): void => {
    if (inDialog(event.target) || typingIn(event.target) || ownsKey(event) || turn === null) return;
    const digit = digitOf(event);
    const label = digit === undefined ? undefined : question.labels.filter((l) => !l.retired)[digit];
    const binding = match(event, ["decide"]);
    if (label === undefined && binding === undefined) return;
    event.preventDefault();
    if (label !== undefined) decide(label.id);
    else if (binding?.id === "accept" && suggestion !== undefined) decide(suggestion.id);
    else if (binding?.id === "decide-other" || binding?.id === "accept") setChoosing(true);
    else if (binding?.id === "decide-skip") skip();
    else if (binding?.id === "decide-back") back();
  };

  return (
    <div className="lw-editor" ref={region} tabIndex={-1} onKeyDown={(event) => { press(event.nativeEvent); }}>
      <header className="lw-editor-top">
        <Link href={`/projects/${String(project)}`}>{view.data.project.name}</Link>
        <span className="lw-dim lw-number">{t("annotate.leftOpen", { n: openCount(view.data.counts) })}</span>
        <span className="lw-grow" />
        <Link href={`/projects/${String(project)}/label`} className="lw-dim">{t("annotate.editor")}</Link>
        <SyncState outbox={outbox} project={project} />
      </header>
      {turn === null ? (
        <Nothing queue={queue} project={project} />
      ) : (
        <main className="lw-decide" id="main">
          <h1>{question.name}</h1>
          {turn.asset.image ? (
            <div className="lw-decide-image"><Pictured src={`/api/projects/${String(project)}/assets/${String(turn.asset.id)}/image/preview`} alt={turn.asset.image.file_name ?? ""} picture={turn.asset.image} layers={[]} colours={{}} /></div>
          ) : <p className="lw-decide-text" dir="auto"><FlaggedText text={turn.asset.text ?? ""} flags={turn.flags ?? []} reveal={reveal} /></p>}
          <FlagNotice flags={turn.flags ?? []} shown={reveal} show={setReveal} />
          <div className="lw-decide-said" role="status">
            {suggestion === undefined ? (
              <span className="lw-dim">{turn.arm === "hidden" ? t("annotate.withheld") : t("annotate.noSuggestion")}</span>
            ) : (
              <>
                <LabelChip name={suggestion.name} colour={suggestion.colour} suggested />
                {typeof turn.prediction?.confidence?.[question.id]?.value === "number" && <Confidence value={turn.prediction.confidence[question.id]?.value} />}
                <span className="lw-dim">{turn.prediction?.predictor_title}</span>
              </>
            )}
          </div>
          <div className="lw-decide-keys">
            {suggestion !== undefined && <Button onClick={() => { decide(suggestion.id); }} rightSection={<kbd>{keyOf("accept")}</kbd>}>{t("annotate.accept")}</Button>}
            <Button variant="default" onClick={() => { setChoosing(true); }} rightSection={<kbd>{keyOf("decide-other")}</kbd>}>{t("annotate.reject")}</Button>
            <Button variant="default" onClick={skip} rightSection={<kbd>{keyOf("decide-skip")}</kbd>}>{t("annotate.skip")}</Button>
            <Button variant="default" onClick={back} rightSection={<kbd>{keyOf("decide-back")}</kbd>}>{t("annotate.takeBack")}</Button>
          </div>
          {(choosing || suggestion === undefined) && (
            <>
              <p className="lw-dim">{t("annotate.chooseOther")}</p>
              <div className="lw-decide-keys">
                {question.labels.filter((l) => !l.retired).map((l, i) => (
                  <Button key={l.id} variant="default" onClick={() => { decide(l.id); }} rightSection={i < 10 ? <kbd>{(i + 1) % 10}</kbd> : undefined}>
                    <span className="lw-swatch" style={{ background: l.colour }} aria-hidden />&nbsp;{l.name}
                  </Button>
                ))}
              </div>
            </>
          )}
          <p className="lw-dim">{t("annotate.why", { why: turn.why_text })}</p>
          {recent.length > 0 && (
            <section className="lw-recent" aria-label={t("annotate.recent")}>
              <h2>{t("annotate.recent")}</h2>
              <ul>{recent.map((r) => <li key={r.id}><b>{r.label}</b> <span className="lw-dim">{r.text}</span></li>)}</ul>
            </section>
          )}
        </main>
      )}
    </div>
  );
}
