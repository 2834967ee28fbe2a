/** Builds the questions of a project: used by the wizard and by the project's own tab. */
import { ActionIcon, Alert, Button, Checkbox, Menu, MultiSelect, NativeSelect, NumberInput, TextInput, Textarea } from "@mantine/core";

import { LABEL_COLOURS } from "../palette";
import { t } from "../strings";

/** `depth`: how deep it stands in nested labels; it belongs to the nearest label before it that is one less deep. */
export interface DraftLabel { id?: string; name: string; definition: string; colour: string; synonyms?: string[]; depth?: number }
/** Parts that are not stored yet have no id: they are referred to by name. */
interface Condition { question: string; labels: string[] }
export interface DraftQuestion {
  id?: string;
  kind: "choice" | "scalar" | "text" | "span" | "relation";
  name: string;
  instruction: string;
  required: boolean;
  labels: DraftLabel[];
  multiple: boolean;
  overlap: boolean;
  type: "boolean" | "integer" | "number";
  minimum: number | null;
  maximum: number | null;
  unit: string;
  max_length?: number;
  gate?: number;
  leaves_only: boolean;
  knowledge: string;
  depends_on: Condition | null;
  from_question: string;
  to_question: string;
  from_labels: string[];
  to_labels: string[];
  directed: boolean;
}
export interface DraftOntology { guideline: string; questions: DraftQuestion[] }

const plain: DraftQuestion = { kind: "choice", name: "", instruction: "", required: true, labels: [], multiple: false, overlap: false, type: "integer", minimum: 1, maximum: 5, unit: "", leaves_only: false, knowledge: "", depends_on: null, from_question: "", to_question: "", from_labels: [], to_labels: [], directed: true };
const KINDS: Record<string, Partial<DraftQuestion>> = {
  choice: { kind: "choice" },
  choices: { kind: "choice", multiple: true },
  rating: { kind: "scalar", type: "integer", minimum: 1, maximum: 5 },
  boolean: { kind: "scalar", type: "boolean", minimum: null, maximum: null },
  number: { kind: "scalar", type: "number", minimum: null, maximum: null },
  text: { kind: "text" },
  span: { kind: "span" },
  relation: { kind: "relation" },
};

/** How a part is referred to. */
function keyOf(part: { id?: string; name: string }): string {
  return part.id ?? part.name;
}

export const NEW_ONTOLOGY: DraftOntology = { guideline: "", questions: [{ ...plain, labels: [{ name: "", definition: "", colour: LABEL_COLOURS[0] }, { name: "", definition: "", colour: LABEL_COLOURS[1] }] }] };

/** A stored ontology as a draft; retired parts are not shown, and stay retired. */
export function draftOf(ontology: { guideline?: string; questions: readonly unknown[] }): DraftOntology {
  const questions = (ontology.questions as (DraftQuestion & { retired?: boolean })[]).filter((q) => q.retired !== true);
  return {
    guideline: ontology.guideline ?? "",
    questions: questions.map((q) => ({ ...plain, ...q, labels: nested((q.labels as StoredLabel[] | undefined ?? []).filter((l) => l.retired !== true)) })),
  };
}

type StoredLabel = DraftLabel & { retired?: boolean; parent?: string | null };

/** Labels in the order of their tree, each with its depth. */
function nested(labels: readonly StoredLabel[]): DraftLabel[] {
  const below = (parent: string | null, depth: number): DraftLabel[] =>
    labels.filter((l) => (l.parent ?? null) === parent).flatMap((l) => [{ ...l, depth }, ...below(l.id ?? "", depth + 1)]);
  return below(null, 0);
}

interface LabelBody { id?: string; name: string; definition: string; colour: string; synonyms?: string[]; children?: LabelBody[] }

/** The labels as a tree; empty ones are left out. */
function treeOf(labels: readonly DraftLabel[]): LabelBody[] {
  const top: LabelBody[] = [];
  const open: LabelBody[] = [];
  for (const l of labels.filter((each) => each.name.trim() !== "")) {
    const body: LabelBody = { ...(l.id === undefined ? {} : { id: l.id }), name: l.name, definition: l.definition, colour: l.colour, ...(l.synonyms === undefined ? {} : { synonyms: l.synonyms }) };
    const depth = Math.min(l.depth ?? 0, open.length);
    open.length = depth;
    const above = open.at(-1);
    if (above === undefined) top.push(body);
    else above.children = [...(above.children ?? []), body];
    open.push(body);
  }
  return top;
}

/** The body the server takes: only what the kind of each question has; empty labels are left out. */
export function bodyOf(draft: DraftOntology): Record<string, unknown> {
  return {
    guideline: draft.guideline,
    questions: draft.questions.map((q) => {
      const condition = q.depends_on !== null && q.depends_on.labels.length > 0 ? q.depends_on : null;
      const base = { ...(q.id === undefined ? {} : { id: q.id }), kind: q.kind, name: q.name, instruction: q.instruction, required: q.required, depends_on: condition, ...(q.gate === undefined ? {} : { gate: q.gate }) };
      const labels = treeOf(q.labels);
      if (q.kind === "choice") return { ...base, multiple: q.multiple, leaves_only: q.leaves_only, labels };
      if (q.kind === "span") return { ...base, overlap: q.overlap, knowledge: q.knowledge, labels };
      if (q.kind === "relation") return { ...base, from_question: q.from_question, to_question: q.to_question, from_labels: q.from_labels, to_labels: q.to_labels, directed: q.directed, labels };
      if (q.kind === "scalar") return { ...base, type: q.type, minimum: q.minimum, maximum: q.maximum, unit: q.unit };
      return { ...base, ...(q.max_length === undefined ? {} : { max_length: q.max_length }) };
    }),
  };
}

/** What refers to a part that is not stored yet follows its new name. */
function renamed(q: DraftQuestion, before: DraftQuestion, after: DraftQuestion): DraftQuestion {
  const [from, to] = [keyOf(before), keyOf(after)];
  const labels = (question: string, given: string[]): string[] => (question === from ? given.map((key) => { const i = before.labels.findIndex((l) => keyOf(l) === key); return i < 0 || before.labels.length !== after.labels.length ? key : keyOf(after.labels[i] ?? { name: key }); }) : given);
  const question = (key: string): string => (key === from ? to : key);
  return {
    ...q,
    from_question: question(q.from_question),
    to_question: question(q.to_question),
    from_labels: labels(q.from_question, q.from_labels),
    to_labels: labels(q.to_question, q.to_labels),
    depends_on: q.depends_on === null ? null : { question: question(q.depends_on.question), labels: labels(q.depends_on.question, q.depends_on.labels) },
  };
}

/** `lists`: the lists of entities that spans can be linked to; only a stored project has some. */
export function OntologyForm({ value, onChange, lists = [] }: { value: DraftOntology; onChange: (next: DraftOntology) => void; lists?: readonly { sha256: string; name: string; entities: number }[] }) {
  const change = (i: number, changes: Partial<DraftQuestion>): void => {
    const before = value.questions[i];
    if (before === undefined) return;
    const after = { ...before, ...changes };
    onChange({ ...value, questions: value.questions.map((q, n) => (n === i ? after : renamed(q, before, after))) });
  };
  return (
    <div>
      <Textarea label={t("ontology.guideline")} autosize minRows={2} maxRows={10} value={value.guideline} onChange={(e) => { onChange({ ...value, guideline: e.currentTarget.value }); }} mb="md" />
      {value.questions.map((q, i) => (
        <section key={q.id ?? `new-${String(i)}`} className="lw-card" style={{ marginBottom: 12 }} aria-label={q.name || `${t("ontology.name")} ${String(i + 1)}`}>
          <div className="lw-row" style={{ alignItems: "flex-end" }}>
            <TextInput className="lw-grow" label={`${t("ontology.name")} ${String(i + 1)} (${kindName(q)})`} required value={q.name} onChange={(e) => { change(i, { name: e.currentTarget.value }); }} />
            <Checkbox label={t("ontology.required")} checked={q.required} onChange={(e) => { change(i, { required: e.currentTarget.checked }); }} mb={8} />
            {q.kind === "choice" && q.labels.some((l) => (l.depth ?? 0) > 0) && <Checkbox label={t("ontology.leavesOnly")} checked={q.leaves_only} onChange={(e) => { change(i, { leaves_only: e.currentTarget.checked }); }} mb={8} />}
            {q.kind === "relation" && <Checkbox label={t("ontology.directed")} checked={q.directed} onChange={(e) => { change(i, { directed: e.currentTarget.checked }); }} mb={8} />}
            {q.kind === "span" && <Checkbox label={t("ontology.overlap")} checked={q.overlap} onChange={(e) => { change(i, { overlap: e.currentTarget.checked }); }} mb={8} />}
            {i > 0 && <ActionIcon variant="default" size="lg" aria-label={t("ontology.up")} onClick={() => { const next = [...value.questions]; next.splice(i - 1, 0, ...next.splice(i, 1)); onChange({ ...value, questions: next }); }}>↑</ActionIcon>}
            {value.questions.length > 1 && <ActionIcon variant="default" size="lg" aria-label={t("ontology.remove")} onClick={() => { onChange({ ...value, questions: value.questions.filter((_, n) => n !== i) }); }}>✕</ActionIcon>}
          </div>
          <TextInput label={t("ontology.instruction")} value={q.instruction} onChange={(e) => { change(i, { instruction: e.currentTarget.value }); }} mt={4} />
          {q.kind === "scalar" && q.type !== "boolean" && (
            <div className="lw-row" style={{ marginTop: 8 }}>
              <NumberInput label={t("ontology.from")} value={q.minimum ?? ""} onChange={(v) => { change(i, { minimum: v === "" ? null : Number(v) }); }} w={120} />
              <NumberInput label={t("ontology.to")} value={q.maximum ?? ""} onChange={(v) => { change(i, { maximum: v === "" ? null : Number(v) }); }} w={120} />
              <TextInput label={t("ontology.unit")} value={q.unit} maxLength={40} onChange={(e) => { change(i, { unit: e.currentTarget.value }); }} w={120} />
              {q.type === "number" && <Checkbox mt={24} label={t("ontology.whole")} checked={false} onChange={() => { change(i, { type: "integer" }); }} />}
              {q.type === "integer" && (q.minimum === null || q.maximum === null) && <Checkbox mt={24} label={t("ontology.whole")} checked onChange={() => { change(i, { type: "number" }); }} />}
            </div>
          )}
          {q.kind === "relation" && <Ends question={q} earlier={value.questions.slice(0, i)} change={(changes) => { change(i, changes); }} />}
          {q.kind === "span" && lists.length > 0 && (
            <NativeSelect mt={8} w={360} label={t("ontology.linkedTo")} value={q.knowledge} onChange={(e) => { change(i, { knowledge: e.currentTarget.value }); }}
              data={[{ value: "", label: t("ontology.linkedToNone") }, ...lists.map((l) => ({ value: l.sha256, label: t("ontology.listNamed", { name: l.name, n: l.entities }) }))]} />
          )}
          <AskedIf question={q} earlier={value.questions.slice(0, i)} change={(changes) => { change(i, changes); }} />
          {(q.kind === "choice" || q.kind === "span" || q.kind === "relation") && (
            <fieldset style={{ border: 0, padding: 0, margin: "8px 0 0" }}>
              <legend className="lw-dim">{t("ontology.labels")}</legend>
              {q.labels.map((l, k) => {
                const set = (changes: Partial<DraftLabel>): void => { change(i, { labels: q.labels.map((each, n) => (n === k ? { ...each, ...changes } : each)) }); };
                return (
                  <div key={l.id ?? `new-${String(k)}`} className="lw-row" style={{ marginBottom: 4, flexWrap: "nowrap", paddingLeft: (l.depth ?? 0) * 24 }}>
                    <kbd style={{ width: 24, textAlign: "center" }}>{k < 10 ? (k + 1) % 10 : ""}</kbd>
                    <input type="color" aria-label={`${t("ontology.label")} ${String(k + 1)}: colour`} value={l.colour || "#888888"} onChange={(e) => { set({ colour: e.currentTarget.value }); }} style={{ width: 32, height: 28, padding: 0, border: "1px solid var(--lw-line3)", borderRadius: 6, background: "none" }} />
                    <TextInput aria-label={`${t("ontology.label")} ${String(k + 1)}`} placeholder={t("ontology.label")} value={l.name} onChange={(e) => { set({ name: e.currentTarget.value }); }} w={200}
                      onKeyDown={(e) => { if (e.key === "Enter") { e.preventDefault(); change(i, { labels: [...q.labels, blank(q.labels.length, l.depth)] }); } }} />
                    <TextInput className="lw-grow" aria-label={`${t("ontology.label")} ${String(k + 1)}: ${t("ontology.definition")}`} placeholder={t("ontology.definition")} value={l.definition} onChange={(e) => { set({ definition: e.currentTarget.value }); }} />
                    {q.kind === "choice" && (l.depth ?? 0) > 0 && <ActionIcon variant="subtle" color="gray" aria-label={t("ontology.outdent", { name: l.name })} onClick={() => { change(i, { labels: moved(q.labels, k, -1) }); }}>⇤</ActionIcon>}
                    {q.kind === "choice" && k > 0 && (l.depth ?? 0) <= (q.labels[k - 1]?.depth ?? 0) && <ActionIcon variant="subtle" color="gray" aria-label={t("ontology.indent", { name: l.name })} onClick={() => { change(i, { labels: moved(q.labels, k, 1) }); }}>⇥</ActionIcon>}
                    <ActionIcon variant="subtle" color="gray" aria-label={`${t("common.remove")} ${l.name}`} onClick={() => { change(i, { labels: without(q.labels, k) }); }}>✕</ActionIcon>
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
          {(["choice", "choices", "rating", "boolean", "number", "text", "span", "relation"] as const).map((kind) => (
            <Menu.Item key={kind} disabled={kind === "relation" && !value.questions.some((q) => q.kind === "span")} onClick={() => { onChange({ ...value, questions: [...value.questions, { ...plain, labels: kind === "choice" || kind === "choices" || kind === "span" || kind === "relation" ? [blank(0), blank(1)] : [], ...(kind === "relation" ? betweenFirst(value.questions) : {}), ...KINDS[kind] }] }); }}>{t(`ontology.kinds.${kind}`)}</Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
    </div>
  );
}

/** A new relation joins the spans of the first question that marks some. */
function betweenFirst(questions: readonly DraftQuestion[]): Partial<DraftQuestion> {
  const first = questions.find((q) => q.kind === "span");
  return first === undefined ? {} : { from_question: keyOf(first), to_question: keyOf(first) };
}

/** A label deeper or less deep, with all that stands under it. */
function moved(labels: readonly DraftLabel[], k: number, by: 1 | -1): DraftLabel[] {
  const end = endOf(labels, k);
  return labels.map((l, n) => (n >= k && n < end ? { ...l, depth: Math.max(0, (l.depth ?? 0) + by) } : l));
}

/** The labels without one; what stood under it moves up. */
function without(labels: readonly DraftLabel[], k: number): DraftLabel[] {
  return moved(labels, k, -1).filter((_, n) => n !== k);
}

/** Where the labels under one end. */
function endOf(labels: readonly DraftLabel[], k: number): number {
  const depth = labels[k]?.depth ?? 0;
  const next = labels.findIndex((l, n) => n > k && (l.depth ?? 0) <= depth);
  return next === -1 ? labels.length : next;
}

interface PartProps { question: DraftQuestion; earlier: readonly DraftQuestion[]; change: (changes: Partial<DraftQuestion>) => void }

/** What a relation joins. */
function Ends({ question, earlier, change }: PartProps) {
  const marks = earlier.filter((q) => q.kind === "span");
  if (marks.length === 0) return <Alert mt="xs" color="yellow">{t("ontology.relationNeedsSpans")}</Alert>;
  return (
    <>
      {(["from", "to"] as const).map((end) => {
        const chosen = question[`${end}_question`];
        const labels = marks.find((q) => keyOf(q) === chosen)?.labels.filter((l) => l.name.trim() !== "") ?? [];
        return (
          <div key={end} className="lw-row" style={{ marginTop: 8, alignItems: "flex-end" }}>
            <NativeSelect label={t(end === "from" ? "ontology.relationFrom" : "ontology.relationTo")} w={220} value={chosen} onChange={(e) => { change({ [`${end}_question`]: e.currentTarget.value, [`${end}_labels`]: [] }); }}
              data={[...(marks.some((q) => keyOf(q) === chosen) ? [] : [{ value: chosen, label: "–" }]), ...marks.map((q) => ({ value: keyOf(q), label: q.name || "…" }))]} />
            <MultiSelect className="lw-grow" label={t("ontology.relationLabels")} placeholder={question[`${end}_labels`].length === 0 ? t("ontology.anyLabel") : ""} value={question[`${end}_labels`]} onChange={(next) => { change({ [`${end}_labels`]: next }); }} data={labels.map((l) => ({ value: keyOf(l), label: l.name }))} />
          </div>
        );
      })}
    </>
  );
}

/** Whether a question depends on the answer to an earlier one. */
function AskedIf({ question, earlier, change }: PartProps) {
  const choices = earlier.filter((q) => q.kind === "choice" && q.name.trim() !== "");
  const condition = question.depends_on;
  if (choices.length === 0 && condition === null) return null;
  const other = choices.find((q) => keyOf(q) === condition?.question);
  return (
    <div className="lw-row" style={{ marginTop: 8, alignItems: "flex-end" }}>
      <NativeSelect label={t("ontology.askedIf")} w={220} value={condition?.question ?? ""} onChange={(e) => { const key = e.currentTarget.value; change({ depends_on: key === "" ? null : { question: key, labels: [] } }); }}
        data={[{ value: "", label: t("ontology.askedAlways") }, ...choices.map((q) => ({ value: keyOf(q), label: q.name }))]} />
      {condition !== null && <MultiSelect className="lw-grow" label={t("ontology.askedIfLabels")} value={condition.labels} onChange={(labels) => { change({ depends_on: { ...condition, labels } }); }} data={(other?.labels ?? []).filter((l) => l.name.trim() !== "").map((l) => ({ value: keyOf(l), label: l.name }))} />}
    </div>
  );
}

function blank(n: number, depth = 0): DraftLabel {
  return { depth, name: "", definition: "", colour: LABEL_COLOURS[n % LABEL_COLOURS.length] ?? "#888888" };
}

function kindName(q: DraftQuestion): string {
  if (q.kind === "choice") return t(q.multiple ? "ontology.kinds.choices" : "ontology.kinds.choice");
  if (q.kind === "scalar") return t(q.type === "boolean" ? "ontology.kinds.boolean" : q.minimum !== null && q.maximum !== null ? "ontology.kinds.rating" : "ontology.kinds.number");
  return t(q.kind === "span" ? "ontology.kinds.span" : q.kind === "relation" ? "ontology.kinds.relation" : "ontology.kinds.text");
}
