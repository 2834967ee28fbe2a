/** What to ask a model: endpoint, model, prompt version, examples. Used by the prompt studio and by runs. */
import { Alert, NumberInput, Select, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useEffect, type ReactNode } from "react";
import { Link } from "wouter";

import { api, must, type Noun } from "../../api/client";
import { t } from "../../strings";

export interface PlanDraft {
  provider: string | null;
  model: string;
  version: number;
  examples: "none" | "per_label" | "nearest" | "nearest_per_label" | "mmr";
  k: number;
  confidence: Noun<"Decoding">["confidence"];
  samples: number;
  grouping: "together" | "each";
  chunk: number | null;
  /** Version of the questions; null for the current one. */
  questions: number | null;
}

export const FIRST_PLAN: PlanDraft = { provider: null, model: "", version: 0, examples: "none", k: 1, confidence: "auto", samples: 5, grouping: "together", chunk: null, questions: null };

export function planOf(draft: PlanDraft): Noun<"Plan"> | null {
  if (draft.provider === null || draft.model.trim() === "") return null;
  return {
    provider_id: Number(draft.provider),
    model: draft.model.trim(),
    template_version: draft.version,
    examples: { kind: draft.examples, k: draft.k, seed: 0 },
    ontology_version: draft.questions,
    decoding: decodingOf(draft),
  };
}

export function decodingOf(draft: PlanDraft): Noun<"Decoding"> {
  return {
    temperature: 0, top_logprobs: 5, seed: 0, structured: "auto", overlap: 0.12,
    confidence: draft.confidence, samples: draft.samples, questions: draft.grouping, chunk_tokens: draft.chunk,
  };
}

export function usePlanParts(project: number) {
  const providers = useQuery({ queryKey: ["providers"], queryFn: () => must(api.GET("/api/providers")) as Promise<Noun<"Provider">[]> });
  const templates = useQuery({ queryKey: ["templates", project], queryFn: () => must(api.GET("/api/projects/{project_id}/templates", { params: { path: { project_id: project } } })) });
  return { providers: providers.data ?? [], loaded: providers.isSuccess, templates: templates.data ?? [] };
}

/** `more`: further settings that few need. `questions`: the newest version of the questions, where an older one may be chosen. `only`: endpoint and model alone. */
export function PlanForm({ value, onChange, project, questions = 1, only, more }: { value: PlanDraft; onChange: (next: PlanDraft) => void; project: number; questions?: number; only?: "model"; more?: ReactNode }) {
  const { providers, loaded, templates } = usePlanParts(project);
  const first = providers[0];
  useEffect(() => {
    if (value.provider === null && first !== undefined) onChange({ ...value, provider: String(first.id), model: first.models?.[0] ?? "" });
  }, [value, first, onChange]);
  if (loaded && providers.length === 0) return <Alert><Link href="/settings/models">{t("prompts.noProvider")}</Link></Alert>;
  const versions = [...new Map([{ value: "0", label: t("prompts.builtin") }, ...templates.filter((x) => (x.version ?? 0) > 0).map((x) => ({ value: String(x.version), label: t("prompts.versionNamed", { n: x.version ?? 0, name: x.name ?? "" }) }))].map((v) => [v.value, v])).values()];
  const known = providers.find((p) => String(p.id) === value.provider)?.models ?? [];
  return (
    <>
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
    {only === undefined && <More>
      <Select label={t("prompts.confidence")} allowDeselect={false} w={250} value={value.confidence}
        data={[{ value: "auto", label: t("prompts.confidenceAuto") }, { value: "logprobs", label: t("prompts.confidenceLogprobs") }, { value: "verbal", label: t("prompts.confidenceVerbal") }, { value: "self_consistency", label: t("prompts.confidenceSamples") }, { value: "seed_top5", label: t("prompts.confidenceSeed") }, { value: "none", label: t("prompts.confidenceNone") }]}
        onChange={(v) => { onChange({ ...value, confidence: (v ?? "auto") as PlanDraft["confidence"] }); }} />
      {value.confidence === "self_consistency" && <NumberInput label={t("prompts.samples")} min={2} max={20} value={value.samples} onChange={(v) => { onChange({ ...value, samples: Math.min(20, Math.max(2, Number(v) || 5)) }); }} w={170} />}
      <Select label={t("prompts.grouping")} allowDeselect={false} w={200} value={value.grouping}
        data={[{ value: "together", label: t("prompts.groupTogether") }, { value: "each", label: t("prompts.groupEach") }]}
        onChange={(v) => { onChange({ ...value, grouping: v === "each" ? "each" : "together" }); }} />
      <NumberInput label={t("prompts.chunkTokens")} placeholder={t("prompts.chunkAuto")} min={64} max={1_000_000} step={100} value={value.chunk ?? ""} onChange={(v) => { onChange({ ...value, chunk: v === "" ? null : Math.max(64, Number(v) || 64) }); }} w={180} />
      {more}
    </More>}
    </>
  );
}

/** Settings that few need: one click away. */
export function More({ children }: { children: ReactNode }) {
  return (
    <details className="lw-more">
      <summary>{t("prompts.more")}</summary>
      <div className="lw-row" style={{ alignItems: "flex-end" }}>{children}</div>
    </details>
  );
}
