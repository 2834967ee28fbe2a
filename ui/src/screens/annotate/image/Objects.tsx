/** The twin of the canvas that can be read and operated: every object as a row, the least certain first. */
import { Button, UnstyledButton } from "@mantine/core";
import { memo } from "react";

import { byDoubt, type Event, type Found, type Given, type State } from "../../../editor/image/state";
import type { RegionQuestion } from "../../../editor/types";
import { Confidence, LabelChip } from "../../../parts/label";
import { t } from "../../../strings";
import { LabelRow } from "../Panel";

interface Props {
  readonly question: RegionQuestion;
  readonly given: Given;
  readonly state: State;
  readonly dispatch: (event: Event) => void;
  /** Show an object as large as fits. */
  readonly zoom: (id: string) => void;
}

const MOST_ROWS = 200;

/** Labels with their digits, the one that is drawn next marked; beneath them the objects. */
export function Regions(props: Props) {
  const { question, state, dispatch } = props;
  const active = question.labels.filter((label) => !label.retired);
  const next = active.find((label) => label.id === state.labels[question.id]) ?? active[0];
  return (
    <>
      <div role="group" aria-label={t("annotate.labels")}>
        {active.map((label, i) => (
          <LabelRow
            key={label.id}
            label={label}
            digit={i}
            role="button"
            on={label.id === next?.id}
            mark={t("drawing.next")}
            suggested={false}
            press={() => {
              if (state.selected.length === 0) dispatch({ type: "focus", question: question.id });
              dispatch({ type: "label", label: label.id });
            }}
          />
        ))}
      </div>
      <Objects {...props} />
    </>
  );
}

/** Drawn anew when the answers or the selection change, not with every move of the pointer. */
const Objects = memo(ListOfObjects, (a, b) =>
  a.state.doc === b.state.doc && a.state.selected === b.state.selected && a.state.hidden === b.state.hidden && a.state.locked === b.state.locked && a.given === b.given && a.question === b.question && a.zoom === b.zoom);

function ListOfObjects({ question, given, state, dispatch, zoom }: Props) {
  const all = byDoubt(given, state.doc).filter((each) => each.question.id === question.id);
  if (all.length === 0) return <p className="lw-dim">{t("drawing.nothing")}</p>;
  const selected = new Set(state.selected);
  const shown = all.filter(({ region }, i) => i < MOST_ROWS || selected.has(region.id));
  const hidden = all.filter(({ region }) => state.hidden.has(region.id)).map(({ region }) => region.id);
  return (
    <>
      <p className="lw-row lw-dim lw-objects-head">
        <span className="lw-grow">{t("drawing.objects", { n: all.length })}</span>
        {hidden.length > 0 && <Button size="compact-xs" variant="subtle" onClick={() => { dispatch({ type: "hide", regions: hidden, on: false }); }}>{t("drawing.showAll", { n: hidden.length })}</Button>}
      </p>
      <ul className="lw-spans lw-objects" aria-label={t("drawing.objectList")}>
        {shown.map((each) => <Row key={each.region.id} found={each} on={selected.has(each.region.id)} hidden={state.hidden.has(each.region.id)} locked={state.locked.has(each.region.id)} dispatch={dispatch} zoom={zoom} />)}
        {all.length > shown.length && <li className="lw-dim">{t("drawing.more", { n: all.length - shown.length })}</li>}
      </ul>
    </>
  );
}

interface RowProps {
  readonly found: Found;
  readonly on: boolean;
  readonly hidden: boolean;
  readonly locked: boolean;
  readonly dispatch: Props["dispatch"];
  readonly zoom: Props["zoom"];
}

const Row = memo(
  function Row({ found, on, hidden, locked, dispatch, zoom }: RowProps) {
    const { region, suggested } = found;
    const name = describe(found);
    const lacks = lacksAttributes(found);
    return (
      <li className={`lw-object${on ? " lw-on" : ""}`}>
        <UnstyledButton
          className="lw-span-row"
          aria-label={name}
          aria-pressed={on}
          onClick={(event) => { dispatch({ type: "pick", regions: [region.id], add: event.shiftKey || event.ctrlKey || event.metaKey }); }}
          onDoubleClick={() => { zoom(region.id); }}
        >
          <LabelChip name={labelName(found)} colour={labelColour(found)} suggested={suggested} muted={hidden} />
          <span className="lw-grow lw-cut lw-dim">{t(`drawing.kind.${region.shape.kind}`)}{lacks && ` · ${t("drawing.incomplete")}`}</span>
          {suggested ? <Confidence value={region.score ?? null} /> : <span className="lw-dim">✓</span>}
        </UnstyledButton>
        <Small label={t("drawing.zoomTo", { name })} press={() => { zoom(region.id); }} icon="M10 3v4M10 13v4M3 10h4M13 10h4M10 6a4 4 0 110 8 4 4 0 010-8z" />
        <Small label={t(hidden ? "drawing.show" : "drawing.hide", { name })} on={hidden} press={() => { dispatch({ type: "hide", regions: [region.id], on: !hidden }); }} icon={hidden ? "M2 10c4-6 12-6 16 0-4 6-12 6-16 0zM3 17L17 3" : "M2 10c4-6 12-6 16 0-4 6-12 6-16 0zM10 8a2 2 0 110 4 2 2 0 010-4z"} />
        <Small label={t(locked ? "drawing.unlock" : "drawing.lock", { name })} on={locked} press={() => { dispatch({ type: "lock", regions: [region.id], on: !locked }); }} icon={locked ? "M4 9h12v8H4zM7 9V6a3 3 0 016 0v3" : "M4 9h12v8H4zM7 9V6a3 3 0 016-1"} />
      </li>
    );
  },
  (a, b) => a.found.region === b.found.region && a.found.suggested === b.found.suggested && a.on === b.on && a.hidden === b.hidden && a.locked === b.locked && a.zoom === b.zoom,
);

function Small({ label, press, on, icon }: { label: string; press: () => void; on?: boolean; icon: string }) {
  return (
    <UnstyledButton className="lw-small" aria-label={label} title={label} {...(on === undefined ? {} : { "aria-pressed": on })} onClick={press}>
      <svg viewBox="0 0 20 20" aria-hidden><path d={icon} /></svg>
    </UnstyledButton>
  );
}

/** "Car, box, model, 41 percent". */
export function describe(found: Found): string {
  const { region, suggested } = found;
  const parts = [labelName(found), t(`drawing.kind.${region.shape.kind}`), t(suggested ? "annotate.byModel" : "annotate.byPerson")];
  if (suggested && typeof region.score === "number") parts.push(t("drawing.percent", { n: Math.round(region.score * 100) }));
  return parts.join(", ");
}

export function labelName({ question, region }: Pick<Found, "question" | "region">): string {
  return question.labels.find((label) => label.id === region.label)?.name ?? region.label;
}

function labelColour({ question, region }: Found): string {
  return question.labels.find((label) => label.id === region.label)?.colour ?? "#888888";
}

function lacksAttributes({ question, region }: Found): boolean {
  return (question.labels.find((label) => label.id === region.label)?.attributes ?? []).some((each) => each.required === true && region.attributes?.[each.id] === undefined);
}
