import { Button, Checkbox } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { api, must, type Noun } from "../../api/client";
import { FileStep, MappingStep, WhoseLabels, look, withLabels, type FilePreview, type LabelsAre, type LabelsSaid, type Mapping, type Upload } from "../../parts/importing";
import { ImportReport } from "../../parts/imported";
import { JobProgress } from "../../parts/job";
import { Trouble } from "../../parts/state";
import { t, type Spoken } from "../../strings";
import type { TabProps } from "./ProjectScreen";

export default function ImportTab({ project, view }: TabProps) {
  const [file, setFile] = useState<{ upload: Upload; preview: FilePreview; mapping: Mapping } | null>(null);
  const questions = view.ontology.questions.filter((q) => !q.retired).map((q) => ({ id: q.id, name: q.name }));
  const [labels, setLabels] = useState<{ column: string | null; are: LabelsAre; question: string | null }>({ column: null, are: "answers", question: questions[0]?.id ?? null });
  const modality: Spoken = view.project.modality === "image" ? "image" : "text";
  const [said, setSaid] = useState<LabelsSaid>("as_said");
  const [dry, setDry] = useState(false);
  const queries = useQueryClient();
  const path = { project_id: project };
  const jobs = useQuery({
    queryKey: ["jobs", project, "import"],
    queryFn: () => must(api.GET("/api/projects/{project_id}/jobs", { params: { path, query: { kind: "import" } } })) as Promise<Noun<"Job">[]>,
    refetchInterval: (query) => ((query.state.data ?? []).some((j) => j.state === "running" || j.state === "queued") ? 600 : false),
  });
  const start = useMutation({
    mutationFn: () => {
      if (file === null) throw new Error("no file");
      return must(api.POST("/api/projects/{project_id}/imports", { params: { path }, body: { upload_id: file.upload.upload_id, format: file.preview.format, mapping: withLabels(file.mapping, labels), options: { changed: "report", dry_run: dry, labels_are: said } } }));
    },
    onSuccess: () => {
      if (!dry) setFile(null);
      void queries.invalidateQueries({ queryKey: ["jobs", project] });
    },
  });
  return (
    <>
      <h2>{t("importer.title")}</h2>
      {file === null ? <FileStep modality={modality} onReady={(upload, preview) => { setFile({ upload, preview, mapping: preview.mapping }); }} /> : (
        <>
          <p>{t("wizard.found", { name: file.upload.name, format: file.preview.format })} <Button size="compact-xs" variant="subtle" onClick={() => { setFile(null); }}>{t("wizard.choose")}</Button></p>
          <MappingStep preview={file.preview} mapping={file.mapping} labels={labels} questions={questions} onLabels={setLabels}
            onMapping={(mapping) => { setFile({ ...file, mapping }); void look(file.upload.upload_id, mapping, modality).then((preview) => { setFile({ ...file, mapping, preview }); }); }} />
          <WhoseLabels preview={file.preview} value={said} onChange={setSaid} />
          <Checkbox mt="md" label={t("wizard.dryRun")} checked={dry} onChange={(e) => { setDry(e.currentTarget.checked); }} />
          <Button mt="md" loading={start.isPending} onClick={() => { start.mutate(); }}>{t("wizard.importNow")}</Button>
        </>
      )}
      {start.isError && <Trouble error={start.error} />}
      <h2>{t("importer.history")}</h2>
      {(jobs.data ?? []).length === 0 && <p className="lw-dim">{t("importer.none")}</p>}
      {(jobs.data ?? []).map((job) => (
        <section key={job.id} className="lw-card" style={{ marginBottom: 8 }}>
          <b>{String(job.params?.["name"] ?? "")}</b> <span className="lw-dim">{new Date(job.created_at).toLocaleString()}</span>
          <JobProgress job={job} project={project} />
          {job.state === "done" && <ImportReport job={job} project={project} />}
          {job.state === "done" && (job.params?.["options"] as { dry_run?: boolean } | undefined)?.dry_run === true && <p className="lw-dim">{t("wizard.checked")}</p>}
        </section>
      ))}
    </>
  );
}
