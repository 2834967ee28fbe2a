/** What is asked of the selected objects, or of the one drawn last. */
import { Button, NativeSelect, NumberInput, TextInput } from "@mantine/core";
import { useState } from "react";

import { fitsAttribute } from "../../../editor/image/attributes";
import { regionNamed, selection, type Event, type Given, type State } from "../../../editor/image/state";
import type { Attribute } from "../../../editor/types";
import { t } from "../../../strings";
import { labelName } from "./Objects";

type Value = string | number | boolean;

/** Options that are shown side by side; more become a list to choose from. */
const MOST_BUTTONS = 6;

export function Attributes({ given, state, dispatch }: { given: Given; state: State; dispatch: (event: Event) => void }) {
  const chosen = selection(state, given);
  const newest = chosen.length === 0 ? regionNamed(given, state.doc, state.newest) : null;
  const [first, ...others] = newest === null ? chosen : [newest];
  if (first === undefined) return null;
  const asked = first.question.labels.find((label) => label.id === first.region.label)?.attributes ?? [];
  if (asked.length === 0 || others.some((each) => each.region.label !== first.region.label || each.question.id !== first.question.id)) return null;
  const all = [first, ...others];
  const ids = all.map(({ region }) => region.id);
  const locked = ids.some((id) => state.locked.has(id));
  return (
    <section className="lw-question lw-attributes" aria-label={t("drawing.attributes", { name: labelName(first) })}>
      <header><h2>{t("drawing.attributes", { name: labelName(first) })}</h2>{ids.length > 1 && <span className="lw-dim">{t("drawing.ofSeveral", { n: ids.length })}</span>}</header>
      {asked.map((attribute) => {
        const values = all.map(({ region }) => region.attributes?.[attribute.id] ?? null);
        const value = values.every((each) => each === values[0]) ? (values[0] ?? null) : null;
        return (
          <Field
            key={`${first.region.id} ${attribute.id}`}
            attribute={attribute}
            value={value}
            disabled={locked}
            give={(next) => { dispatch({ type: "attribute", regions: ids, attribute: attribute.id, value: next }); }}
          />
        );
      })}
    </section>
  );
}

function Field({ attribute, value, disabled, give }: { attribute: Attribute; value: Value | null; disabled: boolean; give: (value: Value | null) => void }) {
  const options = attribute.type === "boolean" ? [{ value: true, title: t("annotate.yes") }, { value: false, title: t("annotate.no") }] : (attribute.options ?? []).map((each) => ({ value: each, title: each }));
  const title = attribute.required === true ? t("drawing.requiredAttribute", { name: attribute.name }) : attribute.name;
  if (attribute.type === "text") {
    return <TextInput size="xs" mb={8} label={title} value={typeof value === "string" ? value : ""} disabled={disabled} maxLength={2000} onChange={(event) => { give(event.currentTarget.value === "" ? null : event.currentTarget.value); }} />;
  }
  if (attribute.type === "integer" || attribute.type === "number") return <Amount attribute={attribute} title={title} value={typeof value === "number" ? value : null} disabled={disabled} give={give} />;
  if (options.length > MOST_BUTTONS) {
    return (
      <NativeSelect
        size="xs"
        mb={8}
        label={title}
        value={typeof value === "string" ? value : ""}
        disabled={disabled}
        data={["", ...(attribute.options ?? [])]}
        onChange={(event) => { give(event.currentTarget.value === "" ? null : event.currentTarget.value); }}
      />
    );
  }
  return (
    <div className="lw-attribute" role="radiogroup" aria-label={title}>
      <span>{title}</span>
      <div className="lw-scale">
        {options.map((option) => (
          <Button
            key={option.title}
            size="compact-xs"
            role="radio"
            aria-checked={value === option.value}
            disabled={disabled}
            variant={value === option.value ? "filled" : "default"}
            onClick={() => { give(value === option.value ? null : option.value); }}
          >
            {option.title}
          </Button>
        ))}
      </div>
    </div>
  );
}

/** What is out of bounds stays in the field with the reason, and is not an answer. */
function Amount({ attribute, title, value, disabled, give }: { attribute: Attribute; title: string; value: number | null; disabled: boolean; give: (value: number | null) => void }) {
  const [typed, setTyped] = useState<number | string | null>(null);
  const shown = typed ?? value ?? "";
  const wrong = shown !== "" && !fitsAttribute(attribute, Number(shown));
  const { minimum, maximum } = attribute;
  const range = typeof minimum === "number" || typeof maximum === "number" ? t("drawing.range", { low: minimum ?? "…", high: maximum ?? "…" }) : "";
  return (
    <NumberInput
      size="xs"
      mb={8}
      label={title}
      description={range}
      value={shown}
      disabled={disabled}
      allowDecimal={attribute.type === "number"}
      clampBehavior="none"
      error={wrong ? t("drawing.wrongValue") : undefined}
      onChange={(next) => {
        const given = next === "" ? null : Number(next);
        const good = given !== null && fitsAttribute(attribute, given);
        setTyped(good || given === null ? null : next);
        give(good ? given : null);
      }}
    />
  );
}
