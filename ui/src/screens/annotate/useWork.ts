/** The work on one asset: the editor's state, its draft, active time, and handing it in. */
import { useCallback, useEffect, useMemo, useRef, useState } from "react";

import { api } from "../../api/client";
import { answersOf, missing } from "../../editor/document";
import type { FormState } from "../../editor/form";
import { active } from "../../editor/time";
import type { Answers, Question } from "../../editor/types";
import type { Outbox } from "../../outbox/outbox";
import type { Turn } from "./queue";
import { useActivity } from "./useActivity";

/** The pure editor of one kind of asset: what `useWork` needs of it. */
export interface Session<S extends FormState, E> {
  readonly start: (answers: Answers, byModel: boolean) => S;
  readonly step: (state: S, event: E) => S;
}

export interface Work<S extends FormState, E> {
  readonly state: S;
  /** The newest state, which may not be drawn yet. */
  readonly latest: { readonly current: S };
  readonly dispatch: (event: E) => void;
  readonly restored: boolean;
  readonly activeSeconds: () => number;
  /** Questions that still need an answer; empty when it was handed in. */
  readonly submit: () => Promise<Question[]>;
  readonly saveNow: () => void;
}

const DRAFT_HERE_MS = 400;
const DRAFT_SERVER_MS = 4_000;

export function useWork<S extends FormState, E extends { type: string }>(
  session: Session<S, E>, project: number, turn: Turn, questions: readonly Question[], outbox: Outbox, idleAfterMs: number, onLeave: (id: string) => void,
): Work<S, E> {
  const [restored, setRestored] = useState(false);
  const begin = useMemo(() => {
    const own = (turn.draft?.answers ?? turn.answers) as Answers | null | undefined;
    return session.start(own ?? ((turn.prediction?.answers ?? {}) as Answers), !own);
  }, [session, turn]);
  const [state, set] = useState(begin);
  // Ahead of what is drawn: what is handed in holds the newest step, and fast keys build on one another.
  const latest = useRef(state);
  const become = useCallback((next: S) => {
    latest.current = next;
    set(next);
  }, []);
  const dispatch = useCallback((event: E) => { become(session.step(latest.current, event)); }, [become, session]);
  const revision = useRef(turn.draft?.revision ?? 0);
  const activity = useActivity(turn.asset.id, idleAfterMs);
  const opened = useRef(performance.now());
  const handedIn = useRef(false);

  useEffect(() => {
    let here = true;
    void outbox.draft(project, turn.asset.id).then((draft) => {
      if (!here || draft === undefined || draft.revision < (turn.draft?.revision ?? 0)) return;
      revision.current = draft.revision;
      become({ ...begin, doc: draft.doc, revision: begin.revision });
      setRestored(true);
    });
    return () => {
      here = false;
    };
  }, [outbox, project, turn, begin, become]);

  const saveHere = useCallback(() => {
    revision.current += 1;
    return outbox.saveDraft(project, turn.asset.id, { doc: latest.current.doc, revision: revision.current, at: Date.now() });
  }, [outbox, project, turn]);
  const saveThere = useCallback(() => {
    const body = { answers: answersOf(questions, latest.current.doc) as never, prediction_id: turn.prediction?.id ?? null, revision: revision.current };
    void api
      .PUT("/api/projects/{project_id}/assets/{asset_id}/draft", { params: { path: { project_id: project, asset_id: turn.asset.id } }, body })
      .catch(() => undefined);
  }, [project, turn, questions]);

  useEffect(() => {
    if (state.revision === 0) return;
    const here = setTimeout(() => void saveHere(), DRAFT_HERE_MS);
    const there = setTimeout(saveThere, DRAFT_SERVER_MS);
    return () => {
      clearTimeout(here);
      clearTimeout(there);
    };
  }, [state.revision, saveHere, saveThere]);

  useEffect(() => {
    // A page that goes away (closed, reloaded, a phone that sleeps) keeps what was not yet saved.
    const going = (): void => {
      if (latest.current.revision > 0 && !handedIn.current) void saveHere();
    };
    window.addEventListener("pagehide", going);
    document.addEventListener("visibilitychange", going);
    return () => {
      window.removeEventListener("pagehide", going);
      document.removeEventListener("visibilitychange", going);
    };
  }, [saveHere]);

  const submit = useCallback(async () => {
    const lacking = missing(questions, latest.current.doc);
    if (lacking.length > 0) return lacking;
    // A second Enter before the screen has moved on must not make a second submission.
    if (handedIn.current) return [];
    handedIn.current = true;
    const time = active(activity.current, performance.now(), idleAfterMs);
    const id = crypto.randomUUID();
    try {
      await outbox.post({
      id,
      project,
      asset: turn.asset.id,
      kind: "annotation",
      at: Date.now(),
      body: {
        id,
        answers: answersOf(questions, latest.current.doc),
        ontology_version: turn.ontology_version,
        prediction_id: turn.prediction?.id ?? null,
        parent_id: turn.parent_id ?? null,
        time: { active_ms: Math.round(time.active), idle_ms: Math.round(time.idle), wait_ms: 0 },
      },
      });
    } catch (failure) {
      handedIn.current = false;
      throw failure;
    }
    onLeave(id);
    return [];
  }, [questions, outbox, project, turn, idleAfterMs, onLeave, activity]);

  return {
    state,
    latest,
    dispatch,
    restored,
    activeSeconds: () => Math.round((activity.current.last === null ? activity.current.active : activity.current.active + Math.min(performance.now() - (activity.current.last ?? opened.current), idleAfterMs)) / 1000),
    submit,
    saveNow: () => {
      void saveHere().then(saveThere);
    },
  };
}
