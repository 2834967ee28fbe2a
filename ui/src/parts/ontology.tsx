/** Builds the questions of a project: used by the wizard and by the project's own tab. */
import { ActionIcon, Alert, Button, Checkbox, Menu, NumberInput, TextInput, Textarea } from "@mantine/core";

import { LABEL_COLOURS } from "../palette";
import { t } from "../strings";

export interface DraftLabel { id?: string; name: string; definition: string; colour: string }
export interface DraftQuestion {
  id?: string;
  kind: "choice" | "scalar" | "text" | "span";
  name: string;
  instruction: string;
  required: boolean;
  labels: DraftLabel[];
  multiple: boolean;
  overlap: boolean;
  type: "boolean" | "integer" | "number";
  minimum: number | null;
  maximum: number | null;
}
export interface DraftOntology { guideline: string; questions: DraftQuestion[] }

const plain: DraftQuestion = { kind: "choice", name: "", instruction: "", required: true, labels: [], multiple: false, overlap: false, type: "integer", minimum: 1, maximum: 5 };
const KINDS: Record<string, Partial<DraftQuestion>> = {
  choice: { kind: "choice" },
  choices: { kind: "choice", multiple: true },
  rating: { kind: "scalar", type: "integer", minimum: 1, maximum: 5 },
  boolean: { kind: "scalar", type: "boolean", minimum: null, maximum: null },
  number: { kind: "scalar", type: "number", minimum: null, maximum: null },
  text: { kind: "text" },
  span: { kind: "span" },
};

export const NEW_ONTOLOGY: DraftOntology = { guideline: "", questions: [{ ...plain, labels: [{ name: "", definition: "", colour: LABEL_COLOURS[0] }, { name: "", definition: "", colour: LABEL_COLOURS[1] }] }] };

/** A stored ontology as a draft; retired parts are not shown, and stay retired. */
export function draftOf(ontology: { guideline?: string; questions: readonly unknown[] }): DraftOntology {
  const questions = (ontology.questions as (DraftQuestion & { retired?: boolean })[]).filter((q) => q.retired !== true);
  return {
    guideline: ontology.guideline ?? "",
    questions: questions.map((q) => ({ ...plain, ...q, labels: (q.labels as (DraftLabel & { retired?: boolean })[] | undefined ?? []).filter((l) => l.retired !== true) })),
  };
}

/** The body the server takes: only what the kind of each question has; empty labels are left out. */
export function bodyOf(draft: DraftOntology): Record<string, unknown> {
  return {
    guideline: draft.guideline,
    questions: draft.questions.map((q) => {
      const base = { ...(q.id === undefined ? {} : { id: q.id }), kind: q.kind, name: q.name, instruction: q.instruction, required: q.required };
      const labels = q.labels.filter((l) => l.name.trim() !== "").map((l) => ({ ...(l.id === undefined ? {} : { id: l.id }), name: l.name, definition: l.definition, colour: l.colour }));
      if (q.kind === "choice") return { ...base, multiple: q.multiple, labels };
      if (q.kind === "span") return { ...base, overlap: q.overlap, labels };
      if (q.kind === "scalar") return { ...base, type: q.type, minimum: q.minimum, maximum: q.maximum };
      return base;
    }),
  };
}

export function OntologyForm({ value, onChange }: { value: DraftOntology; onChange: (next: DraftOntology) => void }) {
  const change = (i: number, changes: Partial<DraftQuestion>): void => {
    onChange({ ...value, questions: value.questions.map((q, n) => (n === i ? { ...q, ...changes } : q)) });
  };
  return (
    <div>
      <Textarea label={t("ontology.guideline")} autosize minRows={2} maxRows={10} value={value.guideline} onChange={(e) => { onChange({ ...value, guideline: e.currentTarget.value }); }} mb="md" />
      {value.questions.map((q, i) => (
        <section key={q.id ?? `new-${String(i)}`} className="lw-card" style={{ marginBottom: 12 }} aria-label={q.name || `${t("ontology.name")} ${String(i + 1)}`}>
          <div className="lw-row" style={{ alignItems: "flex-end" }}>
            <TextInput className="lw-grow" label={`${t("ontology.name")} ${String(i + 1)} (${kindName(q)})`} required value={q.name} onChange={(e) => { change(i, { name: e.currentTarget.value }); }} />
            <Checkbox label={t("ontology.required")} checked={q.required} onChange={(e) => { change(i, { required: e.currentTarget.checked }); }} mb={8} />
            {q.kind === "span" && <Checkbox label={t("ontology.overlap")} checked={q.overlap} onChange={(e) => { change(i, { overlap: e.currentTarget.checked }); }} mb={8} />}
            {i > 0 && <ActionIcon variant="default" size="lg" aria-label={t("ontology.up")} onClick={() => { const next = [...value.questions]; next.splice(i - 1, 0, ...next.splice(i, 1)); onChange({ ...value, questions: next }); }}>↑</ActionIcon>}
            {value.questions.length > 1 && <ActionIcon variant="default" size="lg" aria-label={t("ontology.remove")} onClick={() => { onChange({ ...value, questions: value.questions.filter((_, n) => n !== i) }); }}>✕</ActionIcon>}
          </div>
          <TextInput label={t("ontology.instruction")} value={q.instruction} onChange={(e) => { change(i, { instruction: e.currentTarget.value }); }} mt={4} />
          {q.kind === "scalar" && q.type !== "boolean" && (
            <div className="lw-row" style={{ marginTop: 8 }}>
              <NumberInput label={t("ontology.from")} value={q.minimum ?? ""} onChange={(v) => { change(i, { minimum: v === "" ? null : Number(v) }); }} w={120} />
              <NumberInput label={t("ontology.to")} value={q.maximum ?? ""} onChange={(v) => { change(i, { maximum: v === "" ? null : Number(v) }); }} w={120} />
            </div>
          )}
          {(q.kind === "choice" || q.kind === "span") && (
            <fieldset style={{ border: 0, padding: 0, margin: "8px 0 0" }}>
              <legend className="lw-dim">{t("ontology.labels")}</legend>
              {q.labels.map((l, k) => {
                const set = (changes: Partial<DraftLabel>): void => { change(i, { labels: q.labels.map((each, n) => (n === k ? { ...each, ...changes } : each)) }); };
                return (
                  <div key={l.id ?? `new-${String(k)}`} className="lw-row" style={{ marginBottom: 4, flexWrap: "nowrap" }}>
                    <kbd style={{ width: 24, textAlign: "center" }}>{k < 10 ? (k + 1) % 10 : ""}</kbd>
                    <input type="color" aria-label={`${t("ontology.label")} ${String(k + 1)}: colour`} value={l.colour || "#888888"} onChange={(e) => { set({ colour: e.currentTarget.value }); }} style={{ width: 32, height: 28, padding: 0, border: "1px solid var(--lw-line3)", borderRadius: 6, background: "none" }} />
                    <TextInput aria-label={`${t("ontology.label")} ${String(k + 1)}`} placeholder={t("ontology.label")} value={l.name} onChange={(e) => { set({ name: e.currentTarget.value }); }} w={200}
                      onKeyDown={(e) => { if (e.key === "Enter") { e.preventDefault(); change(i, { labels: [...q.labels, blank(q.labels.length)] }); } }} />
                    <TextInput className="lw-grow" aria-label={`${t("ontology.label")} ${String(k + 1)}: ${t("ontology.definition")}`} placeholder={t("ontology.definition")} value={l.definition} onChange={(e) => { set({ definition: e.currentTarget.value }); }} />
                    <ActionIcon variant="subtle" color="gray" aria-label={`${t("common.remove")} ${l.name}`} onClick={() => { change(i, { labels: q.labels.filter((_, n) => n !== k) }); }}>✕</ActionIcon>
                  </div>
                );
              })}
              <Button size="xs" variant="default" onClick={() => { change(i, { labels: [...q.labels, blank(q.labels.length)] }); }}>{t("ontology.addLabel")}</Button>
              {q.labels.length > 12 && <Alert mt="xs" color="yellow">{t("ontology.many")}</Alert>}
            </fieldset>
          )}
        </section>
      ))}
      <Menu position="bottom-start">
        <Menu.Target><Button variant="default">{t("ontology.add")}</Button></Menu.Target>
        <Menu.Dropdown>
          {(["choice", "choices", "rating", "boolean", "number", "text", "span"] as const).map((kind) => (
            <Menu.Item key={kind} onClick={() => { onChange({ ...value, questions: [...value.questions, { ...plain, labels: kind === "choice" || kind === "choices" || kind === "span" ? [blank(0), blank(1)] : [], ...KINDS[kind] }] }); }}>{t(`ontology.kinds.${kind}`)}</Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
    </div>
  );
}

function blank(n: number): DraftLabel {
  return { name: "", definition: "", colour: LABEL_COLOURS[n % LABEL_COLOURS.length] ?? "#888888" };
}

function kindName(q: DraftQuestion): string {
  if (q.kind === "choice") return t(q.multiple ? "ontology.kinds.choices" : "ontology.kinds.choice");
  if (q.kind === "scalar") return t(q.type === "boolean" ? "ontology.kinds.boolean" : q.minimum !== null && q.maximum !== null ? "ontology.kinds.rating" : "ontology.kinds.number");
  return t(q.kind === "span" ? "ontology.kinds.span" : "ontology.kinds.text");
}
