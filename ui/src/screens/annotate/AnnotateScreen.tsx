/** Labelling one text after another: the stage, the questions, and the footer that says why this text is here. */
import { Alert, Button, Drawer, Modal, Select, Text, TextInput } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useQuery } from "@tanstack/react-query";
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import { Link, useParams, useSearch } from "wouter";

import { ApiError, api, must, mustBe } from "../../api/client";
import { isAsked } from "../../editor/document";
import { isChoosable, isNested, pathOf } from "../../editor/nested";
import { focused } from "../../editor/form";
import { byDoubt, digits, drawn, picked, relationNamed, step } from "../../editor/session";
import type { Question } from "../../editor/types";
import { digitOf, inDialog, keyOf, match, ownsKey, typingIn } from "../../keys";
import { useMe } from "../../app/me";
import type { Outbox } from "../../outbox/outbox";
import { outboxOf } from "../../outbox/server";
import { FlagNotice, type Flag } from "../../parts/flags";
import { useLive } from "../../parts/live";
import { Empty, Trouble, Waiting } from "../../parts/state";
import { t } from "../../strings";
import { canDecide } from "./decidable";
import { LinkSearch } from "./Links";
import { Panel, scale, wordsOf } from "./Panel";
import { useQueue, type Queue, type Turn } from "./queue";
import { Evidence } from "./Evidence";
import { SyncState } from "./SyncState";
import { TextStage } from "./TextStage";
import { useWork } from "./useWork";

const NO_PIECES: readonly { readonly start: number }[] = [];
const NO_FLAGS: readonly Flag[] = [];

export default function AnnotateScreen() {
  const project = Number(useParams()["id"]);
  const asset = new URLSearchParams(useSearch()).get("asset");
  const me = useMe();
  const outbox = useMemo(() => outboxOf(me.user.user_id), [me.user.user_id]);
  const view = useQuery({
    queryKey: ["project", project],
    queryFn: () => must(api.GET("/api/projects/{project_id}", { params: { path: { project_id: project } } })),
  });
  const queue = useQueue(project, outbox, asset === null ? null : Number(asset));
  useLive(project);
  useRenewal(queue, view.data?.learning);
  const [done, setDone] = useState(0);
  const left = view.data === undefined ? null : openCount(view.data.counts);

  // With the server away the project cannot be read anew; the work goes on with what is known.
  if (view.data === undefined) return view.isError ? <Trouble error={view.error} retry={() => void view.refetch()} /> : <Waiting label={t("annotate.loading")} />;
  if (queue.loading && queue.turn === null) return <Waiting label={t("annotate.loading")} />;
  const questions = view.data.ontology.questions as unknown as Question[];
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

interface EditorProps {
  readonly project: number;
  readonly turn: Turn;
  readonly queue: Queue;
  readonly questions: readonly Question[];
  readonly guideline: string;
  readonly idleAfterMs: number;
  readonly autoSubmit: boolean;
  readonly outbox: Outbox;
  readonly onDone: () => void;
}

/** Take back the newest own answer: from the server, or from this computer if it was not sent yet. */
export async function takeBack(project: number, outbox: Outbox, queue: Queue): Promise<Turn | null> {
  await outbox.flush();
  if (outbox.snapshot().waiting > 0) {
    // Only what can be shown again: after a reload the text itself is no longer here while the server is away.
    const newest = (await outbox.assetsOnTheirWay(project)).at(-1);
    const turn = newest === undefined ? undefined : queue.recall(newest);
    if (turn !== undefined && (await outbox.retract(project))?.asset === newest) return turn;
  }
  if (outbox.snapshot().waiting > 0) {
    notifications.show({ message: t("annotate.tookBackOnTheWay") });
    return null;
  }
  const mine = await must(api.GET("/api/projects/{project_id}/mine", { params: { path: { project_id: project }, query: { limit: 1 } } }));
  const last = mine[0];
  if (last === undefined) {
    notifications.show({ message: t("annotate.nothingToTakeBack") });
    return null;
  }
  const path = { project_id: project, annotation_id: last.annotation.id };
  return mustBe<"Turn">(api.POST("/api/projects/{project_id}/annotations/{annotation_id}/take-back", { params: { path } }));
}

function Editor({ project, turn, queue, questions, guideline, idleAfterMs, autoSubmit, outbox, onDone }: EditorProps) {
  const region = useRef<HTMLDivElement>(null);
  const [reveal, setReveal] = useState(false);
  const [guide, setGuide] = useState(false);
  const [skipping, setSkipping] = useState(false);
  const [searching, setSearching] = useState(false);
  const [linking, setLinking] = useState(false);
  const [lacking, setLacking] = useState<readonly Question[]>([]);
  const leave = useCallback(() => {
    onDone();
    queue.leave(turn.asset.id);
  }, [onDone, queue, turn.asset.id]);
  const work = useWork(project, turn, questions, outbox, idleAfterMs, leave);
  const { given, state, dispatch } = work;

  // Before the first paint, so that not even the fastest key press is lost.
  useLayoutEffect(() => {
    region.current?.focus({ preventScroll: true });
  }, []);
  useEffect(() => {
    if (work.restored) notifications.show({ id: "restored", message: t("annotate.draftRestored") });
  }, [work.restored]);

  const submit = useCallback(() => {
    work.submit().then(
      (open) => {
        setLacking(open);
        const first = open[0];
        if (first !== undefined) dispatch({ type: "focus", question: first.id });
      },
      // The answer could not be put on this computer's disk: stay here, and say so.
      (failure: unknown) => {
        notifications.show({ color: "red", autoClose: false, message: t("annotate.notKept", { why: String(failure) }) });
      },
    );
  }, [work, dispatch]);
  const returning = useRef(false);
  const back = useCallback(() => {
    if (returning.current) return;
    returning.current = true;
    takeBack(project, outbox, queue).finally(() => { returning.current = false; }).then(
      (found) => {
        if (found === null) return;
        queue.show(found);
        notifications.show({ message: t("annotate.takenBack") });
      },
      (error: unknown) => {
        notifications.show({ color: "red", message: error instanceof ApiError ? `${error.message} ${error.hint}` : String(error) });
      },
    );
  }, [project, outbox, queue]);

  const press = (native: KeyboardEvent): void => {
    const event = native;
    if (inDialog(event.target)) return;
    const typing = typingIn(event.target);
    // Keys pressed while a submission is on its way back are meant for it, not for the text still shown.
    if (returning.current && !typing) {
      event.preventDefault();
      return;
    }
    const question = focused(state, given);
    const digit = typing ? undefined : digitOf(native);
    if (digit !== undefined && question !== undefined) {
      event.preventDefault();
      byDigit(question, digit);
      return;
    }
    const hasText = given.questions.some((q) => q.kind === "span");
    const binding = match(native, hasText ? ["text", "item"] : ["item"]);
    if (binding === undefined) return;
    // In a text field only Escape and combinations with ctrl are ours.
    if (typing && !native.ctrlKey && !native.metaKey && native.key !== "Escape") return;
    if (typing && (binding.id === "undo" || binding.id === "redo")) return;
    // Buttons keep their own Enter and Space.
    if (ownsKey(native)) return;
    event.preventDefault();
    act(binding.id);
  };

  const latestPress = useRef(press);
  latestPress.current = press;
  useLayoutEffect(() => {
    // A click beside everything leaves the focus on the page itself: the keys go on working.
    const stray = (event: KeyboardEvent): void => {
      if (event.target === document.body) latestPress.current(event);
    };
    window.addEventListener("keydown", stray);
    return () => { window.removeEventListener("keydown", stray); };
  }, []);
  const refocus = (event: React.MouseEvent): void => {
    // After a click with the mouse, Enter means submit again, not the same label once more.
    if (event.detail > 0 && event.target instanceof Element && event.target.closest(".lw-label-row, .lw-span-row, .lw-crumb, .lw-scale button, mark") !== null) {
      region.current?.focus({ preventScroll: true });
    }
  };

  const byDigit = (question: Question, digit: number): void => {
    if ("labels" in question || state.relating !== null) {
      const label = digits(state, given)[digit];
      if (label === undefined) return;
      const event = { type: "label", label: label.id } as const;
      dispatch(event);
      // Opening a level of nested labels answers nothing yet.
      const answers = step(state, event, given).revision > state.revision;
      if (answers && autoSubmit && question.kind === "choice" && !question.multiple && given.questions.filter((q) => isAsked(q, state.doc)).length === 1) setTimeout(submit, 0);
    } else if (question.kind === "scalar") {
      const steps = scale(question);
      const wanted = question.type === "boolean" ? steps?.[digit] : steps?.find((s) => s.value === (digit + 1) % 10);
      if (wanted !== undefined) dispatch({ type: "answer", question: question.id, answer: { kind: "scalar", value: wanted.value } });
    }
  };

  const act = (id: string): void => {
    switch (id) {
      case "submit":
        if (state.moving) dispatch({ type: "move-borders" });
        else if (state.relating !== null) {
          const [only, ...others] = digits(state, given);
          if (only !== undefined && others.length === 0) dispatch({ type: "label", label: only.id });
          else notifications.show({ id: "relate", message: t("annotate.relateType") });
        } else submit();
        return;
      case "skip":
        setSkipping(true);
        return;
      case "reject":
        if (state.picked !== null || state.pickedRelation !== null) dispatch({ type: "delete" });
        else if (focused(state, given)?.kind !== "span" && focused(state, given)?.kind !== "relation") dispatch({ type: "answer", question: state.question, answer: null });
        return;
      case "take-back":
        back();
        return;
      case "next":
      case "previous":
        work.saveNow();
        queue.walk(id === "next" ? 1 : -1);
        return;
      case "save":
        work.saveNow();
        notifications.show({ message: t("annotate.saved") });
        return;
      case "search-label":
        setSearching(true);
        return;
      case "guide":
        setGuide(true);
        return;
      case "left":
      case "right": {
        const by = id === "left" ? -1 : 1;
        dispatch(state.moving ? { type: "border", end: "end", by } : { type: "move", by });
        return;
      }
      case "extend-left":
      case "extend-right": {
        const by = id === "extend-left" ? -1 : 1;
        dispatch(state.moving ? { type: "border", end: "start", by } : { type: "move", by, extend: true });
        return;
      }
      case "extend-char":
      case "shrink-char":
        dispatch({ type: "move", by: id === "extend-char" ? 1 : -1, extend: true, characters: true });
        return;
      case "first":
      case "last":
        dispatch({ type: "edge", to: id === "first" ? "start" : "end" });
        return;
      case "walk":
      case "walk-back":
        dispatch({ type: "walk", by: id === "walk" ? 1 : -1 });
        return;
      case "next-question":
      case "previous-question":
        dispatch({ type: "next-question", by: id === "next-question" ? 1 : -1 });
        return;
      case "borders":
        dispatch({ type: "move-borders" });
        return;
      case "pick": {
        const here = given.tokens[state.at];
        if (here === undefined) return;
        const over = byDoubt(state, given).filter(({ span }) => span.start < here.end && here.start < span.end);
        const next = over[(over.findIndex((each) => each.span.id === state.picked) + 1) % Math.max(over.length, 1)];
        if (next !== undefined) dispatch({ type: "pick", span: next.span.id });
        return;
      }
      case "relate": {
        if (step(state, { type: "relate" }, given) === state) notifications.show({ id: "relate", message: t(state.picked === null ? "annotate.relatePick" : "annotate.relateNothing") });
        dispatch({ type: "relate" });
        return;
      }
      case "link": {
        const found = picked(state, given);
        if (found === null) notifications.show({ id: "link", message: t("annotate.linkPick") });
        else if ((found.question.knowledge ?? "") === "") notifications.show({ id: "link", message: t("annotate.linkNone") });
        else setLinking(true);
        return;
      }
      case "everywhere": {
        if (picked(state, given) === null) return;
        const added = byDoubt(step(state, { type: "everywhere" }, given), given).length - byDoubt(state, given).length;
        notifications.show({ message: t("annotate.everywhere", { n: added }) });
        dispatch({ type: "everywhere" });
        return;
      }
      case "undo":
      case "redo":
      case "again":
      case "delete":
      case "confirm":
      case "cancel":
        dispatch({ type: id });
    }
  };

  const sure = turn.asset.confidence;
  return (
    // The region takes the single keys; they never fire while a field outside of it has the focus.
    <div className="lw-work" ref={region} tabIndex={-1} onKeyDown={(event) => { press(event.nativeEvent); }} onClick={refocus}>
      <main className="lw-stage" id="main">
        <FlagNotice flags={turn.flags ?? NO_FLAGS} shown={reveal} show={setReveal} />
        <TextStage given={given} state={state} pieces={turn.prediction?.pieces ?? NO_PIECES} dispatch={dispatch} flags={turn.flags ?? NO_FLAGS} reveal={reveal} />
        <Metadata turn={turn} />
      </main>
      <aside className="lw-side" aria-label={t("annotate.labels")}>
        {lacking.length > 0 && <Alert color="yellow" role="alert" mb="sm">{t("annotate.missing", { names: lacking.map((q) => q.name).join(", ") })}</Alert>}
        {state.moving && <Alert mb="sm">{t("annotate.moveBorders")}</Alert>}
        <Panel given={given} state={state} turn={turn} dispatch={dispatch} project={project} />
        {turn.prediction && <Evidence prediction={turn.prediction} questions={given.questions} go={(start) => { dispatch({ type: "place", point: start }); }} />}
      </aside>
      <footer className="lw-foot">
        <Button size="xs" variant="default" onClick={back} rightSection={<kbd>{keyOf("take-back")}</kbd>}>{t("annotate.takeBack")}</Button>
        <Button size="xs" variant="default" onClick={() => { setSkipping(true); }} rightSection={<kbd>{keyOf("skip")}</kbd>}>{t("annotate.skip")}</Button>
        <Button size="xs" variant="subtle" onClick={() => { setGuide(true); }} rightSection={<kbd>{keyOf("guide")}</kbd>}>{t("annotate.guide")}</Button>
        <span className="lw-why">
          <span>{t("annotate.why", { why: turn.why_text })}</span>{" "}
          <span className="lw-dim">
            {turn.prediction === null ? t(turn.arm === "hidden" ? "annotate.withheld" : "annotate.noSuggestion") : t("annotate.suggestion", { model: turn.prediction?.predictor_title ?? "" })}
            {typeof sure === "number" ? ` · ${t("annotate.confidence", { n: Math.round(sure * 100) })}` : ""}
          </span>
        </span>
        <Clock seconds={work.activeSeconds} />
        <Button size="sm" onClick={submit} rightSection={<kbd>{keyOf("submit")}</kbd>}>{t("annotate.submit")}</Button>
      </footer>
      <Live text={announcement(work)} />
      <Drawer opened={guide} onClose={() => { setGuide(false); }} position="right" title={t("annotate.guide")}>
        <Guide guideline={guideline} questions={questions} />
      </Drawer>
      <SkipDialog
        opened={skipping}
        close={() => { setSkipping(false); region.current?.focus(); }}
        skip={(reason) => {
          setSkipping(false);
          void outbox
            .post({ id: crypto.randomUUID(), project, asset: turn.asset.id, kind: "skip", body: { reason }, at: Date.now() })
            .then(() => { queue.leave(turn.asset.id); });
        }}
      />
      <LabelSearch
        opened={searching}
        question={drawn(state, given)?.question ?? relationNamed(given, state.doc, state.pickedRelation)?.question ?? picked(state, given)?.question ?? focused(state, given)}
        close={() => { setSearching(false); region.current?.focus(); }}
        choose={(label) => { dispatch({ type: "label", label, whole: true }); }}
      />
      {linking && (
        <LinkSearch
          project={project}
          given={given}
          state={state}
          close={() => { setLinking(false); region.current?.focus(); }}
          choose={(link) => { dispatch({ type: "link", link }); }}
        />
      )}
    </div>
  );
}

function announcement(work: ReturnType<typeof useWork>): string {
  const { given, state } = work;
  const pair = drawn(state, given);
  const joined = relationNamed(given, state.doc, state.pickedRelation);
  if (pair !== null) return t("annotate.relating", { from: wordsOf(given, state, pair.from), to: wordsOf(given, state, pair.to) });
  if (joined !== null) {
    const { relation, question } = joined;
    return `${wordsOf(given, state, relation.from_id)}, ${question.labels.find((l) => l.id === relation.label)?.name ?? ""}, ${wordsOf(given, state, relation.to_id)}`;
  }
  const open = state.level[state.question];
  const nested = focused(state, given);
  if (open !== undefined && nested?.kind === "choice") return pathOf(nested.labels, open);
  const found = picked(state, given);
  if (found !== null) {
    const label = found.question.labels.find((l) => l.id === found.span.label)?.name ?? "";
    return `${given.table.slice(found.span.start, found.span.end)}, ${label}`;
  }
  const token = given.tokens[state.at];
  return token === undefined ? "" : given.table.slice(token.start, token.end);
}

/** What changed, said to a screen reader; not more often than twice a second. */
function Live({ text }: { text: string }) {
  const [said, say] = useState("");
  useEffect(() => {
    const timer = setTimeout(() => { say(text); }, 500);
    return () => { clearTimeout(timer); };
  }, [text]);
  return <div className="lw-hidden" role="status" aria-live="polite">{said}</div>;
}

function Clock({ seconds }: { seconds: () => number }) {
  const now = useSyncExternalStore(
    useCallback((listener: () => void) => {
      const timer = setInterval(listener, 1_000);
      return () => { clearInterval(timer); };
    }, []),
    seconds,
  );
  return <span className="lw-dim lw-number">{t("annotate.active", { n: now })}</span>;
}

function Metadata({ turn }: { turn: Turn }) {
  const pairs = Object.entries(turn.asset.metadata ?? {}).filter(([, value]) => value !== null && value !== "");
  if (pairs.length === 0 && turn.asset.external_id === null) return null;
  return (
    <dl className="lw-meta">
      {turn.asset.external_id !== null && <><dt>id</dt><dd>{turn.asset.external_id}</dd></>}
      {pairs.slice(0, 12).map(([key, value]) => (
        <span key={key}><dt>{key}</dt><dd>{String(value)}</dd></span>
      ))}
    </dl>
  );
}

export function Guide({ guideline, questions }: { guideline: string; questions: readonly Question[] }) {
  return (
    <>
      <p className="lw-pre">{guideline === "" ? t("annotate.noGuide") : guideline}</p>
      {questions.filter((q) => !q.retired).map((q) => (
        <section key={q.id}>
          <h3>{q.name}</h3>
          {q.instruction !== "" && <p className="lw-pre">{q.instruction}</p>}
          {"labels" in q && (
            <dl>
              {q.labels.filter((l) => !l.retired).map((l) => (
                <div key={l.id}><dt><b>{pathOf(q.labels, l.id)}</b></dt><dd>{l.definition}</dd></div>
              ))}
            </dl>
          )}
        </section>
      ))}
    </>
  );
}

function SkipDialog({ opened, close, skip }: { opened: boolean; close: () => void; skip: (reason: string) => void }) {
  const [reason, setReason] = useState("");
  return (
    <Modal opened={opened} onClose={close} title={t("annotate.skipTitle")} size="sm">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          skip(reason);
        }}
      >
        <TextInput data-autofocus label={t("annotate.skipReason")} value={reason} onChange={(e) => { setReason(e.currentTarget.value); }} maxLength={2000} />
        <Button type="submit" mt="md" fullWidth>{t("annotate.skip")}</Button>
      </form>
    </Modal>
  );
}

function LabelSearch({ opened, question, close, choose }: { opened: boolean; question: Question | undefined; close: () => void; choose: (label: string) => void }) {
  const labels = question !== undefined && "labels" in question ? question.labels.filter((l) => !l.retired && (question.kind !== "choice" || isChoosable(question, l.id))) : [];
  const title = (id: string, name: string): string => (question?.kind === "choice" && isNested(question) ? pathOf(question.labels, id) : name);
  return (
    <Modal opened={opened} onClose={close} title={t("annotate.searchLabel")} size="sm">
      {labels.length === 0 ? <Text c="dimmed">{t("annotate.noSpans")}</Text> : (
        <Select
          data-autofocus
          searchable
          defaultDropdownOpened
          aria-label={t("annotate.searchLabel")}
          data={labels.map((l) => ({ value: l.id, label: title(l.id, l.name) }))}
          onChange={(value) => {
            if (value !== null) choose(value);
            close();
          }}
        />
      )}
    </Modal>
  );
}
