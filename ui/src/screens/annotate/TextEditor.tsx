/** The editor of one text: its stage, its marks in the panel, and what keys mean in it. */
import { Alert } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMemo, useRef, useState } from "react";

import { focused } from "../../editor/form";
import { pathOf } from "../../editor/nested";
import { byDoubt, digits, drawn, fixed, picked, relationNamed, start, step, type Event, type Fixed, type State } from "../../editor/session";
import { FlagNotice, type Flag } from "../../parts/flags";
import { t } from "../../strings";
import { Evidence } from "./Evidence";
import { Frame, Metadata, useTurn, type EditorProps } from "./Frame";
import { LinkSearch } from "./Links";
import { Panel } from "./Panel";
import { Relations, Spans, wordsOf } from "./Spans";
import { TextStage } from "./TextStage";

const NO_PIECES: readonly { readonly start: number }[] = [];
const NO_FLAGS: readonly Flag[] = [];

export function TextEditor(props: EditorProps) {
  const { project, turn, questions } = props;
  const region = useRef<HTMLDivElement>(null);
  const [reveal, setReveal] = useState(false);
  const [linking, setLinking] = useState(false);
  const given = useMemo(() => fixed(questions, turn.asset.text ?? "", () => crypto.randomUUID()), [questions, turn]);
  const session = useMemo(
    () => ({ start: (answers: Parameters<typeof start>[1], byModel: boolean) => start(given, answers, byModel), step: (state: State, event: Event) => step(state, event, given) }),
    [given],
  );
  const work = useTurn(session, props);
  const { state, dispatch } = work;

  const act = (id: string): boolean => {
    switch (id) {
      case "submit":
        if (state.moving) dispatch({ type: "move-borders" });
        else if (state.relating !== null) {
          const [only, ...others] = digits(state, given);
          if (only !== undefined && others.length === 0) dispatch({ type: "label", label: only.id });
          else notifications.show({ id: "relate", message: t("annotate.relateType") });
        } else return false;
        return true;
      case "reject":
        if (state.picked === null && state.pickedRelation === null) return false;
        dispatch({ type: "delete" });
        return true;
      case "left":
      case "right": {
        const by = id === "left" ? -1 : 1;
        dispatch(state.moving ? { type: "border", end: "end", by } : { type: "move", by });
        return true;
      }
      case "extend-left":
      case "extend-right": {
        const by = id === "extend-left" ? -1 : 1;
        dispatch(state.moving ? { type: "border", end: "start", by } : { type: "move", by, extend: true });
        return true;
      }
      case "extend-char":
      case "shrink-char":
        dispatch({ type: "move", by: id === "extend-char" ? 1 : -1, extend: true, characters: true });
        return true;
      case "first":
      case "last":
        dispatch({ type: "edge", to: id === "first" ? "start" : "end" });
        return true;
      case "borders":
        dispatch({ type: "move-borders" });
        return true;
      case "pick": {
        const here = given.tokens[state.at];
        if (here === undefined) return true;
        const over = byDoubt(state, given).filter(({ span }) => span.start < here.end && here.start < span.end);
        const next = over[(over.findIndex((each) => each.span.id === state.picked) + 1) % Math.max(over.length, 1)];
        if (next !== undefined) dispatch({ type: "pick", span: next.span.id });
        return true;
      }
      case "relate": {
        if (step(state, { type: "relate" }, given) === state) notifications.show({ id: "relate", message: t(state.picked === null ? "annotate.relatePick" : "annotate.relateNothing") });
        dispatch({ type: "relate" });
        return true;
      }
      case "link": {
        const found = picked(state, given);
        if (found === null) notifications.show({ id: "link", message: t("annotate.linkPick") });
        else if ((found.question.knowledge ?? "") === "") notifications.show({ id: "link", message: t("annotate.linkNone") });
        else setLinking(true);
        return true;
      }
      case "everywhere": {
        if (picked(state, given) === null) return true;
        const added = byDoubt(step(state, { type: "everywhere" }, given), given).length - byDoubt(state, given).length;
        notifications.show({ message: t("annotate.everywhere", { n: added }) });
        dispatch({ type: "everywhere" });
        return true;
      }
      case "again":
        dispatch({ type: "again" });
        return true;
      default:
        return false;
    }
  };

  const question = focused(state, given);
  const hasText = given.questions.some((q) => q.kind === "span");
  const flags = turn.flags ?? NO_FLAGS;
  return (
    <Frame
      {...props}
      region={region}
      given={given}
      state={state}
      dispatch={dispatch}
      work={work}
      scopes={hasText ? ["text", "item", "form"] : ["item", "form"]}
      act={act}
      digits={(question !== undefined && "labels" in question) || state.relating !== null ? digits(state, given) : null}
      answers={(label) => step(state, { type: "label", label }, given).revision > state.revision}
      searched={drawn(state, given)?.question ?? relationNamed(given, state.doc, state.pickedRelation)?.question ?? picked(state, given)?.question ?? question}
      announcement={announcement(given, state)}
      stage={
        <>
          <FlagNotice flags={flags} shown={reveal} show={setReveal} />
          <TextStage given={given} state={state} pieces={turn.prediction?.pieces ?? NO_PIECES} dispatch={dispatch} flags={flags} reveal={reveal} />
          <Metadata turn={turn} />
        </>
      }
      notice={state.moving && <Alert mb="sm">{t("annotate.moveBorders")}</Alert>}
      panel={
        <>
          <Panel
            given={given}
            state={state}
            turn={turn}
            dispatch={dispatch}
            marks={(q) =>
              q.kind === "span" ? <Spans question={q} given={given} state={state} dispatch={dispatch} project={project} />
              : q.kind === "relation" ? <Relations question={q} given={given} state={state} dispatch={dispatch} /> : null
            }
          />
          {turn.prediction && <Evidence prediction={turn.prediction} questions={given.questions} go={(point) => { dispatch({ type: "place", point }); }} />}
        </>
      }
    >
      {linking && (
        <LinkSearch
          project={project}
          given={given}
          state={state}
          close={() => { setLinking(false); region.current?.focus(); }}
          choose={(link) => { dispatch({ type: "link", link }); }}
        />
      )}
    </Frame>
  );
}

function announcement(given: Fixed, state: State): string {
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
