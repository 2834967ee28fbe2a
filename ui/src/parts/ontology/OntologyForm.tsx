/** Builds the questions of a project: used by the wizard and by the project's own tab. */
import { ActionIcon, Alert, Button, Checkbox, Menu, MultiSelect, NativeSelect, NumberInput, TextInput, Textarea } from "@mantine/core";

import { t } from "../../strings";
import { Labels } from "./Labels";
import { Shapes } from "./RegionParts";
import { KINDS_OF, isLabelled, keyOf, marksThings, newQuestion, renamed, type DraftOntology, type DraftQuestion, type Modality } from "./draft";

/** `lists`: the lists of entities that spans can be linked to; only a stored project has some. */
export function OntologyForm({ value, onChange, modality = "text", lists = [] }: { value: DraftOntology; modality?: Modality; onChange: (next: DraftOntology) => void; lists?: readonly { sha256: string; name: string; entities: number }[] }) {
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
          {q.kind === "region" && <Shapes value={q.shapes} onChange={(shapes) => { change(i, { shapes }); }} />}
          <AskedIf question={q} earlier={value.questions.slice(0, i)} change={(changes) => { change(i, changes); }} />
          {isLabelled(q) && <Labels question={q} onChange={(labels) => { change(i, { labels }); }} />}
        </section>
      ))}
      <Menu position="bottom-start">
        <Menu.Target><Button variant="default">{t("ontology.add")}</Button></Menu.Target>
        <Menu.Dropdown>
          {KINDS_OF[modality].map((kind) => (
            <Menu.Item key={kind} disabled={kind === "relation" && !value.questions.some(marksThings)} onClick={() => { onChange({ ...value, questions: [...value.questions, newQuestion(kind, value.questions)] }); }}>{t(`ontology.kinds.${kind}`)}</Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
    </div>
  );
}

interface PartProps { question: DraftQuestion; earlier: readonly DraftQuestion[]; change: (changes: Partial<DraftQuestion>) => void }

/** What a relation joins. */
function Ends({ question, earlier, change }: PartProps) {
  const marks = earlier.filter(marksThings);
  if (marks.length === 0) return <Alert mt="xs" color="yellow">{t("ontology.relationNeedsMarks")}</Alert>;
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

function kindName(q: DraftQuestion): string {
  if (q.kind === "choice") return t(q.multiple ? "ontology.kinds.choices" : "ontology.kinds.choice");
  if (q.kind === "scalar") return t(q.type === "boolean" ? "ontology.kinds.boolean" : q.minimum !== null && q.maximum !== null ? "ontology.kinds.rating" : "ontology.kinds.number");
  return t(`ontology.kinds.${q.kind}`);
}
