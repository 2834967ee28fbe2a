/** From files to the first asset in four steps: texts or images, questions, model, ready. */
import { Alert, Button, Checkbox, NumberInput, Radio, SegmentedControl, Select, Stack, Stepper, TextInput } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";

import { api, must, type Noun } from "../../api/client";
import { FileStep, MappingStep, WhoseLabels, look, withLabels, type FilePreview, type LabelsAre, type LabelsSaid, type Mapping, type Upload } from "../../parts/importing";
import { ImportReport } from "../../parts/imported";
import { JobProgress } from "../../parts/job";
import { FIRST_PLAN, decodingOf } from "../project/plan";
import { NEW_ONTOLOGY, OntologyForm, bodyOf, draftOf, missingIn, newQuestion, type DraftOntology, type Modality } from "../../parts/ontology";
import { useSpeaking } from "../../parts/speaking";
import { Trouble } from "../../parts/state";
import { t } from "../../strings";

export default function WizardScreen() {
  const [step, setStep] = useState(0);
  const [modality, setModality] = useState<Modality>("text");
  useSpeaking(modality);
  const [said, setSaid] = useState<LabelsSaid>("as_said");
  const [starter, setStarter] = useState<string>("own");
  const [upload, setUpload] = useState<Upload | null>(null);
  const [preview, setPreview] = useState<FilePreview | null>(null);
  const [mapping, setMapping] = useState<Mapping | null>(null);
  const [labels, setLabels] = useState<{ column: string | null; are: LabelsAre; question: string | null }>({ column: null, are: "answers", question: null });
  const [ontology, setOntology] = useState<DraftOntology>(NEW_ONTOLOGY);
  const [name, setName] = useState("");
  const [isPrivate, setPrivate] = useState(false);
  const [model, setModel] = useState<"local" | "remote">("local");
  const [provider, setProvider] = useState<string | null>(null);
  const [modelName, setModelName] = useState("");
  const [batch, setBatch] = useState(50);
  const providers = useQuery({ queryKey: ["providers"], queryFn: () => must(api.GET("/api/providers")) as Promise<Noun<"Provider">[]> });

  const starters = useQuery({ queryKey: ["starters"], queryFn: () => must(api.GET("/api/starters")), staleTime: Infinity });

  const again = useMutation({
    mutationFn: (next: Mapping) => (upload === null ? Promise.reject(new Error("no file")) : look(upload.upload_id, next, modality)),
    onSuccess: setPreview,
  });
  const create = useMutation({
    mutationFn: async () => {
      if (upload === null || preview === null) throw new Error("no file");
      const project = await must(api.POST("/api/projects", { body: { name, description: "", modality, ontology: bodyOf(ontology), settings: { private: isPrivate } } }));
      const path = { project_id: project.id };
      const stored = await must(api.GET("/api/projects/{project_id}/ontology", { params: { path } }));
      // The label column answers the first question with labels, or the one that was made from it.
      const question = stored.questions.find((q) => q.name === labels.column) ?? stored.questions.find((q) => "labels" in q) ?? stored.questions[0];
      const chosen = withLabels(mapping ?? preview.mapping, { ...labels, question: question?.id ?? null });
      const job = await must(api.POST("/api/projects/{project_id}/imports", { params: { path }, body: { upload_id: upload.upload_id, format: preview.format, mapping: chosen, options: { changed: "report", dry_run: false, labels_are: said } } }));
      return { project, job };
    },
    onSuccess: () => { setStep(3); },
  });

  const ready = (sent: Upload, found: FilePreview): void => {
    setUpload(sent);
    setPreview(found);
    setMapping(found.mapping);
    if (found.suggested) {
      setOntology(draftOf(found.suggested));
      setStarter("found");
      const column = found.columns.find((c) => c.name === found.suggested?.questions[0]?.name)?.name ?? null;
      setLabels((now) => ({ ...now, column }));
    }
    // Whoever dropped images meant images.
    setModality(found.modality === "image" ? "image" : "text");
    setName((now) => (now === "" ? sent.name.replace(/\.[^.]*$/u, "") : now));
  };
  const missing = missingIn(ontology);
  const fitting = (starters.data ?? []).filter((s) => s.modality === modality);
  const startFrom = (name: string): void => {
    setStarter(name);
    const ready = fitting.find((s) => s.name === name);
    if (name === "found" && preview?.suggested) setOntology(draftOf(preview.suggested));
    else if (ready !== undefined) setOntology(draftOf(ready.ontology));
    else setOntology(modality === "image" ? { guideline: "", questions: [newQuestion("region", [])] } : NEW_ONTOLOGY);
  };
  const choose = (next: Modality): void => {
    setModality(next);
    setStarter("own");
    setOntology(next === "image" ? { guideline: "", questions: [newQuestion("region", [])] } : NEW_ONTOLOGY);
  };

  return (
    <main className="lw-page" id="main">
      <h1>{t("wizard.title")}</h1>
      <Stepper active={step} onStepClick={(to) => { if (to < step && step < 3) setStep(to); }} size="sm" my="md">
        <Stepper.Step label={t("wizard.file")}>
          {preview === null && (
            <div style={{ marginBottom: 16 }}>
              <div id="modality" className="lw-dim" style={{ marginBottom: 4 }}>{t("images.modality")}</div>
              <SegmentedControl aria-labelledby="modality" value={modality} onChange={(v) => { choose(v as Modality); }} data={[{ value: "text", label: t("images.modalities.text") }, { value: "image", label: t("images.modalities.image") }]} />
            </div>
          )}
          {preview === null || upload === null ? <FileStep modality={modality === "image" ? "image" : null} onReady={ready} /> : (
            <>
              <p>{t("wizard.found", { name: upload.name, format: preview.format })} <Button size="compact-xs" variant="subtle" onClick={() => { setPreview(null); setUpload(null); }}>{t("wizard.choose")}</Button></p>
              <MappingStep preview={preview} mapping={mapping ?? preview.mapping} labels={labels} questions={null} onLabels={setLabels} onMapping={(next) => { setMapping(next); again.mutate(next); }} />
              {again.isError && <Trouble error={again.error} />}
              <WhoseLabels preview={preview} value={said} onChange={setSaid} />
              <Button mt="md" onClick={() => { setStep(1); }}>{t("common.next")}</Button>
            </>
          )}
        </Stepper.Step>
        <Stepper.Step label={t("wizard.questions")}>
          {fitting.length > 0 && (
            <fieldset className="lw-starters">
              <legend>{t("images.starter")}</legend>
              {[...(preview?.suggested ? [{ name: "found", title: t("images.starterFound"), description: "" }] : []), ...fitting, { name: "own", title: t("images.starterOwn"), description: "" }].map((s) => (
                <Button key={s.name} size="xs" variant={starter === s.name ? "filled" : "default"} aria-pressed={starter === s.name} title={s.description} onClick={() => { startFrom(s.name); }}>{s.title}</Button>
              ))}
            </fieldset>
          )}
          <OntologyForm key={starter} value={ontology} onChange={setOntology} modality={modality} />
          {missing !== null && <p className="lw-dim" role="status">{missing}</p>}
          <div className="lw-row" style={{ marginTop: 16 }}>
            <Button variant="default" onClick={() => { setStep(0); }}>{t("common.back")}</Button>
            <Button disabled={missing !== null} onClick={() => { setStep(2); }}>{t("common.next")}</Button>
          </div>
        </Stepper.Step>
        <Stepper.Step label={t("wizard.model")}>
          <Stack maw={640}>
            <TextInput label={t("wizard.name")} required value={name} onChange={(e) => { setName(e.currentTarget.value); }} />
            <Checkbox label={t("wizard.private")} checked={isPrivate} onChange={(e) => { setPrivate(e.currentTarget.checked); }} />
            {modality === "text" && <Radio.Group value={model} onChange={(v) => { setModel(v as "local" | "remote"); }} label={t("wizard.model")}>
              <Stack gap="xs" mt="xs">
                <Radio value="local" label={t("wizard.local")} description={t("wizard.localHint")} />
                <Radio value="remote" label={t("wizard.remote")} description={t("wizard.remoteHint")} />
              </Stack>
            </Radio.Group>}
            {modality === "image" && <p className="lw-dim">{t("images.modelLater")}</p>}
            {modality === "text" && model === "remote" && ((providers.data ?? []).length === 0 ? <Alert><Link href="/settings/models">{t("wizard.noProvider")}</Link></Alert> : (
              <>
                <Select label={t("wizard.provider")} data={(providers.data ?? []).map((p) => ({ value: String(p.id), label: `${p.name} (${p.base_url})` }))} value={provider} onChange={(v) => { setProvider(v); setModelName(providers.data?.find((p) => String(p.id) === v)?.models?.[0] ?? ""); }} />
                <TextInput label={t("wizard.modelName")} value={modelName} onChange={(e) => { setModelName(e.currentTarget.value); }} />
                <NumberInput label={t("wizard.batch")} min={1} max={100000} value={batch} onChange={(v) => { setBatch(Number(v)); }} />
              </>
            ))}
            {create.isError && <Trouble error={create.error} />}
            <div className="lw-row">
              <Button variant="default" onClick={() => { setStep(1); }}>{t("common.back")}</Button>
              <Button disabled={name.trim() === ""} loading={create.isPending} onClick={() => { create.mutate(); }}>{t("wizard.create")}</Button>
            </div>
          </Stack>
        </Stepper.Step>
        <Stepper.Step label={t("wizard.ready")}>
          {create.data !== undefined && <Ready project={create.data.project.id} job={create.data.job.id} plan={modality === "text" && model === "remote" && provider !== null && modelName !== "" ? { provider_id: Number(provider), model: modelName, batch } : null} />}
        </Stepper.Step>
      </Stepper>
    </main>
  );
}

function Ready({ project, job, plan }: { project: number; job: number; plan: { provider_id: number; model: string; batch: number } | null }) {
  const path = { project_id: project };
  const [started, setStarted] = useState(false);
  const progress = useQuery({
    queryKey: ["jobs", project, job],
    queryFn: () => must(api.GET("/api/projects/{project_id}/jobs/{job_id}", { params: { path: { ...path, job_id: job } } })) as Promise<Noun<"Job">>,
    refetchInterval: (query) => (query.state.data && ["done", "failed", "cancelled"].includes(query.state.data.state) ? false : 400),
  });
  const run = useMutation({
    mutationFn: () => must(api.POST("/api/projects/{project_id}/runs", { params: { path }, body: { plan: { provider_id: plan?.provider_id ?? 0, model: plan?.model ?? "", template_version: 0, examples: { kind: "none", k: 1, seed: 0 }, decoding: decodingOf(FIRST_PLAN) }, batch_size: plan?.batch ?? 50, batches: 1, how: "now", use_cache: true } })),
  });
  const data = progress.data;
  if (data?.state === "done" && plan !== null && !started) {
    setStarted(true);
    run.mutate();
  }
  if (data === undefined) return null;
  return (
    <>
      <JobProgress job={data} project={project} />
      {data.state === "done" && <ImportReport job={data} project={project} />}
      {data.state === "failed" && <Alert color="red">{data.message}</Alert>}
      {run.isSuccess && <p>{t("wizard.prelabelling")}</p>}
      {run.isError && <Trouble error={run.error} />}
      {data.state === "done" && <Button component={Link} href={`/projects/${String(project)}/label`} size="md" autoFocus>{t("wizard.start")}</Button>}
    </>
  );
}
