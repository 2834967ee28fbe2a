/** The editor of one image: rail, stage and objects, and what keys mean in it. */
import { notifications } from "@mantine/notifications";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";

import { isAsked, regionsOf } from "../../../editor/document";
import { focused } from "../../../editor/form";
import { lacking } from "../../../editor/image/commands";
import { boundsOf } from "../../../editor/image/hit";
import { digits, given as givenOf, isDrawing, start, step, toolsOf, type Event, type State, type Tool } from "../../../editor/image/session";
import { allRegions, regionNamed, selection } from "../../../editor/image/state";
import { joined } from "../../../editor/image/geometry";
import type { Answers, Point } from "../../../editor/types";
import { inDialog, typingIn } from "../../../keys";
import { t } from "../../../strings";
import { Evidence } from "../Evidence";
import { Frame, Metadata, useTurn, type EditorProps } from "../Frame";
import { Panel } from "../Panel";
import { Attributes } from "./Attributes";
import { copied, copy } from "./clipboard";
import { announcementOf, hintOf } from "./hint";
import { ImageStage, type StageControls } from "./ImageStage";
import { Regions, labelName } from "./Objects";
import { prefetch } from "./pictures";
import { Rail } from "./Rail";

const ARROWS: Readonly<Record<string, Point>> = { "nudge-left": [-1, 0], "nudge-right": [1, 0], "nudge-up": [0, -1], "nudge-down": [0, 1] };
/** How much an arrow moves with shift. */
const FAR = 10;

export default function ImageEditor(props: EditorProps) {
  const { project, turn, questions, queue } = props;
  const region = useRef<HTMLDivElement>(null);
  const stage = useRef<StageControls>(null);
  const width = turn.asset.image?.width ?? 1, height = turn.asset.image?.height ?? 1;
  const given = useMemo(() => givenOf(questions, { width, height }, () => crypto.randomUUID()), [questions, width, height]);
  const session = useMemo(
    () => ({
      start: (answers: Answers, byModel: boolean) => remembered(project, start(given, answers, byModel), given),
      step: (state: State, event: Event) => step(state, event, given),
    }),
    [given, project],
  );
  const work = useTurn(session, props);
  const { state, latest, dispatch } = work;
  const tools = useMemo(() => toolsOf(given, state.doc), [given, state.doc]);
  const [panning, setPanning] = useState(false);

  // The tool and the labels in hand stay for the next image.
  useEffect(() => { inHand.set(project, { tool: state.tool, labels: state.labels, brush: state.brush }); }, [project, state.tool, state.labels, state.brush]);
  useEffect(() => {
    prefetch(project, queue.ahead.slice(0, 3));
  }, [project, queue.ahead]);

  const zoom = useCallback((id: string) => {
    const found = regionNamed(given, latest.current.doc, id);
    const box = found === null ? null : boundsOf(found.region.shape);
    dispatch({ type: "pick", regions: [id] });
    if (box !== null) stage.current?.show(box);
  }, [given, latest, dispatch]);

  /** After a walk: the view pans when the object is out of sight. */
  const seen = useRef<string | null>(null);
  const walked = useRef(false);
  const first = state.selected[0] ?? null;
  useEffect(() => {
    if (first !== seen.current && walked.current) {
      const found = regionNamed(given, latest.current.doc, first);
      const box = found === null ? null : boundsOf(found.region.shape);
      if (box !== null) stage.current?.reveal(box);
    }
    walked.current = false;
    seen.current = first;
  }, [first, given, latest]);
  useEffect(() => {
    const { crosshair } = state;
    if (crosshair !== null) stage.current?.reveal({ minX: crosshair[0], minY: crosshair[1], maxX: crosshair[0], maxY: crosshair[1] });
  }, [state]);

  const held = useSpace(region, setPanning, () => {
    const here = latest.current;
    const at = stage.current;
    if (at !== null) dispatch({ type: "place", from: here.pointer ?? at.centre(), scale: at.scale() });
  });
  useEffect(() => {
    const up = (event: KeyboardEvent): void => {
      if (event.key.toUpperCase() === "H") dispatch({ type: "bare", on: false });
    };
    const away = (): void => { dispatch({ type: "bare", on: false }); };
    window.addEventListener("keyup", up);
    window.addEventListener("blur", away);
    return () => {
      window.removeEventListener("keyup", up);
      window.removeEventListener("blur", away);
    };
  }, [dispatch]);

  /** Do it, or say why it does nothing. */
  const attempt = (event: Event, why: string): void => {
    if (step(state, event, given).revision === state.revision) notifications.show({ id: "nothing", message: why });
    dispatch(event);
  };

  const act = (id: string, native: KeyboardEvent): boolean => {
    const direction = ARROWS[id];
    if (direction !== undefined) {
      const by = native.shiftKey ? FAR : 1;
      const from = state.pointer ?? stage.current?.centre() ?? [width / 2, height / 2];
      dispatch({ type: "arrow", dx: direction[0] * by, dy: direction[1] * by, from });
      return true;
    }
    if (id.startsWith("tool-")) {
      const tool = id.slice("tool-".length) as Tool;
      if (tool === "select" && (state.mode.kind === "points.drawing" || state.mode.kind === "handle.moving")) dispatch({ type: "visibility" });
      else if (!tools.includes(tool)) notifications.show({ id: "tool", message: t("drawing.noTool") });
      else dispatch({ type: "tool", tool });
      return true;
    }
    switch (id) {
      case "submit":
        if (!isDrawing(state) || native.ctrlKey || native.metaKey) return false;
        dispatch({ type: "finish" });
        return true;
      case "reject":
        dispatch({ type: "reject" });
        return true;
      case "walk":
      case "walk-back":
        walked.current = true;
        return false;
      case "place":
        held();
        return true;
      case "cutting":
        dispatch({ type: "cutting", on: !state.cutting });
        return true;
      case "brush-smaller":
      case "brush-larger":
        dispatch({ type: "brush", radius: brushAfter(state.brush, id === "brush-larger" ? 1 : -1) });
        return true;
      case "next-point":
      case "previous-point":
        dispatch({ type: "walk-points", by: id === "next-point" ? 1 : -1 });
        return true;
      case "image-next-question":
      case "image-previous-question":
        dispatch({ type: "next-question", by: id === "image-next-question" ? 1 : -1 });
        return true;
      case "fit":
        stage.current?.fit();
        return true;
      case "zoom-selection": {
        const boxes = selection(state, given).flatMap((each) => boundsOf(each.region.shape) ?? []);
        if (boxes.length > 0) stage.current?.show(boxes.reduce(joined));
        else stage.current?.fit();
        return true;
      }
      case "zoom-in":
      case "zoom-out":
        stage.current?.zoom(id === "zoom-in" ? 1.25 : 0.8);
        return true;
      case "copy": {
        const chosen = selection(state, given);
        if (chosen.length === 0) return true;
        copy(project, chosen.map((each) => ({ question: each.question.id, region: each.region })));
        notifications.show({ id: "copied", message: t("drawing.copied", { n: chosen.length }) });
        return true;
      }
      case "paste": {
        const there = copied(project);
        attempt({ type: "paste", copied: there }, t(there.length === 0 ? "drawing.nothingToPaste" : "drawing.notPasted"));
        return true;
      }
      case "merge":
        attempt({ type: "merge" }, t("drawing.mergeNeeds"));
        return true;
      case "cut":
        attempt({ type: "cut" }, t("drawing.mergeNeeds"));
        return true;
      case "convert":
        attempt({ type: "convert" }, t("drawing.convertNeeds"));
        return true;
      case "to-front":
      case "to-back":
        dispatch({ type: "order", to: id === "to-front" ? "front" : "back" });
        return true;
      case "bare":
        dispatch({ type: "bare", on: true });
        return true;
      case "hide":
        if (state.selected.length > 0) dispatch({ type: "hide", regions: state.selected, on: !state.selected.every((each) => state.hidden.has(each)) });
        else dispatch({ type: "hide", regions: [...state.hidden], on: false });
        return true;
      case "lock":
        dispatch({ type: "lock", regions: state.selected, on: !state.selected.every((each) => state.locked.has(each)) });
        return true;
      case "select-all":
      case "duplicate":
        dispatch({ type: id });
        return true;
      default:
        return false;
    }
  };

  const refuse = useCallback((): string | null => {
    // Nobody answers for an image that was not seen.
    if (stage.current?.isShown() !== true) return t("drawing.notSeen");
    // What is half drawn is finished, or it would be lost.
    dispatch({ type: "finish" });
    const open = lacking(given, latest.current.doc);
    const [one] = open;
    if (one === undefined) return null;
    walked.current = true;
    dispatch({ type: "pick", regions: [one.region.id] });
    return t("drawing.lacks", { n: open.length, name: labelName(one), what: one.attributes.map((each) => each.name).join(", ") });
  }, [dispatch, latest, given]);

  const hint = hintOf(state, given);
  const question = focused(state, given);
  const count = useMemo(() => allRegions(given, state.doc).length, [given, state.doc]);
  const chosen = useCallback((tool: Tool) => { dispatch({ type: "tool", tool }); }, [dispatch]);
  const cut = useCallback(() => { dispatch({ type: "cutting", on: !latest.current.cutting }); }, [dispatch, latest]);
  const { doc, selected, hidden, locked, labels, level, newest } = state;
  // The pointer moves often and changes nothing here.
  const panel = useMemo(
    () => (
      <>
        <Panel
          given={given}
          state={latest.current}
          turn={turn}
          dispatch={dispatch}
          marks={(q) => (q.kind === "region" && isAsked(q, doc) ? <Regions question={q} given={given} state={latest.current} dispatch={dispatch} zoom={zoom} /> : null)}
        />
        <Attributes given={given} state={latest.current} dispatch={dispatch} />
        {turn.prediction && <Evidence prediction={turn.prediction} questions={given.questions} go={() => undefined} />}
        <Metadata turn={turn} />
      </>
    ),
    // eslint-disable-next-line react-hooks/exhaustive-deps -- `latest` is read, these are the parts of it that show
    [given, turn, dispatch, zoom, doc, selected, hidden, locked, labels, level, newest, state.question],
  );

  return (
    <Frame
      {...props}
      className="lw-with-rail"
      region={region}
      given={given}
      state={state}
      dispatch={dispatch}
      work={work}
      scopes={["image", "item"]}
      act={act}
      digits={selected.length > 0 || (question !== undefined && "labels" in question) ? digits(state, given) : null}
      answers={(label) => step(state, { type: "label", label }, given).revision > state.revision}
      searched={selection(state, given)[0]?.question ?? question}
      refuse={refuse}
      announcement={announcementOf(state, given, hint)}
      tools={<Rail tools={tools} tool={state.tool} cutting={state.cutting} choose={chosen} cut={cut} />}
      stage={<ImageStage ref={stage} project={project} turn={turn} given={given} state={state} dispatch={dispatch} hint={hint} panning={panning} count={count} />}
      panel={panel}
    />
  );
}

interface InHand {
  readonly tool: Tool;
  readonly labels: State["labels"];
  readonly brush: number;
}

/** Project -> what the person had in hand on the image before. */
const inHand = new Map<number, InHand>();

function remembered(project: number, state: State, given: ReturnType<typeof givenOf>): State {
  const before = inHand.get(project);
  if (before === undefined) return withFirstRegions(state, given);
  const tool = toolsOf(given, state.doc).includes(before.tool) ? before.tool : "select";
  return withFirstRegions({ ...state, tool, labels: before.labels, brush: before.brush }, given);
}

/** With marks of a model to judge, the select tool is in hand: N and Y go through them. */
function withFirstRegions(state: State, given: ReturnType<typeof givenOf>): State {
  const judged = given.questions.some((q) => q.kind === "region" && regionsOf(state.doc, q.id).length > 0 && (state.doc[q.id]?.suggested.length ?? 0) > 0);
  return judged ? { ...state, tool: "select" } : state;
}

function brushAfter(now: number, by: 1 | -1): number {
  const next = by === 1 ? now * 1.25 : now / 1.25;
  return next < 4 ? now + by * 0.5 : Math.round(next);
}

/** Space held pans with the pointer; tapped it places. Returns what its key press calls. */
function useSpace(region: React.RefObject<HTMLDivElement | null>, setPanning: (on: boolean) => void, tap: () => void): () => void {
  const down = useRef(false);
  const moved = useRef(false);
  const latest = useRef(tap);
  latest.current = tap;
  useEffect(() => {
    const element = region.current;
    const drag = (): void => { if (down.current) moved.current = true; };
    const up = (event: KeyboardEvent): void => {
      if (event.key !== " " || !down.current) return;
      down.current = false;
      setPanning(false);
      if (!moved.current && !inDialog(event.target) && !typingIn(event.target)) latest.current();
    };
    const away = (): void => {
      down.current = false;
      setPanning(false);
    };
    element?.addEventListener("pointerdown", drag);
    window.addEventListener("keyup", up);
    window.addEventListener("blur", away);
    return () => {
      element?.removeEventListener("pointerdown", drag);
      window.removeEventListener("keyup", up);
      window.removeEventListener("blur", away);
    };
  }, [region, setPanning]);
  return useCallback(() => {
    if (down.current) return;
    down.current = true;
    moved.current = false;
    setPanning(true);
  }, [setPanning]);
}
