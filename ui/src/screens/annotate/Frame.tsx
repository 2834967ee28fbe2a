/** What every editor stands in: the side panel, the footer, keys, submitting, skipping, taking back, the guideline. */
import { Alert, Button, Drawer, Modal, Select, Text, TextInput } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useCallback, useEffect, useLayoutEffect, useRef, useState, useSyncExternalStore, type ReactNode } from "react";

import { ApiError } from "../../api/client";
import { isAsked, slotOf } from "../../editor/document";
import { focused, type FormEvent, type FormGiven, type FormState } from "../../editor/form";
import { isChoosable, isNested, pathOf } from "../../editor/nested";
import type { Label, Question } from "../../editor/types";
import { digitOf, inDialog, keyOf, match, ownsKey, typingIn, type Scope } from "../../keys";
import type { Outbox } from "../../outbox/outbox";
import { t } from "../../strings";
import { scale } from "./Panel";
import type { Queue, Turn } from "./queue";
import { takeBack } from "./takeBack";
import { useWork, type Session, type Work } from "./useWork";

export interface EditorProps {
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


/** What every editor understands. */
export type CommonEvent =
  | FormEvent
  | { type: "label"; label: string; whole?: boolean }
  | { type: "walk"; by: 1 | -1 }
  | { type: "delete" }
  | { type: "confirm" }
  | { type: "cancel" };

/** The work on one turn; once handed in, the queue goes on. */
export function useTurn<S extends FormState, E extends { type: string }>(session: Session<S, E>, { project, turn, queue, questions, outbox, idleAfterMs, onDone }: EditorProps): Work<S, E> {
  const leave = useCallback(() => {
    onDone();
    queue.leave(turn.asset.id);
  }, [onDone, queue, turn.asset.id]);
  return useWork(session, project, turn, questions, outbox, idleAfterMs, leave);
}

interface FrameProps extends EditorProps {
  readonly given: FormGiven;
  readonly state: FormState;
  readonly dispatch: (event: CommonEvent) => void;
  readonly work: Pick<Work<FormState, never>, "restored" | "submit" | "saveNow" | "activeSeconds">;
  readonly scopes: readonly Scope[];
  /** What the editor makes of a key; false: the frame does what it does everywhere. */
  readonly act: (id: string, event: KeyboardEvent) => boolean;
  /** Labels that digits mean now; null where a digit answers a number. */
  readonly digits: readonly Label[] | null;
  /** The state after choosing a label, to tell an answer from opening a level. */
  readonly answers: (label: string) => boolean;
  /** The question whose labels can be searched. */
  readonly searched: Question | undefined;
  /** Why this cannot be submitted yet, besides questions without an answer; the editor points at it. */
  readonly refuse?: () => string | null;
  readonly announcement: string;
  readonly tools?: ReactNode;
  readonly stage: ReactNode;
  readonly notice?: ReactNode;
  readonly panel: ReactNode;
  /** Dialogs of the editor. */
  readonly children?: ReactNode;
  readonly region: React.RefObject<HTMLDivElement | null>;
  readonly className?: string;
}

export function Frame(props: FrameProps) {
  const { project, turn, queue, questions, guideline, autoSubmit, outbox, given, state, dispatch, work, region } = props;
  const [guide, setGuide] = useState(false);
  const [skipping, setSkipping] = useState(false);
  const [searching, setSearching] = useState(false);
  const [lacking, setLacking] = useState<readonly Question[]>([]);
  const [refused, setRefused] = useState<string | null>(null);

  // Before the first paint, so that not even the fastest key press is lost.
  useLayoutEffect(() => {
    region.current?.focus({ preventScroll: true });
  }, [region]);
  useEffect(() => {
    if (work.restored) notifications.show({ id: "restored", message: t("annotate.draftRestored") });
  }, [work.restored]);

  const { refuse } = props;
  const submit = useCallback(() => {
    const why = refuse?.() ?? null;
    setRefused(why);
    if (why !== null) return;
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
  }, [work, dispatch, refuse]);
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
    const digit = typing ? undefined : digitOf(native);
    if (digit !== undefined && focused(state, given) !== undefined) {
      event.preventDefault();
      byDigit(digit);
      return;
    }
    const binding = match(native, props.scopes);
    if (binding === undefined) return;
    // In a text field only Escape and combinations with ctrl are ours.
    if (typing && !native.ctrlKey && !native.metaKey && native.key !== "Escape") return;
    if (typing && (binding.id === "undo" || binding.id === "redo")) return;
    // Buttons keep their own Enter and Space.
    if (ownsKey(native)) return;
    event.preventDefault();
    if (!props.act(binding.id, native)) act(binding.id);
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
    if (event.detail > 0 && event.target instanceof Element && event.target.closest(".lw-label-row, .lw-span-row, .lw-crumb, .lw-scale button, .lw-rail button, .lw-small, .lw-image-bar button, mark") !== null) {
      region.current?.focus({ preventScroll: true });
    }
  };

  const byDigit = (digit: number): void => {
    const question = focused(state, given);
    if (props.digits !== null) {
      const label = props.digits[digit];
      if (label === undefined) return;
      // Opening a level of nested labels answers nothing yet.
      const answers = props.answers(label.id);
      dispatch({ type: "label", label: label.id });
      if (answers && autoSubmit && question?.kind === "choice" && !question.multiple && given.questions.filter((q) => isAsked(q, state.doc)).length === 1) setTimeout(submit, 0);
    } else if (question?.kind === "scalar") {
      const steps = scale(question);
      const wanted = question.type === "boolean" ? steps?.[digit] : steps?.find((s) => s.value === (digit + 1) % 10);
      if (wanted !== undefined) dispatch({ type: "answer", question: question.id, answer: { kind: "scalar", value: wanted.value } });
    }
  };

  const act = (id: string): void => {
    switch (id) {
      case "submit":
        submit();
        return;
      case "skip":
        setSkipping(true);
        return;
      case "reject": {
        const question = focused(state, given);
        const marked = question?.kind === "span" || question?.kind === "relation" || question?.kind === "region";
        if (question !== undefined && !marked && slotOf(state.doc, question.id).answer !== null) dispatch({ type: "answer", question: question.id, answer: null });
        return;
      }
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
      case "walk":
      case "walk-back":
        dispatch({ type: "walk", by: id === "walk" ? 1 : -1 });
        return;
      case "next-question":
      case "previous-question":
        dispatch({ type: "next-question", by: id === "next-question" ? 1 : -1 });
        return;
      case "undo":
      case "redo":
      case "delete":
      case "confirm":
      case "cancel":
        dispatch({ type: id });
    }
  };

  const sure = turn.asset.confidence;
  return (
    // The region takes the single keys; they never fire while a field outside of it has the focus.
    <div className={`lw-work ${props.className ?? ""}`} ref={region} tabIndex={-1} onKeyDown={(event) => { press(event.nativeEvent); }} onClick={refocus}>
      {props.tools}
      <main className="lw-stage" id="main">{props.stage}</main>
      <aside className="lw-side" aria-label={t("annotate.labels")}>
        {lacking.length > 0 && <Alert color="yellow" role="alert" mb="sm">{t("annotate.missing", { names: lacking.map((q) => q.name).join(", ") })}</Alert>}
        {refused !== null && <Alert color="yellow" role="alert" mb="sm">{refused}</Alert>}
        {props.notice}
        {props.panel}
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
      <Live text={props.announcement} />
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
        question={props.searched}
        close={() => { setSearching(false); region.current?.focus(); }}
        choose={(label) => { dispatch({ type: "label", label, whole: true }); }}
      />
      {props.children}
    </div>
  );
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

export function Metadata({ turn }: { turn: Turn }) {
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
