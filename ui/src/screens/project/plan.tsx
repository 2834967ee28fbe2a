/** What to ask a model: endpoint, model, prompt version, examples. Used by the prompt studio and by runs. */
import { Alert, NumberInput, Select, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { Link } from "wouter";

import { api, must, type Noun } from "../../api/client";
import { t } from "../../strings";

export interface PlanDraft {
  provider: string | null;
  model: string;
  version: number;
  examples: "none" | "per_label" | "nearest" | "nearest_per_label" | "mmr";
  k: number;
  /** Version of the questions; null for the current one. */
  questions: number | null;
}

export const FIRST_PLAN: PlanDraft = { provider: null, model: "", version: 0, examples: "none", k: 1, questions: null };

export function planOf(draft: PlanDraft): Noun<"Plan"> | null {
  if (draft.provider === null || draft.model.trim() === "") return null;
  return {
    provider_id: Number(draft.provider),
    model: draft.model.trim(),
    template_version: draft.version,
    examples: { kind: draft.examples, k: draft.k, seed: 0 },
    decoding: { temperature: 0, top_logprobs: 5, seed: 0, structured: "auto" },
    ontology_version: draft.questions,
  };
}

export function usePlanParts(project: number) {
  const providers = useQuery({ queryKey: ["providers"], queryFn: () => must(api.GET("/api/providers")) as Promise<Noun<"Provider">[]> });
  const templates = useQuery({ queryKey: ["templates", project], queryFn: () => must(api.GET("/api/projects/{project_id}/templates", { params: { path: { project_id: project } } })) });
  return { providers: providers.data ?? [], loaded: providers.isSuccess, templates: templates.data ?? [] };
}

/** `questions`: the newest version of the questions, where an older one may be chosen. `only`: endpoint and model alone. */
export function PlanForm({ value, onChange, project, questions = 1, only }: { value: PlanDraft; onChange: (next: PlanDraft) => void; project: number; questions?: number; only?: "model" }) {
  const { providers, loaded, templates } = usePlanParts(project);
  const first = providers[0];
  useEffect(() => {
    if (value.provider === null && first !== undefined) onChange({ ...value, provider: String(first.id), model: first.models?.[0] ?? "" });
  }, [value, first, onChange]);
  if (loaded && providers.length === 0) return <Alert><Link href="/settings/models">{t("prompts.noProvider")}</Link></Alert>;
  const versions = [...new Map([{ value: "0", label: t("prompts.builtin") }, ...templates.filter((x) => (x.version ?? 0) > 0).map((x) => ({ value: String(x.version), label: t("prompts.versionNamed", { n: x.version ?? 0, name: x.name ?? "" }) }))].map((v) => [v.value, v])).values()];
  const known = providers.find((p) => String(p.id) === value.provider)?.models ?? [];
  return (
    <div className="lw-row" style={{ alignItems: "flex-end" }}>
      <Select label={t("prompts.provider")} data={providers.map((p) => ({ value: String(p.id), label: p.name }))} value={value.provider} onChange={(provider) => { onChange({ ...value, provider, model: providers.find((p) => String(p.id) === provider)?.models?.[0] ?? value.model }); }} w={180} />
      {known.length > 1
        ? <Select label={t("prompts.model")} data={[...known]} value={value.model} onChange={(model) => { onChange({ ...value, model: model ?? "" }); }} w={200} />
        : <TextInput label={t("prompts.model")} value={value.model} onChange={(e) => { onChange({ ...value, model: e.currentTarget.value }); }} w={200} />}
      {only === undefined && <><Select label={t("prompts.version")} data={versions} allowDeselect={false} value={String(value.version)} onChange={(v) => { onChange({ ...value, version: Number(v) }); }} w={190} />
      <Select label={t("prompts.examples")} allowDeselect={false} w={230}
        data={[{ value: "none", label: t("prompts.zero") }, { value: "per_label", label: value.k === 1 ? t("prompts.perLabel") : t("prompts.perLabelK") }, { value: "nearest", label: t("prompts.nearest") }, { value: "nearest_per_label", label: t("ways.nearestPerLabel") }, { value: "mmr", label: t("ways.mmr") }]}
        value={value.examples} onChange={(v) => { onChange({ ...value, examples: (v ?? "none") as PlanDraft["examples"] }); }} />
      {value.examples !== "none" && <NumberInput label={t("prompts.k")} min={1} max={50} value={value.k} onChange={(v) => { onChange({ ...value, k: Number(v) || 1 }); }} w={90} />}
      {questions > 1 && <Select label={t("ways.questions")} allowDeselect={false} w={160} value={value.questions === null ? "" : String(value.questions)} onChange={(v) => { onChange({ ...value, questions: v === null || v === "" ? null : Number(v) }); }}
        data={[{ value: "", label: t("ways.current") }, ...Array.from({ length: questions - 1 }, (_, i) => ({ value: String(questions - 1 - i), label: t("ways.version", { n: questions - 1 - i }) }))]} />}
      </>}
    </div>
  );
}
