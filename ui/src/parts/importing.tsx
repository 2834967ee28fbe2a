/** Choosing a file, seeing what is in it, and saying which column means what: for the wizard and the import tab. */
import { Alert, Button, Select, Textarea } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useRef, useState } from "react";

import { apiError, type Noun } from "../api/client";
import { api, must } from "../api/client";
import { t } from "../strings";
import { Trouble, Waiting } from "./state";

export type Upload = Noun<"Upload">;
export type FilePreview = Noun<"labelwright__flows__ingest__Preview">;
export type Mapping = Noun<"Mapping">;

/** Send a file; the browser streams it, so that its size does not matter here. */
export async function send(file: Blob, name: string): Promise<Upload> {
  const response = await fetch(`/api/uploads?name=${encodeURIComponent(name)}`, { method: "POST", body: file, credentials: "same-origin", headers: { "Content-Type": "application/octet-stream" } });
  const body: unknown = await response.json().catch(() => null);
  if (!response.ok) throw apiError(response.status, body);
  return body as Upload;
}

export function look(upload: string, mapping: Mapping | null): Promise<FilePreview> {
  return must(api.POST("/api/uploads/{upload_id}/preview", { params: { path: { upload_id: upload } }, body: { mapping } })) as Promise<FilePreview>;
}

export function FileStep({ onReady }: { onReady: (upload: Upload, preview: FilePreview) => void }) {
  const [over, setOver] = useState(false);
  const [pasted, setPasted] = useState("");
  const input = useRef<HTMLInputElement>(null);
  const take = useMutation({
    mutationFn: async ({ file, name }: { file: Blob; name: string }) => {
      const upload = await send(file, name);
      return { upload, preview: await look(upload.upload_id, null) };
    },
    onSuccess: ({ upload, preview }) => { onReady(upload, preview); },
  });
  const first = (files: FileList | null): void => {
    const file = files?.[0];
    if (file !== undefined) take.mutate({ file, name: file.name });
  };
  if (take.isPending) return <Waiting label={t("wizard.uploading", { name: take.variables.name })} />;
  return (
    <>
      <div
        className={`lw-drop${over ? " lw-over" : ""}`}
        onDragOver={(e) => { e.preventDefault(); setOver(true); }}
        onDragLeave={() => { setOver(false); }}
        onDrop={(e) => { e.preventDefault(); setOver(false); first(e.dataTransfer.files); }}
      >
        <p><b>{t("wizard.drop")}</b></p>
        <p className="lw-dim">{t("wizard.dropHint")}</p>
        <Button onClick={() => input.current?.click()}>{t("wizard.choose")}</Button>
        <input ref={input} type="file" hidden aria-label={t("wizard.choose")} onChange={(e) => { first(e.currentTarget.files); }} />
      </div>
      {take.isError && <Trouble error={take.error} />}
      <Textarea label={t("wizard.paste")} autosize minRows={3} maxRows={8} mt="md" value={pasted} onChange={(e) => { setPasted(e.currentTarget.value); }} />
      {pasted.trim() !== "" && (
        <Button mt="xs" variant="default" onClick={() => {
          const lines = pasted.split(/\r?\n/u).filter((line) => line.trim() !== "").map((text) => JSON.stringify({ text })).join("\n");
          take.mutate({ file: new Blob([lines]), name: "pasted.jsonl" });
        }}>{t("wizard.usePasted")}</Button>
      )}
    </>
  );
}

export type LabelsAre = "gold" | "answers" | "predictions";

/** Columns by meaning, and the first rows as they would come in. */
export function MappingStep({ preview, mapping, labels, onMapping, onLabels, questions }: {
  preview: FilePreview;
  mapping: Mapping;
  labels: { column: string | null; are: LabelsAre; question: string | null };
  onMapping: (next: Mapping) => void;
  onLabels: (next: { column: string | null; are: LabelsAre; question: string | null }) => void;
  questions: readonly { id: string; name: string }[] | null;
}) {
  const columns = preview.columns.map((c) => c.name);
  return (
    <>
      {preview.needs_mapping && (
        <div className="lw-row" style={{ alignItems: "flex-end", marginBottom: 12 }}>
          <Select label={t("wizard.textColumn")} data={columns} value={mapping.text ?? null} allowDeselect={false} onChange={(text) => { onMapping({ ...mapping, text: text ?? "text" }); }} />
          <Select label={t("wizard.idColumn")} data={columns} value={mapping.external_id ?? null} clearable placeholder={t("wizard.noId")} w={280} onChange={(external_id) => { onMapping({ ...mapping, external_id }); }} />
          <Select label={t("wizard.labelColumn")} data={columns} value={labels.column} clearable onChange={(column) => { onLabels({ ...labels, column }); }} />
          {labels.column !== null && (
            <Select label={t("wizard.labelsAre")} allowDeselect={false} value={labels.are}
              data={[{ value: "gold", label: t("wizard.asGold") }, { value: "answers", label: t("wizard.asAnswers") }, { value: "predictions", label: t("wizard.asPredictions") }]}
              onChange={(are) => { onLabels({ ...labels, are: (are ?? "gold") as LabelsAre }); }} />
          )}
          {labels.column !== null && questions !== null && (
            <Select label={t("wizard.question")} allowDeselect={false} value={labels.question} data={questions.map((q) => ({ value: q.id, label: q.name }))} onChange={(question) => { onLabels({ ...labels, question }); }} />
          )}
        </div>
      )}
      {preview.problems.length > 0 && (
        <Alert color="yellow" title={t("wizard.problems")} mb="sm">
          {t("wizard.problemsHint")}
          <ul className="lw-problems">{preview.problems.slice(0, 10).map((p, i) => <li key={i}><code>{p.where}</code>: {p.message}</li>)}</ul>
        </Alert>
      )}
      <h2>{t("wizard.rows")}</h2>
      <div className="lw-scroll" style={{ maxHeight: 320 }} tabIndex={0} role="region" aria-label={t("wizard.rows")}>
        <table className="lw-table">
          <thead><tr><th>id</th><th>{t("table.text")}</th><th /></tr></thead>
          <tbody>
            {preview.rows.map((row, i) => (
              <tr key={i}>
                <td>{String(row["external_id"] ?? "")}</td>
                <td dir="auto">{String(row["text"]).slice(0, 240)}</td>
                <td className="lw-dim">{Object.entries((row["metadata"] ?? {}) as Record<string, unknown>).slice(0, 4).map(([k, v]) => `${k}: ${String(v).slice(0, 30)}`).join(" · ")}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

/** The mapping to send: with the label column, where one was chosen. */
export function withLabels(mapping: Mapping, labels: { column: string | null; are: LabelsAre; question: string | null }): Mapping {
  if (labels.column === null || labels.question === null) return mapping;
  return { ...mapping, [labels.are]: { [labels.question]: labels.column } };
}
