/** The labels of a question: colour, key, name, definition; their nesting, and what marks on images have besides. */
import { ActionIcon, Alert, Button, TextInput } from "@mantine/core";
import { useState } from "react";

import { t } from "../../strings";
import { LabelDetails } from "./RegionParts";
import { blankAttribute, blankLabel, moved, without, type DraftLabel, type DraftQuestion } from "./draft";

export function Labels({ question: q, onChange }: { question: DraftQuestion; onChange: (labels: DraftLabel[]) => void }) {
  const [open, setOpen] = useState<ReadonlySet<number>>(new Set());
  const points = q.kind === "region" && q.shapes.includes("points");
  return (
    <fieldset style={{ border: 0, padding: 0, margin: "8px 0 0" }}>
      <legend className="lw-dim">{t("ontology.labels")}</legend>
      {q.labels.map((l, k) => {
        const set = (changes: Partial<DraftLabel>): void => { onChange(q.labels.map((each, n) => (n === k ? { ...each, ...changes } : each))); };
        const more = (l.attributes ?? []).length;
        return (
          <div key={l.id ?? `new-${String(k)}`}>
            <div className="lw-row" style={{ marginBottom: 4, flexWrap: "nowrap", paddingLeft: (l.depth ?? 0) * 24 }}>
              <kbd style={{ width: 24, textAlign: "center" }}>{k < 10 ? (k + 1) % 10 : ""}</kbd>
              <input type="color" aria-label={`${t("ontology.label")} ${String(k + 1)}: colour`} value={l.colour || "#888888"} onChange={(e) => { set({ colour: e.currentTarget.value }); }} style={{ width: 32, height: 28, padding: 0, border: "1px solid var(--lw-line3)", borderRadius: 6, background: "none" }} />
              <TextInput aria-label={`${t("ontology.label")} ${String(k + 1)}`} placeholder={t("ontology.label")} value={l.name} onChange={(e) => { set({ name: e.currentTarget.value }); }} w={200}
                onKeyDown={(e) => { if (e.key === "Enter") { e.preventDefault(); onChange([...q.labels, blankLabel(q.labels.length, l.depth)]); } }} />
              <TextInput className="lw-grow" aria-label={`${t("ontology.label")} ${String(k + 1)}: ${t("ontology.definition")}`} placeholder={t("ontology.definition")} value={l.definition} onChange={(e) => { set({ definition: e.currentTarget.value }); }} />
              {q.kind === "choice" && (l.depth ?? 0) > 0 && <ActionIcon variant="subtle" color="gray" aria-label={t("ontology.outdent", { name: l.name })} onClick={() => { onChange(moved(q.labels, k, -1)); }}>⇤</ActionIcon>}
              {q.kind === "choice" && k > 0 && (l.depth ?? 0) <= (q.labels[k - 1]?.depth ?? 0) && <ActionIcon variant="subtle" color="gray" aria-label={t("ontology.indent", { name: l.name })} onClick={() => { onChange(moved(q.labels, k, 1)); }}>⇥</ActionIcon>}
              {q.kind === "region" && (
                <Button size="compact-sm" variant={open.has(k) ? "light" : "subtle"} aria-expanded={open.has(k)} style={{ flexShrink: 0 }}
                  onClick={() => {
                    const next = new Set(open);
                    if (!next.delete(k)) next.add(k);
                    setOpen(next);
                    // Whoever opens an empty list wants to write something.
                    if (more === 0 && !points && !open.has(k)) set({ attributes: [blankAttribute()] });
                  }}>
                  {more > 0 ? t("images.attributesOf", { n: more }) : t(points ? "images.details" : "images.attributes")}
                </Button>
              )}
              <ActionIcon variant="subtle" color="gray" aria-label={`${t("common.remove")} ${l.name}`} onClick={() => { setOpen(new Set()); onChange(without(q.labels, k)); }}>✕</ActionIcon>
            </div>
            {open.has(k) && q.kind === "region" && (
              <LabelDetails label={l} points={points} several={q.labels.length > 1} change={set}
                // Ids belong to one label: copies of an attribute get their own.
                onAll={(attributes) => { onChange(q.labels.map((each, n) => (n === k ? each : { ...each, attributes: [...(each.attributes ?? []), ...attributes.filter((a) => !(each.attributes ?? []).some((own) => own.name === a.name)).map(({ id: _, ...rest }) => rest)] }))); }} />
            )}
          </div>
        );
      })}
      <Button size="xs" variant="default" onClick={() => { onChange([...q.labels, blankLabel(q.labels.length)]); }}>{t("ontology.addLabel")}</Button>
      {q.labels.length > 12 && <Alert mt="xs" color="yellow">{t("ontology.many")}</Alert>}
    </fieldset>
  );
}
