/** Choosing a file, seeing what is in it, and saying which column means what: for the wizard and the import tab. */
import { Alert, Button, Progress, Select, Textarea } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useRef, useState } from "react";

import { ApiError, api, apiError, must, type Noun } from "../api/client";
import { t, type Spoken } from "../strings";
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
/** Images are packed as they lie on the disk, without being read into memory: what limits them is the zip. */
const IMAGES_LIMIT_MB = 3_900;
interface Named { name: string; file: File }
/** What a browser's file list says of images; label files and what else lies beside them goes along. */
const IMAGE = /\.(jpe?g|png|webp|bmp|tiff?|gif|heic|heif|avif)$/iu;
const JUNK = /(^|\/)(\.|thumbs\.db$|desktop\.ini$|__macosx\/)/iu;

/** What was dropped or chosen as one file: itself, or several as a zip. */
async function oneFile(files: readonly Named[], wantedAs: Spoken | null, onProgress: (files: number, share: number) => void): Promise<{ file: Blob; name: string }> {
  const [only] = files;
  if (only !== undefined && files.length === 1 && !only.name.includes("/")) return { file: only.file, name: only.file.name };
  const folder = only?.name.includes("/") === true;
  const modality = wantedAs ?? (files.some((f) => IMAGE.test(f.name)) ? "image" : "text");
  const wanted = modality === "image" ? files.filter((f) => !JUNK.test(f.name)) : files.filter((f) => /\.txt$/iu.test(f.name));
  const other = files.find((f) => !/\.txt$/iu.test(f.name));
  if (modality === "text" && !folder && other !== undefined) throw new Error(t("wizard.onlyTexts", { name: other.name }));
  if (wanted.length === 0) throw new Error(t("wizard.folderEmpty"));
  const limit = modality === "image" ? IMAGES_LIMIT_MB : FOLDER_LIMIT_MB;
  if (wanted.length > 65_000 || wanted.reduce((sum, f) => sum + f.file.size, 0) > limit * 2 ** 20) throw new Error(t("wizard.tooMuch", { mb: limit }));
  const file = await zipOf(wanted.map((f) => ({ name: f.name, content: f.file })), (done) => { onProgress(wanted.length, done / wanted.length); });
  return { file, name: `${folder ? (only?.name.split("/")[0] ?? "files") : modality === "image" ? "images" : "texts"}.zip` };
}

/** All files of a drop, those of folders too. */
async function dropped(items: DataTransferItemList): Promise<Named[]> {
  const walk = async (entry: FileSystemEntry): Promise<Named[]> => {
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

export function look(upload: string, mapping: Mapping | null, modality: Spoken | null): Promise<FilePreview> {
  return must(api.POST("/api/uploads/{upload_id}/preview", { params: { path: { upload_id: upload } }, body: { mapping, modality } })) as Promise<FilePreview>;
}

/** `modality`: of the project; null where what is dropped decides. */
export function FileStep({ modality, onReady }: { modality: Spoken | null; onReady: (upload: Upload, preview: FilePreview) => void }) {
  const [over, setOver] = useState(false);
  const [pasted, setPasted] = useState("");
  const [share, setShare] = useState(0);
  const [packing, setPacking] = useState<{ n: number; share: number } | null>(null);
  const input = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  const stop = useRef(new AbortController());
  const take = useMutation({
    mutationFn: async (found: Promise<Named[]>) => {
      const { file, name } = await oneFile(await found, modality, (n, part) => { setPacking({ n, share: part }); });
      setPacking(null);
      setShare(0);
      stop.current = new AbortController();
      const upload = await send(file, name, setShare, stop.current.signal);
      return { upload, preview: await look(upload.upload_id, null, modality) };
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
        <p>{packing !== null ? t("images.packing", { n: packing.n, percent: Math.round(100 * packing.share) }) : share < 1 ? t("wizard.uploading", { percent: Math.round(100 * share) }) : t("wizard.reading")}</p>
        <Progress value={100 * (packing?.share ?? share)} animated={share >= 1} striped={share >= 1} aria-label={t("wizard.uploadProgress")} mb="md" />
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
        <input ref={input} type="file" multiple hidden {...(modality === "image" ? { accept: "image/*,.heic,.heif,.tif,.tiff,.zip,.tar,.gz,.tgz,.json,.jsonl,.csv,.xml,.txt" } : {})} aria-label={t("wizard.choose")} onChange={(e) => { chosen(e.currentTarget.files); }} />
        <input ref={folder} type="file" {...{ webkitdirectory: "" }} hidden aria-label={t("wizard.chooseFolder")} onChange={(e) => { chosen(e.currentTarget.files); }} />
      </div>
      {take.isError && <Trouble error={take.error} />}
      {modality !== "image" && <Textarea label={t("wizard.paste")} autosize minRows={3} maxRows={8} mt="md" value={pasted} onChange={(e) => { setPasted(e.currentTarget.value); }} />}
      {modality !== "image" && pasted.trim() !== "" && (
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
        {preview.modality === "image" ? <FilesFound preview={preview} /> : <table className="lw-table">
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
        </table>}
      </div>
    </>
  );
}

/** Names of the first images and how many labels each has; nothing is decoded before the import. */
function FilesFound({ preview }: { preview: FilePreview }) {
  return (
    <table className="lw-table">
      <thead><tr><th>{t("table.text")}</th><th>{t("table.answers")}</th></tr></thead>
      <tbody>
        {preview.rows.map((row, i) => {
          const opinions = (row["opinions"] ?? []) as { answers: Record<string, unknown> }[];
          const n = opinions.reduce((sum, o) => sum + Object.values(o.answers).reduce((each: number, a) => each + (Array.isArray(a) ? a.length : 1), 0), 0);
          return <tr key={i}><td>{String(row["image"] ?? row["external_id"] ?? "")}</td><td className="lw-dim">{opinions.length === 0 ? t("images.noLabels") : t("images.labels", { n })}</td></tr>;
        })}
      </tbody>
    </table>
  );
}

export type LabelsSaid = "as_said" | "gold" | "person" | "model";

/** Whether the labels that came along are trusted, people's or a model's; only asked where some came. */
export function WhoseLabels({ preview, value, onChange }: { preview: FilePreview; value: LabelsSaid; onChange: (next: LabelsSaid) => void }) {
  if (preview.modality !== "image" || !preview.rows.some((row) => ((row["opinions"] ?? []) as unknown[]).length > 0)) return null;
  return (
    <Select mt="md" w={280} label={t("images.answersAre")} allowDeselect={false} value={value} onChange={(v) => { onChange((v ?? "as_said") as LabelsSaid); }}
      data={[{ value: "as_said", label: t("images.asSaid") }, { value: "gold", label: t("wizard.asGold") }, { value: "person", label: t("wizard.asAnswers") }, { value: "model", label: t("wizard.asPredictions") }]} />
  );
}

/** The mapping to send: with the label column, where one was chosen. */
export function withLabels(mapping: Mapping, labels: { column: string | null; are: LabelsAre; question: string | null }): Mapping {
  if (labels.column === null || labels.question === null) return mapping;
  return { ...mapping, [labels.are]: { [labels.question]: labels.column } };
}
