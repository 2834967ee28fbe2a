/** Marks of a text in the side panel: labels with their digits, the spans and relations, least confident first. */
import { UnstyledButton } from "@mantine/core";
import { memo } from "react";

import { spanNamed } from "../../editor/relations";
import { byDoubt, drawn, relationNamed, relationsByDoubt, type Event, type Fixed, type State } from "../../editor/session";
import type { Question, RelationQuestion } from "../../editor/types";
import { Confidence, LabelChip } from "../../parts/label";
import { t } from "../../strings";
import { LinkName } from "./Links";
import { LabelRow } from "./Panel";

interface Props {
  readonly given: Fixed;
  readonly state: State;
  readonly dispatch: (event: Event) => void;
}

export function Spans({ question, given, state, dispatch, project }: Props & { question: Question & { kind: "span" }; project: number }) {
  return (
    <>
      <div role="group" aria-label={t("annotate.labels")}>
        {question.labels.filter((l) => !l.retired).map((label, i) => (
          <LabelRow
            key={label.id}
            label={label}
            digit={i}
            role="button"
            on={false}
            suggested={false}
            press={() => {
              dispatch({ type: "focus", question: question.id });
              dispatch({ type: "label", label: label.id });
            }}
          />
        ))}
      </div>
      <SpanList question={question} given={given} state={state} dispatch={dispatch} project={project} />
    </>
  );
}

/** The words of a span, by its id. */
export function wordsOf(given: Fixed, state: State, id: string): string {
  const found = spanNamed(given.questions, state.doc, id);
  return found === null ? "?" : given.table.slice(found.span.start, found.span.end);
}

/** Relations: the types with their digits, what is being joined, and what is joined already. */
export function Relations({ question, given, state, dispatch }: Props & { question: RelationQuestion }) {
  const pair = drawn(state, given);
  const mine = pair?.question.id === question.id ? pair : null;
  const active = mine !== null || relationNamed(given, state.doc, state.pickedRelation)?.question.id === question.id;
  const all = relationsByDoubt(state, question.id);
  const arrow = question.directed ? "→" : "–";
  return (
    <>
      {mine !== null && (
        <p className="lw-chosen lw-on" role="status">
          <span className="lw-grow lw-cut">{wordsOf(given, state, mine.from)} {arrow} {wordsOf(given, state, mine.to)}</span>
          <span className="lw-dim"><kbd>N</kbd> {t("annotate.relateOther")}</span>
        </p>
      )}
      <div role="group" aria-label={t("annotate.relationTypes")}>
        {question.labels.filter((l) => !l.retired).map((label, i) => (
          <LabelRow key={label.id} label={label} digit={active ? i : 99} role="button" on={false} suggested={false} press={() => { dispatch({ type: "label", label: label.id }); }} />
        ))}
      </div>
      {all.length === 0 ? (
        <p className="lw-dim">{t("annotate.noRelations")}</p>
      ) : (
        <ul className="lw-spans" aria-label={t("annotate.relations")}>
          {all.map(({ relation, suggested }) => {
            const label = question.labels.find((l) => l.id === relation.label);
            const [from, to] = [wordsOf(given, state, relation.from_id), wordsOf(given, state, relation.to_id)];
            const who = suggested ? t("annotate.byModel") : t("annotate.byPerson");
            const on = relation.id === state.pickedRelation;
            return (
              <li key={relation.id} className="lw-relation-item">
                <UnstyledButton
                  className={`lw-span-row lw-relation-row${on ? " lw-on" : ""}`}
                  aria-label={`${from}, ${label?.name ?? relation.label}, ${to}, ${who}`}
                  aria-pressed={on}
                  onClick={() => { dispatch({ type: "pick-relation", relation: on ? null : relation.id }); }}
                >
                  <span className="lw-cut lw-end">{from}</span>
                  <LabelChip name={`${label?.name ?? relation.label} ${arrow}`} colour={label?.colour ?? "#888888"} suggested={suggested} />
                  <span className="lw-cut lw-end">{to}</span>
                  {suggested ? <Confidence value={relation.score ?? null} /> : <span className="lw-dim">✓</span>}
                </UnstyledButton>
                <UnstyledButton
                  className="lw-span-row lw-remove"
                  aria-label={t("annotate.removeRelation", { from, to })}
                  onClick={() => {
                    dispatch({ type: "pick-relation", relation: relation.id });
                    dispatch({ type: "delete" });
                  }}
                >
                  ✕
                </UnstyledButton>
              </li>
            );
          })}
        </ul>
      )}
    </>
  );
}

const MOST_ROWS = 200;

interface SpanListProps extends Props {
  readonly question: Question & { kind: "span" };
  readonly project: number;
}

/** Drawn anew when the answers or the picked span change, not with every move of the caret: a book has thousands. */
const SpanList = memo(ListOfSpans, (a, b) => a.state.doc === b.state.doc && a.state.picked === b.state.picked && a.given === b.given && a.question === b.question);

function ListOfSpans({ question, given, state, dispatch, project }: SpanListProps) {
  const all = byDoubt(state, given).filter((each) => each.question === question.id);
  if (all.length === 0) return <p className="lw-dim">{t("annotate.noSpans")}</p>;
  return (
    <ul className="lw-spans" aria-label={t("annotate.spans")}>
      {all.slice(0, MOST_ROWS).map(({ span, suggested }) => {
        const label = question.labels.find((l) => l.id === span.label);
        const words = given.table.slice(span.start, span.end);
        const who = suggested ? t("annotate.byModel") : t("annotate.byPerson");
        const sure = suggested && typeof span.score === "number" ? `, ${String(Math.round(span.score * 100))} percent` : "";
        return (
          <li key={span.id}>
            <UnstyledButton
              className={`lw-span-row${span.id === state.picked ? " lw-on" : ""}`}
              aria-label={`${words}, ${label?.name ?? span.label}, ${who}${sure}`}
              aria-pressed={span.id === state.picked}
              onClick={() => {
                dispatch({ type: "pick", span: span.id });
              }}
            >
              <LabelChip name={label?.name ?? span.label} colour={label?.colour ?? "#888888"} suggested={suggested} />
              <span className="lw-grow lw-cut">
                {words}
                {(question.knowledge ?? "") !== "" && <LinkName project={project} list={question.knowledge ?? ""} link={span.link ?? null} />}
              </span>
              {suggested ? <Confidence value={span.score ?? null} /> : <span className="lw-dim">✓</span>}
            </UnstyledButton>
          </li>
        );
      })}
      {all.length > MOST_ROWS && <li className="lw-dim">{t("annotate.moreSpans", { n: all.length - MOST_ROWS })}</li>}
    </ul>
  );
}
