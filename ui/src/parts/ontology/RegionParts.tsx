/** What only marks on images have: the shapes that may be drawn, attributes of a label, and its skeleton. */
import { ActionIcon, Alert, Button, Checkbox, NativeSelect, NumberInput, TagsInput, TextInput, Textarea } from "@mantine/core";
import { useState } from "react";

import type { ShapeKind } from "../../editor/types";
import { t } from "../../strings";
import { SHAPES, blankAttribute, type DraftAttribute, type DraftLabel, type DraftSkeleton } from "./draft";
import { edgesOf, edgesText, following, layout, pointsOf } from "./skeleton";

/** The first of the chosen ones is the tool to begin with. */
export function Shapes({ value, onChange }: { value: readonly ShapeKind[]; onChange: (next: ShapeKind[]) => void }) {
  return (
    <fieldset style={{ border: 0, padding: 0, margin: "8px 0 0" }}>
      <legend className="lw-dim">{t("images.shapes")}</legend>
      <div className="lw-row">
        {SHAPES.map((kind) => (
          <Checkbox key={kind} label={t(`images.shapeKinds.${kind}`)} checked={value.includes(kind)} onChange={(e) => { onChange(e.currentTarget.checked ? [...value, kind] : value.filter((each) => each !== kind)); }} />
        ))}
      </div>
      {value.length > 1 && <NativeSelect mt={4} w={260} label={t("images.firstShape")} value={value[0]} onChange={(e) => { const first = e.currentTarget.value as ShapeKind; onChange([first, ...value.filter((each) => each !== first)]); }} data={value.map((kind) => ({ value: kind, label: t(`images.shapeKinds.${kind}`) }))} />}
    </fieldset>
  );
}

interface DetailProps { label: DraftLabel; points: boolean; several: boolean; change: (changes: Partial<DraftLabel>) => void; onAll: (attributes: DraftAttribute[]) => void }

/** Attributes and skeleton of one label. */
export function LabelDetails({ label, points, several, change, onAll }: DetailProps) {
  const attributes = label.attributes ?? [];
  const set = (i: number, changes: Partial<DraftAttribute>): void => { change({ attributes: attributes.map((a, n) => (n === i ? { ...a, ...changes } : a)) }); };
  return (
    <div className="lw-card" style={{ margin: "4px 0 12px 32px" }}>
      {attributes.map((a, i) => (
        <div key={a.id ?? `new-${String(i)}`} className="lw-row" style={{ alignItems: "flex-end", marginBottom: 6 }}>
          <TextInput label={t("images.attribute")} value={a.name} w={180} onChange={(e) => { set(i, { name: e.currentTarget.value }); }} />
          <NativeSelect label={t("images.attributeType")} value={a.type} w={140} onChange={(e) => { set(i, { type: e.currentTarget.value as DraftAttribute["type"] }); }}
            data={(["boolean", "choice", "integer", "number", "text"] as const).map((type) => ({ value: type, label: t(`images.attributeTypes.${type}`) }))} />
          {a.type === "choice" && <TagsInput className="lw-grow" label={t("images.options")} placeholder={a.options.length === 0 ? t("images.optionsHint") : ""} value={a.options} onChange={(options) => { set(i, { options }); }} />}
          {(a.type === "integer" || a.type === "number") && (
            <>
              <NumberInput label={t("ontology.from")} w={90} value={a.minimum ?? ""} onChange={(v) => { set(i, { minimum: v === "" ? null : Number(v) }); }} />
              <NumberInput label={t("ontology.to")} w={90} value={a.maximum ?? ""} onChange={(v) => { set(i, { maximum: v === "" ? null : Number(v) }); }} />
            </>
          )}
          <Checkbox mb={8} label={t("ontology.required")} checked={a.required} onChange={(e) => { set(i, { required: e.currentTarget.checked }); }} />
          <ActionIcon mb={4} variant="subtle" color="gray" aria-label={`${t("common.remove")} ${a.name}`} onClick={() => { change({ attributes: attributes.filter((_, n) => n !== i) }); }}>✕</ActionIcon>
        </div>
      ))}
      <div className="lw-row">
        <Button size="xs" variant="default" onClick={() => { change({ attributes: [...attributes, blankAttribute()] }); }}>{t("images.addAttribute")}</Button>
        {several && attributes.length > 0 && <Button size="xs" variant="subtle" onClick={() => { onAll(attributes); }}>{t("images.attributesToAll")}</Button>}
      </div>
      {points && <SkeletonForm value={label.skeleton ?? { points: [], edges: [] }} onChange={(skeleton) => { change({ skeleton }); }} />}
    </div>
  );
}

/** Points and lines as rows of text, with a picture beside them. */
function SkeletonForm({ value, onChange }: { value: DraftSkeleton; onChange: (next: DraftSkeleton) => void }) {
  // The rows as they are typed: half a name is no point yet, but must not vanish under the fingers.
  const [points, setPoints] = useState(value.points.join("\n"));
  const [edges, setEdges] = useState(edgesText(value));
  const { wrong } = edgesOf(edges, value.points);
  return (
    <div className="lw-row" style={{ alignItems: "flex-start", marginTop: 12 }}>
      <Textarea label={t("images.skeletonPoints")} description={t("images.skeletonPointsHint")} autosize minRows={4} maxRows={12} w={200} value={points}
        onChange={(e) => {
          const text = e.currentTarget.value;
          const next = { points: pointsOf(text), edges: following(value, pointsOf(text)) };
          setPoints(text);
          if (wrong.length === 0) setEdges(edgesText(next));
          onChange(next);
        }} />
      <Textarea label={t("images.skeletonEdges")} description={t("images.skeletonEdgesHint")} autosize minRows={4} maxRows={12} w={260} value={edges}
        error={wrong.length > 0 ? t("images.skeletonWrong", { row: wrong[0] ?? "" }) : undefined}
        onChange={(e) => { setEdges(e.currentTarget.value); onChange({ ...value, edges: edgesOf(e.currentTarget.value, value.points).edges }); }} />
      {value.points.length > 0 && <SkeletonPreview skeleton={value} />}
      {value.points.length > 200 && <Alert color="yellow">{t("images.skeletonMany")}</Alert>}
    </div>
  );
}

function SkeletonPreview({ skeleton }: { skeleton: DraftSkeleton }) {
  const shown = skeleton.points.slice(0, 60);
  const at = layout(shown.length, skeleton.edges.filter(([a, b]) => a < 60 && b < 60));
  const place = (i: number): readonly [number, number] => { const p = at[i] ?? [0.5, 0.5]; return [20 + 180 * p[0], 16 + 180 * p[1]]; };
  return (
    <svg width={220} height={220} role="img" aria-label={t("images.skeletonPreview", { points: skeleton.points.length, n: skeleton.edges.length })} style={{ background: "var(--lw-stage, #24272e)", borderRadius: 6 }}>
      {skeleton.edges.filter(([a, b]) => a < 60 && b < 60).map(([a, b], i) => <line key={i} x1={place(a)[0]} y1={place(a)[1]} x2={place(b)[0]} y2={place(b)[1]} stroke="#7fb2ff" strokeWidth={2} />)}
      {shown.map((name, i) => (
        <g key={name}>
          <circle cx={place(i)[0]} cy={place(i)[1]} r={4} fill="#f2b84b"><title>{name}</title></circle>
          {shown.length <= 9 && <text x={place(i)[0] + 6} y={place(i)[1] - 5} fontSize={11} fill="#e8eaf0">{name}</text>}
        </g>
      ))}
    </svg>
  );
}
