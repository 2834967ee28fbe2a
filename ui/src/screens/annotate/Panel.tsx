/** The side panel: every question with its labels and keys, and the marked spans, lowest confidence first. */
import { Button, NumberInput, Textarea, UnstyledButton } from "@mantine/core";
import { memo } from "react";

import { isAsked, slotOf } from "../../editor/document";
import { byDoubt, type Event, type Fixed, type State } from "../../editor/session";
import type { Answer, Label, Question } from "../../editor/types";
import { Confidence, LabelChip } from "../../parts/label";
import { t } from "../../strings";
import type { Turn } from "./queue";

interface Props {
  readonly given: Fixed;
  readonly state: State;
  readonly turn: Turn;
  readonly dispatch: (event: Event) => void;
}

export function Panel({ given, state, turn, dispatch }: Props) {
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
            {question.required && slotOf(state.doc, question.id).answer === null && question.kind !== "span" && (
              <span className="lw-dim">{t("annotate.required")}</span>
            )}
            {typeof turn.prediction?.confidence?.[question.id]?.value === "number" && <Confidence value={turn.prediction.confidence[question.id]?.value} />}
          </header>
          {question.instruction !== "" && <p className="lw-dim">{question.instruction}</p>}
          <Field question={question} given={given} state={state} dispatch={dispatch} />
        </section>
      ))}
    </>
  );
}

function Field({ question, given, state, dispatch }: { question: Question; given: Fixed; state: State; dispatch: Props["dispatch"] }) {
  const { answer, suggested } = slotOf(state.doc, question.id);
  const answerWith = (next: Answer | null): void => {
    dispatch({ type: "focus", question: question.id });
    dispatch({ type: "answer", question: question.id, answer: next });
  };
  switch (question.kind) {
    case "choice":
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
              press={() => {
                dispatch({ type: "focus", question: question.id });
                dispatch({ type: "label", label: label.id });
              }}
            />
          ))}
        </div>
      );
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
          <SpanList question={question} given={given} state={state} dispatch={dispatch} />
        </>
      );
    case "scalar": {
      const value = answer?.kind === "scalar" ? answer.value : null;
      const steps = scale(question);
      if (steps === null) {
        return (
          <NumberInput
            aria-label={question.name}
            value={typeof value === "number" ? value : ""}
            {...(question.minimum === null ? {} : { min: question.minimum })}
            {...(question.maximum === null ? {} : { max: question.maximum })}
            allowDecimal={question.type === "number"}
            suffix={question.unit === "" ? "" : ` ${question.unit}`}
            onChange={(next) => {
              answerWith(next === "" ? null : { kind: "scalar", value: Number(next) });
            }}
          />
        );
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

function LabelRow({ label, digit, role, on, suggested, press }: { label: Label; digit: number; role: string; on: boolean; suggested: boolean; press: () => void }) {
  return (
    <UnstyledButton
      className={`lw-label-row${on ? " lw-on" : ""}${on && suggested ? " lw-dashed" : ""}`}
      role={role}
      {...(role === "button" ? {} : { "aria-checked": on })}
      title={label.definition}
      onClick={press}
    >
      <span className="lw-swatch" style={{ background: label.colour }} aria-hidden />
      <span className="lw-grow">{label.name}</span>
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
}

/** Drawn anew when the answers or the picked span change, not with every move of the caret: a book has thousands. */
const SpanList = memo(ListOfSpans, (a, b) => a.state.doc === b.state.doc && a.state.picked === b.state.picked && a.given === b.given && a.question === b.question);

function ListOfSpans({ question, given, state, dispatch }: SpanListProps) {
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
              <span className="lw-grow lw-cut">{words}</span>
              {suggested ? <Confidence value={span.score ?? null} /> : <span className="lw-dim">✓</span>}
            </UnstyledButton>
          </li>
        );
      })}
      {all.length > MOST_ROWS && <li className="lw-dim">{t("annotate.moreSpans", { n: all.length - MOST_ROWS })}</li>}
    </ul>
  );
}
