/** The side panel: every question with its labels and keys, and the marked spans, lowest confidence first. */
import { Button, NumberInput, Textarea, UnstyledButton } from "@mantine/core";
import { memo, useState } from "react";

import { fits, isAsked, slotOf } from "../../editor/document";
import { childrenOf, isNested, levelOf, pathOf } from "../../editor/nested";
import { spanNamed } from "../../editor/relations";
import { byDoubt, drawn, relationNamed, relationsByDoubt, type Event, type Fixed, type State } from "../../editor/session";
import type { Answer, ChoiceQuestion, Label, Question, RelationQuestion } from "../../editor/types";
import { Confidence, LabelChip } from "../../parts/label";
import { t } from "../../strings";
import { LinkName } from "./Links";
import type { Turn } from "./queue";

interface Props {
  readonly given: Fixed;
  readonly state: State;
  readonly turn: Turn;
  readonly dispatch: (event: Event) => void;
  readonly project: number;
}

type Sure = { readonly value?: number | null; readonly distribution?: Readonly<Record<string, number>> | null } | undefined;

export function Panel({ given, state, turn, dispatch, project }: Props) {
  const asked = given.questions.filter((q) => isAsked(q, state.doc));
  return (
    <>
      {asked.map((question) => (
        <section
          key={question.id}
          className={`lw-question${question.id === state.question ? " lw-focused" : ""}`}
          aria-label={question.name}
          onPointerDown={() => {
            if (question.id !== state.question) dispatch({ type: "focus", question: question.id });
          }}
        >
          <header>
            <h2>{question.name}</h2>
            {question.required && slotOf(state.doc, question.id).answer === null && question.kind !== "span" && question.kind !== "relation" && (
              <span className="lw-dim">{t("annotate.required")}</span>
            )}
            {typeof turn.prediction?.confidence?.[question.id]?.value === "number" && <Confidence value={turn.prediction.confidence[question.id]?.value} />}
          </header>
          {question.instruction !== "" && <p className="lw-dim">{question.instruction}</p>}
          <Field question={question} given={given} state={state} dispatch={dispatch} project={project} sure={turn.prediction?.confidence?.[question.id]} />
        </section>
      ))}
    </>
  );
}

function Field({ question, given, state, dispatch, project, sure }: { question: Question; given: Fixed; state: State; dispatch: Props["dispatch"]; project: number; sure: Sure }) {
  const { answer, suggested } = slotOf(state.doc, question.id);
  const answerWith = (next: Answer | null): void => {
    dispatch({ type: "focus", question: question.id });
    dispatch({ type: "answer", question: question.id, answer: next });
  };
  switch (question.kind) {
    case "choice":
      if (isNested(question)) return <Nested question={question} state={state} dispatch={dispatch} />;
      return (
        <div role={question.multiple ? "group" : "radiogroup"} aria-label={question.name}>
          {question.labels.filter((l) => !l.retired).map((label, i) => (
            <LabelRow
              key={label.id}
              label={label}
              digit={i}
              role={question.multiple ? "checkbox" : "radio"}
              on={answer?.kind === "choice" && answer.labels.includes(label.id)}
              suggested={suggested.length > 0}
              // Of several labels each has a confidence of its own: how likely it applies.
              sure={question.multiple ? sure?.distribution?.[label.id] : undefined}
              press={() => {
                dispatch({ type: "focus", question: question.id });
                dispatch({ type: "label", label: label.id });
              }}
            />
          ))}
        </div>
      );
    case "region":
      return null; // shown on the image
    case "relation":
      return <Relations question={question} given={given} state={state} dispatch={dispatch} />;
    case "span":
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
    case "scalar": {
      const value = answer?.kind === "scalar" ? answer.value : null;
      const steps = scale(question);
      if (steps === null) {
        return <NumberField question={question} value={typeof value === "number" ? value : null} suggested={suggested.length > 0} answerWith={answerWith} />;
      }
      return (
        <div className="lw-scale" role="radiogroup" aria-label={question.name}>
          {steps.map((step) => (
            <Button
              key={String(step.value)}
              size="xs"
              role="radio"
              aria-checked={value === step.value}
              variant={value === step.value ? (suggested.length > 0 ? "outline" : "filled") : "default"}
              className={value === step.value && suggested.length > 0 ? "lw-dashed" : ""}
              onClick={() => {
                answerWith({ kind: "scalar", value: step.value });
              }}
            >
              {step.title}
            </Button>
          ))}
        </div>
      );
    }
    case "text":
      return (
        <Textarea
          aria-label={question.name}
          autosize
          minRows={2}
          maxRows={8}
          maxLength={question.max_length}
          value={answer?.kind === "text" ? answer.text : ""}
          onChange={(event) => {
            const text = event.currentTarget.value;
            answerWith(text === "" ? null : { kind: "text", text });
          }}
        />
      );
  }
}

/** The steps of a rating that fits on digits, or yes and no; null for any other number. */
export function scale(question: Question & { kind: "scalar" }): { value: number | boolean; title: string }[] | null {
  if (question.type === "boolean") {
    return [
      { value: true, title: t("annotate.yes") },
      { value: false, title: t("annotate.no") },
    ];
  }
  const { minimum, maximum } = question;
  if (question.type !== "integer" || minimum === null || maximum === null || maximum - minimum > 10) return null;
  return Array.from({ length: maximum - minimum + 1 }, (_, i) => ({ value: minimum + i, title: String(minimum + i) }));
}

/** A number that need not fit on digits. What is out of bounds stays in the field with the reason, and is not an answer. */
function NumberField({ question, value, suggested, answerWith }: { question: Question & { kind: "scalar" }; value: number | null; suggested: boolean; answerWith: (next: Answer | null) => void }) {
  const [typed, setTyped] = useState<number | string | null>(null);
  const shown = typed ?? value ?? "";
  const wrong = shown !== "" && !fits(question, { kind: "scalar", value: Number(shown) }, 0);
  return (
    <NumberInput
      aria-label={question.name}
      value={shown}
      allowDecimal={question.type === "number"}
      clampBehavior="none"
      suffix={question.unit === "" ? "" : ` ${question.unit}`}
      step={1}
      error={wrong ? numberWanted(question) : undefined}
      description={numberWanted(question)}
      className={suggested ? "lw-dashed-field" : ""}
      onChange={(next) => {
        const given = next === "" ? null : Number(next);
        const good = given !== null && fits(question, { kind: "scalar", value: given }, 0);
        setTyped(good || given === null ? null : next);
        answerWith(good ? { kind: "scalar", value: given } : null);
      }}
    />
  );
}

function numberWanted(question: Question & { kind: "scalar" }): string {
  const { minimum, maximum } = question;
  const kind = t(question.type === "integer" ? "annotate.whole" : "annotate.anyNumber");
  if (minimum !== null && maximum !== null) return t("annotate.between", { kind, low: minimum, high: maximum });
  if (minimum !== null) return t("annotate.atLeast", { kind, low: minimum });
  return maximum !== null ? t("annotate.atMost", { kind, high: maximum }) : kind;
}

/** Nested labels: what is chosen, the way to the open level, and its labels. */
function Nested({ question, state, dispatch }: { question: ChoiceQuestion; state: State; dispatch: Props["dispatch"] }) {
  const { answer, suggested } = slotOf(state.doc, question.id);
  const chosen = answer?.kind === "choice" ? answer.labels : [];
  const open = state.level[question.id] ?? null;
  const way: (string | null)[] = [];
  for (let at = open; at !== null; at = question.labels.find((l) => l.id === at)?.parent ?? null) way.unshift(at);
  const goTo = (label: string | null): void => {
    dispatch({ type: "focus", question: question.id });
    dispatch({ type: "open", question: question.id, label });
  };
  return (
    <>
      {chosen.map((id) => (
        <p key={id} className={`lw-chosen${suggested.length > 0 ? " lw-dashed" : ""}`}>
          <span className="lw-grow">{pathOf(question.labels, id)}</span>
          <span className="lw-dim">{suggested.length > 0 ? t("annotate.byModel") : "✓"}</span>
        </p>
      ))}
      <nav className="lw-crumbs" aria-label={t("annotate.level")}>
        {[null, ...way].map((id, i, all) => (
          <span key={id ?? ""}>
            {i > 0 && <span aria-hidden> › </span>}
            <UnstyledButton className="lw-crumb" disabled={i === all.length - 1} onClick={() => { goTo(id); }}>
              {id === null ? t("annotate.top") : question.labels.find((l) => l.id === id)?.name}
            </UnstyledButton>
          </span>
        ))}
        {open !== null && <kbd aria-hidden>Esc</kbd>}
      </nav>
      <div role={question.multiple ? "group" : "radiogroup"} aria-label={question.name}>
        {levelOf(question, open).map((label, i) => {
          const below = label.id !== open && childrenOf(question, label.id).length > 0;
          return (
            <LabelRow
              key={label.id}
              label={label}
              digit={i}
              role={below ? "button" : question.multiple ? "checkbox" : "radio"}
              on={chosen.includes(label.id)}
              suggested={suggested.length > 0}
              title={label.id === open ? t("annotate.itself", { name: label.name }) : below ? `${label.name} …` : label.name}
              press={() => {
                dispatch({ type: "focus", question: question.id });
                dispatch({ type: "label", label: label.id });
              }}
            />
          );
        })}
      </div>
    </>
  );
}

/** The words of a span, by its id. */
export function wordsOf(given: Fixed, state: State, id: string): string {
  const found = spanNamed(given.questions, state.doc, id);
  return found === null ? "?" : given.table.slice(found.span.start, found.span.end);
}

/** Relations: the types with their digits, what is being joined, and what is joined already. */
function Relations({ question, given, state, dispatch }: { question: RelationQuestion; given: Fixed; state: State; dispatch: Props["dispatch"] }) {
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

function LabelRow({ label, digit, role, on, suggested, press, title, sure }: { label: Label; digit: number; role: string; on: boolean; suggested: boolean; press: () => void; title?: string; sure?: number | undefined }) {
  return (
    <UnstyledButton
      className={`lw-label-row${on ? " lw-on" : ""}${on && suggested ? " lw-dashed" : ""}`}
      role={role}
      {...(role === "button" ? {} : { "aria-checked": on })}
      title={label.definition}
      onClick={press}
    >
      <span className="lw-swatch" style={{ background: label.colour }} aria-hidden />
      <span className="lw-grow">{title ?? label.name}</span>
      {typeof sure === "number" && suggested && <Confidence value={sure} />}
      {on && <span className="lw-dim">{suggested ? t("annotate.byModel") : "✓"}</span>}
      {digit < 20 && <kbd aria-hidden>{digit < 10 ? String((digit + 1) % 10) : `⇧${String((digit - 9) % 10)}`}</kbd>}
    </UnstyledButton>
  );
}

const MOST_ROWS = 200;

interface SpanListProps {
  readonly question: Question & { kind: "span" };
  readonly given: Fixed;
  readonly state: State;
  readonly dispatch: Props["dispatch"];
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
