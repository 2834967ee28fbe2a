/** Networks trained elsewhere: which there are, what their classes become here, adding one, running one. */
import { Alert, Button, FileButton, FileInput, Modal, NumberInput, Progress, Select, Textarea } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";

import { api, must, type Noun } from "../../api/client";
import { useMe } from "../../app/me";
import type { Question } from "../../editor/types";
import { send } from "../../parts/importing";
import { Empty, Trouble, Waiting } from "../../parts/state";
import { t } from "../../strings";

type Use = Noun<"Use">;
type Fitting = Noun<"Fitting">;
const SHOWN = 12;
const FIRST_SPEC = "name: my detector\nclasses: [first, second]\noutput: {layout: yolo}\n";

interface Props {
  readonly project: number;
  readonly questions: readonly Question[];
  readonly started: () => void;
}

export function Detectors({ project, questions, started }: Props) {
  const me = useMe();
  const [adding, setAdding] = useState(false);
  const uses = useQuery({
    queryKey: ["detectors", project],
    queryFn: () => must(api.GET("/api/projects/{project_id}/detectors", { params: { path: { project_id: project } } })) as Promise<Use[]>,
  });
  if (uses.isPending) return <Waiting />;
  if (uses.isError) return <Trouble error={uses.error} retry={() => void uses.refetch()} />;
  const add = me.user.is_admin ? <Button onClick={() => { setAdding(true); }}>{t("detectors.add")}</Button> : undefined;
  return (
    <section aria-label={t("detectors.title")}>
      <div className="lw-row"><h2 className="lw-grow">{t("detectors.title")}</h2>{uses.data.length > 0 && add}</div>
      {uses.data.length === 0 && <Empty title={t("detectors.none")} action={add}>{me.user.is_admin ? t("detectors.noneHint") : t("detectors.noneHintOthers")}</Empty>}
      {uses.data.map((use) => <DetectorCard key={use.detector.id} use={use} project={project} questions={questions} started={started} removable={me.user.is_admin} />)}
      <Modal opened={adding} onClose={() => { setAdding(false); }} title={t("detectors.add")} size="lg">
        <AddDetector done={() => { setAdding(false); void uses.refetch(); }} />
      </Modal>
    </section>
  );
}

function DetectorCard({ use, project, questions, started, removable }: Omit<Props, "started"> & { use: Use; started: () => void; removable: boolean }) {
  const queries = useQueryClient();
  const { detector, fittings, problem } = use;
  const [asked, setAsked] = useState<string | null>(null);
  const [images, setImages] = useState<number | null>(null);
  const fit = fittings.find((each) => each.question === asked) ?? fittings[0];
  const size = detector.spec.input?.size ?? null;
  const run = useMutation({
    mutationFn: () => must(api.POST("/api/projects/{project_id}/detector-runs", { params: { path: { project_id: project } }, body: { detector_id: detector.id, question: fit?.question ?? "", images } })),
    onSuccess: started,
  });
  const remove = useMutation({
    mutationFn: () => must(api.DELETE("/api/detectors/{detector_id}", { params: { path: { detector_id: detector.id } } })),
    onSuccess: () => void queries.invalidateQueries({ queryKey: ["detectors"] }),
  });
  return (
    <section className="lw-card" style={{ marginBottom: 12 }} aria-label={detector.name}>
      <div className="lw-row">
        <b>{detector.name}</b>
        <span className="lw-dim lw-grow">{detector.spec.task} · {detector.spec.output?.layout} · {size === null ? t("detectors.takesAny") : t("detectors.takes", { width: size[0] as number, height: size[1] as number })} · {t("detectors.classes", { n: Object.keys(detector.spec.classes ?? {}).length })}</span>
        {removable && <Button size="xs" variant="subtle" color="red" loading={remove.isPending} onClick={() => { if (window.confirm(t("detectors.removeSure", { name: detector.name }))) remove.mutate(); }}>{t("detectors.remove")}</Button>}
      </div>
      {problem !== "" && <Alert color="yellow" my="xs">{problem}</Alert>}
      {fit !== undefined && (
        <>
          <Mapping fit={fit} question={questions.find((q) => q.id === fit.question)} />
          <div className="lw-row" style={{ alignItems: "flex-end" }}>
            {fittings.length > 1 && <Select label={t("detectors.question")} allowDeselect={false} data={fittings.map((each) => ({ value: each.question, label: questions.find((q) => q.id === each.question)?.name ?? each.question }))} value={fit.question} onChange={setAsked} w={200} />}
            <NumberInput label={t("detectors.images")} placeholder={t("detectors.imagesAll")} min={1} max={100_000} allowDecimal={false} value={images ?? ""} onChange={(v) => { setImages(v === "" ? null : Number(v)); }} w={160} />
            <Button disabled={!fit.classes.some((row) => row.label !== null)} loading={run.isPending} onClick={() => { run.mutate(); }}>{t("detectors.run")}</Button>
            <span className="lw-dim">{t("detectors.runOn", { device: detector.signature.runs_on ?? "CPU" })}</span>
          </div>
        </>
      )}
      {run.isError && <Trouble error={run.error} />}
      {remove.isError && <Trouble error={remove.error} />}
    </section>
  );
}

/** Which label each class becomes; first what is left out, since that is what a person has to act on. */
function Mapping({ fit, question }: { fit: Fitting; question: Question | undefined }) {
  const left = fit.classes.filter((row) => row.label === null).map((row) => row.name);
  const known = fit.classes.filter((row) => row.label !== null);
  const names = new Map((question !== undefined && "labels" in question ? question.labels : []).map((label) => [label.id, label.name]));
  const some = left.slice(0, SHOWN).join(", ");
  return (
    <>
      <p className="lw-number">{t("detectors.mapped", { n: known.length, all: fit.classes.length })}</p>
      {left.length > 0 && (
        <p className="lw-dim">{t("detectors.unmapped", { names: left.length > SHOWN ? `${some} ${t("detectors.more", { n: left.length - SHOWN })}` : some })}<br />{t("detectors.synonyms")}</p>
      )}
      {known.length > 0 && (
        <details>
          <summary>{t("detectors.mapping")}</summary>
          <table className="lw-table"><thead><tr><th>{t("detectors.class")}</th><th>{t("detectors.becomes")}</th></tr></thead>
            <tbody>{known.map((row) => <tr key={row.number}><td>{row.name}</td><td>{names.get(row.label ?? "") ?? row.label}</td></tr>)}</tbody>
          </table>
        </details>
      )}
    </>
  );
}

function AddDetector({ done }: { done: () => void }) {
  const [model, setModel] = useState<File | null>(null);
  const [spec, setSpec] = useState(FIRST_SPEC);
  const [share, setShare] = useState<number | null>(null);
  const stop = useRef(new AbortController());
  useEffect(() => () => { stop.current.abort(); }, []);
  const add = useMutation({
    mutationFn: async (file: File) => {
      stop.current = new AbortController();
      setShare(0);
      const upload = await send(file, file.name, setShare, stop.current.signal);
      setShare(null);
      return must(api.POST("/api/detectors", { body: { upload_id: upload.upload_id, spec } }));
    },
    onSuccess: done,
    onSettled: () => { setShare(null); },
  });
  return (
    <>
      <FileInput label={t("detectors.model")} placeholder={t("detectors.choose")} accept=".onnx" value={model} onChange={setModel} required />
      <Textarea mt="sm" label={t("detectors.spec")} description={t("detectors.specHint")} autosize minRows={6} maxRows={18} value={spec} onChange={(e) => { setSpec(e.currentTarget.value); }} styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }} spellCheck={false} />
      <div className="lw-row" style={{ marginTop: 8 }}>
        <FileButton accept=".yaml,.yml,.json" onChange={(file) => { void file?.text().then(setSpec); }}>{(props) => <Button variant="default" size="xs" {...props}>{t("detectors.specFile")}</Button>}</FileButton>
      </div>
      {add.isPending && (
        <p role="status">{share === null ? t("detectors.trying") : t("detectors.sending")}</p>
      )}
      {share !== null && <Progress value={100 * share} aria-label={t("detectors.sending")} />}
      {add.isError && <Trouble error={add.error} />}
      <Button mt="md" disabled={model === null || spec.trim() === ""} loading={add.isPending} onClick={() => { if (model !== null) add.mutate(model); }}>{t("detectors.add")}</Button>
    </>
  );
}
