import { Alert, Button, Checkbox, Radio, Select, Stack } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { api, must, type Noun } from "../../api/client";
import { JobProgress } from "../../parts/job";
import { Trouble } from "../../parts/state";
import { t } from "../../strings";
import { chosenForExport, forgetChosen } from "./chosen";
import type { TabProps } from "./ProjectScreen";

export default function ExportTab({ project, view }: TabProps) {
  const images = view.project.modality === "image";
  const path = { project_id: project };
  const [format, setFormat] = useState(images ? "coco" : "labelwright");
  const [which, setWhich] = useState("latest");
  const [include, setInclude] = useState("all");
  const [withImages, setWithImages] = useState(false);
  const [chosen, setChosen] = useState(() => chosenForExport(project));
  const queries = useQueryClient();
  const formats = useQuery({ queryKey: ["formats"], queryFn: () => must(api.GET("/api/formats")), staleTime: Infinity });
  const exports = useQuery({
    queryKey: ["jobs", project, "export"],
    queryFn: () => must(api.GET("/api/projects/{project_id}/exports", { params: { path } })) as Promise<Noun<"Job">[]>,
    refetchInterval: (query) => ((query.state.data ?? []).some((j) => j.state === "running" || j.state === "queued") ? 600 : false),
  });
  const start = useMutation({
    mutationFn: () => must(api.POST("/api/projects/{project_id}/exports", { params: { path }, body: { format, asset_ids: [...chosen], with_images: images && withImages, which: which as "latest", include: include as "all", filter: { text: "" } } })),
    onSuccess: () => void queries.invalidateQueries({ queryKey: ["jobs", project, "export"] }),
  });
  const writers = (formats.data?.writers ?? []).filter((w) => (w.modalities ?? ["text"]).includes(images ? "image" : "text"));
  const written = writers.find((w) => w.name === format);
  return (
    <>
      <Stack maw={640}>
        {chosen.length > 0 && (
          <Alert color="blue" withCloseButton closeButtonLabel={t("bulk.none")} onClose={() => { forgetChosen(); setChosen([]); }}>{t("images.chosenOnly", { n: chosen.length })}</Alert>
        )}
        <Radio.Group label={t("export.format")} value={format} onChange={(next) => { setFormat(next); if (which === "each") setWhich("latest"); }}>
          <Stack gap={6} mt={4}>
            {writers.map((w) => <Radio key={w.name} value={w.name} label={w.title} description={[w.notes, w.needs].filter((x) => x !== "" && x !== undefined).join(" ")} />)}
          </Stack>
        </Radio.Group>
        <Select label={t("export.include")} allowDeselect={false} value={include} onChange={(v) => { setInclude(v ?? "all"); }} data={[{ value: "all", label: t("export.all") }, { value: "answered", label: t("export.answered") }, { value: "labelled", label: t("export.labelled") }, { value: "trusted", label: t("export.trusted") }]} />
        <Select label={t("export.which")} allowDeselect={false} value={which} onChange={(v) => { setWhich(v ?? "latest"); }} description={t(written?.everybody === true ? "images.everybody" : `images.rules.${which as "latest"}`)}
          data={[{ value: "latest", label: t("export.latest") }, { value: "majority", label: t("export.majority") }, ...(written?.everybody === true ? [] : [{ value: "each", label: t("images.eachPerson") }])]} />
        {images && <Checkbox label={t("images.withImages")} description={t("images.withImagesHint")} checked={withImages} onChange={(e) => { setWithImages(e.currentTarget.checked); }} />}
        {start.isError && <Trouble error={start.error} />}
        <Button loading={start.isPending} onClick={() => { start.mutate(); }} style={{ alignSelf: "flex-start" }}>{t("export.start")}</Button>
      </Stack>
      <h2>{t("export.history")}</h2>
      {(exports.data ?? []).length === 0 && <p className="lw-dim">{t("export.none")}</p>}
      {(exports.data ?? []).map((job) => <ExportCard key={job.id} job={job} project={project} title={formats.data?.writers.find((w) => w.name === job.params?.["format"])?.title ?? String(job.params?.["format"] ?? "")} />)}
    </>
  );
}

/** What a kind of loss is called; an unknown one by its code. */
function lossName(code: string): string {
  const known = ["as_box", "as_polygon", "as_rotated_box", "attributes", "box_added", "bridged", "clipped", "empty_text", "expanded", "free_points", "holes", "merged", "metadata", "no_pixels", "no_spans", "no_token", "not_a_span", "not_held", "one_of_several", "outside", "overlap", "pixels", "points_box", "polyline", "problems", "rounded", "score", "visibility", "z_order"] as const;
  const found = known.find((each) => each === code);
  return found === undefined ? code.replaceAll("_", " ") : t(`export.lossKinds.${found}`);
}

function ExportCard({ job, project, title }: { job: Noun<"Job">; project: number; title: string }) {
  const report = (job.report ?? {}) as { rows?: number; lost?: Record<string, number>; left_out?: Record<string, number>; notes?: { message: string }[] };
  const lost = Object.entries(report.lost ?? {});
  const left = Object.values(report.left_out ?? {}).reduce((a, b) => a + b, 0);
  return (
    <section className="lw-card" style={{ marginBottom: 8 }}>
      <div className="lw-row">
        <b>{title}</b>
        <span className="lw-dim lw-grow">{new Date(job.created_at).toLocaleString()}</span>
        {job.state === "done" && <Button component="a" href={`/api/projects/${String(project)}/exports/${String(job.id)}/file`} download size="xs">{t("export.download")}</Button>}
      </div>
      {job.state === "done" ? (
        <p className="lw-dim">
          {t("export.rows", { n: report.rows ?? 0 })}{left > 0 ? ` · ${t("export.leftOut", { n: left })}` : ""} · {lost.length === 0 ? t("export.complete") : `${t("export.lost")}: ${lost.map(([code, n]) => `${lossName(code)} (${String(n)})`).join(", ")}. ${t("export.lossMore")}`}
          {(report.notes ?? []).map((n, i) => <span key={i}> · {n.message}</span>)}
        </p>
      ) : <JobProgress job={job} project={project} />}
    </section>
  );
}
