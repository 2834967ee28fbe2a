/** Choosing a file, seeing what is in it, and saying which column means what: for the wizard and the import tab. */
import { Alert, Button, Progress, Select, Textarea } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useRef, useState } from "react";

import { ApiError, api, apiError, must, type Noun } from "../api/client";
import { t } from "../strings";
import { Trouble } from "./state";
import { zipOf } from "./zip";

export type Upload = Noun<"Upload">;
export type FilePreview = Noun<"FilePreview">;
export type Mapping = Noun<"Mapping">;

/**
 * Send a file; the browser streams it, so that its size does not matter here. `fetch` does not tell how far an upload
 * is; this older way does.
 */
export function send(file: Blob, name: string, onProgress: (share: number) => void, stop: AbortSignal): Promise<Upload> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/api/uploads?name=${encodeURIComponent(name)}`);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.onprogress = (e) => { onProgress(e.total === 0 ? 1 : e.loaded / e.total); };
    request.onload = () => {
      let body: unknown = null;
      try {
        body = JSON.parse(request.responseText);
      } catch {
        // Not JSON: the status says enough.
      }
      if (request.status >= 200 && request.status < 300) resolve(body as Upload);
      else reject(apiError(request.status, body));
    };
    request.onerror = () => { reject(new ApiError(0, "unreachable", t("wizard.cut"), t("wizard.cutHint"), [], null)); };
    request.onabort = () => { reject(new ApiError(0, "stopped", t("wizard.stopped"), "", [], null)); };
    stop.addEventListener("abort", () => { request.abort(); });
    request.send(file);
  });
}

const FOLDER_LIMIT_MB = 500;

/** What was dropped or chosen as one file: itself, or the .txt files of a folder as a zip. */
async function oneFile(files: readonly { name: string; file: File }[]): Promise<{ file: Blob; name: string }> {
  const [only] = files;
  if (only !== undefined && files.length === 1 && !only.name.includes("/")) return { file: only.file, name: only.file.name };
  const folder = only?.name.includes("/") === true;
  const texts = files.filter((f) => /\.txt$/iu.test(f.name));
  const other = files.find((f) => !/\.txt$/iu.test(f.name));
  if (!folder && other !== undefined) throw new Error(t("wizard.onlyTexts", { name: other.name }));
  if (texts.length === 0) throw new Error(t("wizard.folderEmpty"));
  if (texts.length > 65_000 || texts.reduce((sum, f) => sum + f.file.size, 0) > FOLDER_LIMIT_MB * 2 ** 20) throw new Error(t("wizard.tooMuch", { mb: FOLDER_LIMIT_MB }));
  const read = await Promise.all(texts.map(async (f) => ({ name: f.name, bytes: new Uint8Array(await f.file.arrayBuffer()) })));
  return { file: zipOf(read), name: `${folder ? (only?.name.split("/")[0] ?? "texts") : "texts"}.zip` };
}

/** All files of a drop, those of folders too. */
async function dropped(items: DataTransferItemList): Promise<{ name: string; file: File }[]> {
  const walk = async (entry: FileSystemEntry): Promise<{ name: string; file: File }[]> => {
    if (entry.isFile) {
      const file = await new Promise<File>((ok, no) => { (entry as FileSystemFileEntry).file(ok, no); });
      return [{ name: entry.fullPath.replace(/^\//u, ""), file }];
    }
    const reader = (entry as FileSystemDirectoryEntry).createReader();
    const inside: FileSystemEntry[] = [];
    // A directory is read in portions; the empty one is the end.
    for (;;) {
      const portion = await new Promise<FileSystemEntry[]>((ok, no) => { reader.readEntries(ok, no); });
      if (portion.length === 0) break;
      inside.push(...portion);
    }
    return (await Promise.all(inside.map(walk))).flat();
  };
  const entries = [...items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  return (await Promise.all(entries.map(walk))).flat();
}

export function look(upload: string, mapping: Mapping | null): Promise<FilePreview> {
  return must(api.POST("/api/uploads/{upload_id}/preview", { params: { path: { upload_id: upload } }, body: { mapping } })) as Promise<FilePreview>;
}

export function FileStep({ onReady }: { onReady: (upload: Upload, preview: FilePreview) => void }) {
  const [over, setOver] = useState(false);
  const [pasted, setPasted] = useState("");
  const [share, setShare] = useState(0);
  const input = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  const stop = useRef(new AbortController());
  const take = useMutation({
    mutationFn: async (found: Promise<{ name: string; file: File }[]>) => {
      const { file, name } = await oneFile(await found);
      setShare(0);
      stop.current = new AbortController();
      const upload = await send(file, name, setShare, stop.current.signal);
      return { upload, preview: await look(upload.upload_id, null) };
    },
    onSuccess: ({ upload, preview }) => { onReady(upload, preview); },
  });
  const chosen = (files: FileList | null): void => {
    // A cancelled choice is no choice.
    if (files !== null && files.length > 0) take.mutate(Promise.resolve([...files].map((file) => ({ name: file.webkitRelativePath || file.name, file }))));
  };
  if (take.isPending) {
    return (
      <div className="lw-drop" role="status">
        <p>{share < 1 ? t("wizard.uploading", { percent: Math.round(100 * share) }) : t("wizard.reading")}</p>
        <Progress value={100 * share} animated={share >= 1} striped={share >= 1} aria-label={t("wizard.uploadProgress")} mb="md" />
        <Button variant="default" size="xs" onClick={() => { stop.current.abort(); }}>{t("common.cancel")}</Button>
      </div>
    );
  }
  return (
    <>
      <div
        className={`lw-drop${over ? " lw-over" : ""}`}
        onDragOver={(e) => { e.preventDefault(); setOver(true); }}
        onDragLeave={() => { setOver(false); }}
        onDrop={(e) => { e.preventDefault(); setOver(false); take.mutate(dropped(e.dataTransfer.items)); }}
      >
        <p><b>{t("wizard.drop")}</b></p>
        <p className="lw-dim">{t("wizard.dropHint")}</p>
        <Button onClick={() => input.current?.click()}>{t("wizard.choose")}</Button>{" "}
        <Button variant="default" onClick={() => folder.current?.click()}>{t("wizard.chooseFolder")}</Button>
        <input ref={input} type="file" multiple hidden aria-label={t("wizard.choose")} onChange={(e) => { chosen(e.currentTarget.files); }} />
        <input ref={folder} type="file" {...{ webkitdirectory: "" }} hidden aria-label={t("wizard.chooseFolder")} onChange={(e) => { chosen(e.currentTarget.files); }} />
      </div>
      {take.isError && <Trouble error={take.error} />}
      <Textarea label={t("wizard.paste")} autosize minRows={3} maxRows={8} mt="md" value={pasted} onChange={(e) => { setPasted(e.currentTarget.value); }} />
      {pasted.trim() !== "" && (
        <Button mt="xs" variant="default" onClick={() => {
          const lines = pasted.split(/\r?\n/u).filter((line) => line.trim() !== "").map((text) => JSON.stringify({ text })).join("\n");
          take.mutate(Promise.resolve([{ name: "pasted.jsonl", file: new File([lines], "pasted.jsonl") }]));
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
