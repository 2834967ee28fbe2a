/** The side panel: every question with its labels and keys. What is marked on the asset itself is shown by its editor. */
import { Button, NumberInput, Textarea, UnstyledButton } from "@mantine/core";
import { useState, type ReactNode } from "react";

import { fits, isAsked, slotOf } from "../../editor/document";
import type { FormEvent, FormGiven, FormState } from "../../editor/form";
import { childrenOf, isNested, levelOf, pathOf } from "../../editor/nested";
import type { Answer, ChoiceQuestion, Label, Question } from "../../editor/types";
import { Confidence } from "../../parts/label";
import { t } from "../../strings";
import type { Turn } from "./queue";

interface Props {
  readonly given: FormGiven;
  readonly state: FormState;
  readonly turn: Turn;
  readonly dispatch: (event: FormEvent | { type: "label"; label: string }) => void;
  /** The field of a question whose answers are marks on the asset. */
  readonly marks: (question: Question) => ReactNode;
}

type Sure = { readonly value?: number | null; readonly distribution?: Readonly<Record<string, number>> | null } | undefined;

export function Panel({ given, state, turn, dispatch, marks }: Props) {
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
            {question.required && slotOf(state.doc, question.id).answer === null && !isMarked(question) && (
              <span className="lw-dim">{t("annotate.required")}</span>
            )}
            {typeof turn.prediction?.confidence?.[question.id]?.value === "number" && <Confidence value={turn.prediction.confidence[question.id]?.value} />}
          </header>
          {question.instruction !== "" && <p className="lw-dim">{question.instruction}</p>}
          {isMarked(question) ? marks(question) : <Field question={question} state={state} dispatch={dispatch} sure={turn.prediction?.confidence?.[question.id]} />}
        </section>
      ))}
    </>
  );
}

function isMarked(question: Question): boolean {
  return question.kind === "span" || question.kind === "region" || question.kind === "relation";
}

function Field({ question, state, dispatch, sure }: { question: Question; state: FormState; dispatch: Props["dispatch"]; sure: Sure }) {
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
    default:
      return null;
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
function Nested({ question, state, dispatch }: { question: ChoiceQuestion; state: FormState; dispatch: Props["dispatch"] }) {
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

export function LabelRow({ label, digit, role, on, suggested, press, title, sure, mark }: { label: Label; digit: number; role: string; on: boolean; suggested: boolean; press: () => void; title?: string; sure?: number | undefined; mark?: string }) {
  return (
    <UnstyledButton
      className={`lw-label-row${on ? " lw-on" : ""}${on && suggested ? " lw-dashed" : ""}`}
      role={role}
      {...(role !== "button" ? { "aria-checked": on } : mark === undefined ? {} : { "aria-pressed": on })}
      title={label.definition}
      onClick={press}
    >
      <span className="lw-swatch" style={{ background: label.colour }} aria-hidden />
      <span className="lw-grow">{title ?? label.name}</span>
      {typeof sure === "number" && suggested && <Confidence value={sure} />}
      {on && <span className="lw-dim">{mark ?? (suggested ? t("annotate.byModel") : "✓")}</span>}
      {digit < 20 && <kbd aria-hidden>{digit < 10 ? String((digit + 1) % 10) : `⇧${String((digit - 9) % 10)}`}</kbd>}
    </UnstyledButton>
  );
}
