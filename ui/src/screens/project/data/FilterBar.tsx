import { Button, Checkbox, NumberInput, Select, TextInput } from "@mantine/core";
import { useEffect, useState, type RefObject } from "react";

import type { Question } from "../../../editor/types";
import { t } from "../../../strings";
import { STATUSES, type Filters } from "./filters";

const FLAGS = ["any", "instructions", "role_marks", "invisible", "mixed_scripts"] as const;

export function FilterBar({ filters, questions, search, images }: { filters: Filters; questions: readonly Question[]; search: RefObject<HTMLInputElement | null>; images: boolean }) {
  const { set } = filters;
  const [text, setText] = useState(filters.text);
  const [sent, setSent] = useState(filters.text);
  // Cleared or changed from outside: the field follows.
  if (filters.text !== sent) {
    setSent(filters.text);
    setText(filters.text);
  }
  useEffect(() => {
    if (text === sent) return;
    const timer = setTimeout(() => { setSent(text); set("text", text); }, 250);
    return () => { clearTimeout(timer); };
  }, [text, sent, set]);
  const labels = questions.flatMap((q) => ("labels" in q ? q.labels.filter((l) => !l.retired).map((l) => ({ value: l.id, label: l.name })) : []));
  return (
    <>
      <TextInput ref={search} aria-label={t("table.search")} placeholder={`${t("table.search")} ( / )`} value={text} onChange={(e) => { setText(e.currentTarget.value); }} w={260} />
      <Select aria-label={t("table.status")} placeholder={t("table.anyStatus")} clearable data={STATUSES.map((value) => ({ value, label: t(`table.statuses.${value}`) }))} value={filters.status} onChange={(v) => { set("status", v); }} w={140} />
      <Select aria-label={t("ontology.label")} placeholder={t("table.anyLabel")} clearable searchable data={[...new Map(labels.map((l) => [l.value, l])).values()]} value={filters.label} onChange={(v) => { set("label", v); }} w={160} />
      <NumberInput aria-label={t("table.below")} placeholder={t("table.below")} min={0} max={1} step={0.1} decimalScale={2} value={filters.below ?? ""} onChange={(v) => { set("below", String(v)); }} w={160} />
      <NumberInput aria-label={t("table.above")} placeholder={t("table.above")} min={0} max={1} step={0.1} decimalScale={2} value={filters.above ?? ""} onChange={(v) => { set("above", String(v)); }} w={160} />
      <Select aria-label={t("table.anyChange")} placeholder={t("table.anyChange")} clearable data={[{ value: "changed", label: t("table.changed") }, { value: "kept", label: t("table.kept") }]} value={filters.change} onChange={(v) => { set("change", v); }} w={180} />
      {!images && <Select aria-label={t("flags.filter")} placeholder={t("flags.filter")} clearable data={FLAGS.map((value) => ({ value, label: t(`flags.${value}`) }))} value={filters.flag} onChange={(v) => { set("flag", v); }} w={180} />}
      <Checkbox label={t("table.gold")} checked={filters.gold} onChange={(e) => { set("gold", e.currentTarget.checked ? "true" : null); }} />
      <Button variant={filters.order === "confidence" ? "filled" : "default"} aria-pressed={filters.order === "confidence"} onClick={() => { set("order", filters.order === "confidence" ? null : "confidence"); }}>{t("table.sort")}</Button>
    </>
  );
}
