/** Everything about one asset, beside the list. */
import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";

import { api, must, type Noun } from "../../../api/client";
import type { Answers, Question } from "../../../editor/types";
import { AnswerChips } from "../../../parts/answers";
import { FlagNotice, FlaggedText } from "../../../parts/flags";
import { Confidence } from "../../../parts/label";
import { Pictured } from "../../../parts/overlay";
import { coloursOf, edgesOf, regionsOf } from "../../../parts/regions";
import { Trouble, Waiting } from "../../../parts/state";
import { t } from "../../../strings";
import { imageUrl, shows, type Shown } from "./shown";

export function Preview({ project, asset, questions, shown }: { project: number; asset: number; questions: readonly Question[]; shown: Shown }) {
  const found = useQuery({
    queryKey: ["asset", project, asset],
    queryFn: () => must(api.GET("/api/projects/{project_id}/assets/{asset_id}", { params: { path: { project_id: project, asset_id: asset } } })) as Promise<Noun<"AssetView">>,
  });
  const [reveal, setReveal] = useState(false);
  if (found.isPending) return <Waiting />;
  if (found.isError) return <Trouble error={found.error} />;
  const { data } = found;
  const text = data.asset.text ?? "";
  const { image } = data.asset;
  const people = data.annotations.filter((a) => a.taken_back !== true).at(-1);
  return (
    <>
      {image ? (
        <>
          <Pictured src={imageUrl(project, asset, "preview")} alt={image.file_name ?? ""} picture={image} colours={coloursOf(questions)} edges={edgesOf(questions)}
            layers={[
              ...(shows(shown, "model") ? [{ regions: regionsOf(data.prediction?.answers as Answers | undefined), dashed: true }] : []),
              ...(shows(shown, "people") ? [{ regions: regionsOf(people?.answers as Answers | undefined), dashed: false }] : []),
            ]} />
          <p className="lw-dim">{[image.file_name, `${String(image.width)} × ${String(image.height)}`, image.format, ...(image.notes ?? [])].filter((each) => each !== "").join(" · ")}</p>
        </>
      ) : <p className="lw-pre" dir="auto" style={{ fontSize: 16, lineHeight: "26px" }}><FlaggedText text={text} flags={data.flags ?? []} reveal={reveal} /></p>}
      <FlagNotice flags={data.flags ?? []} shown={reveal} show={setReveal} />
      {data.withheld === true && <p className="lw-dim">{t("flags.withheld")}</p>}
      <Button component={Link} href={`/projects/${String(project)}/label?asset=${String(asset)}`}>{t("table.open")}</Button>
      {data.prediction && (
        <>
          <h2>{t("table.prediction")}</h2>
          <p className="lw-dim">{data.prediction.predictor_title}</p>
          <AnswerChips answers={data.prediction.answers as never} questions={questions} by="model" text={text} />
          {Object.entries(data.prediction.confidence ?? {}).map(([q, c]) => <div key={q} className="lw-row"><span>{questions.find((x) => x.id === q)?.name ?? q}</span><Confidence value={c.value ?? null} /><span className="lw-dim">{c.scorer}</span></div>)}
          {(data.prediction.problems ?? []).map((p, i) => <p key={i} className="lw-warn">{p.where}: {p.message}</p>)}
        </>
      )}
      <h2>{t("table.annotations")}</h2>
      {data.annotations.length === 0 && <p className="lw-dim">{t("table.noAnswer")}</p>}
      {data.annotations.map((a) => (
        <div key={a.id} style={{ marginBottom: 8, opacity: a.taken_back === true ? 0.6 : 1 }}>
          <span className="lw-dim">{data.names[String(a.author_id)] ?? a.author_id} · {new Date(a.created_at).toLocaleString()}{a.taken_back === true ? ` · ${t("table.takenBack")}` : ""}</span>
          <div><AnswerChips answers={a.answers as never} questions={questions} by="person" text={text} /></div>
        </div>
      ))}
      <h2>{t("table.history")}</h2>
      <ul className="lw-problems">{data.events.map((e) => <li key={e.id}>{new Date(e.at).toLocaleString()} · {e.kind.replaceAll("_", " ")} {e.user_id !== null && e.user_id !== undefined ? `· ${data.names[String(e.user_id)] ?? ""}` : ""}</li>)}</ul>
    </>
  );
}
