/** A project: its tabs, kept live by one event stream. */
import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Suspense, lazy } from "react";
import { Link, useParams } from "wouter";

import { api, must, type Noun } from "../../api/client";
import type { Question } from "../../editor/types";
import { useLive } from "../../parts/live";
import { useSpeaking } from "../../parts/speaking";
import { Empty, Trouble, Waiting } from "../../parts/state";
import { t } from "../../strings";
import { canDecide } from "../annotate/decidable";
import { tabsOf } from "./tabs";

const SCREENS = {
  "": lazy(() => import("./Overview")),
  data: lazy(() => import("./DataTab")),
  questions: lazy(() => import("./Questions")),
  prompts: lazy(() => import("./PromptStudio")),
  overlap: lazy(() => import("./Overlap")),
  trust: lazy(() => import("./TrustTab")),
  runs: lazy(() => import("./Runs")),
  import: lazy(() => import("./ImportTab")),
  export: lazy(() => import("./ExportTab")),
  history: lazy(() => import("./HistoryTab")),
  settings: lazy(() => import("./ProjectSettings")),
} as const;

export interface TabProps {
  readonly project: number;
  readonly view: Noun<"ProjectView">;
}

export default function ProjectScreen() {
  const params = useParams<{ id: string; tab?: string }>();
  const project = Number(params.id);
  useLive(project);
  const view = useQuery({
    queryKey: ["project", project],
    queryFn: () => must(api.GET("/api/projects/{project_id}", { params: { path: { project_id: project } } })) as Promise<Noun<"ProjectView">>,
  });
  useSpeaking(view.data?.project.modality);
  if (view.isPending) return <Waiting />;
  if (view.isError) return <Trouble error={view.error} retry={() => void view.refetch()} />;
  const tab = params.tab ?? "";
  const Screen = tab in SCREENS ? SCREENS[tab as keyof typeof SCREENS] : undefined;
  const role = view.data.role;
  const regions = view.data.ontology.questions.some((q) => q.kind === "region" && q.retired !== true);
  const tabs = tabsOf(view.data.project.modality, regions).filter((each) => (role === "manager" || !each.managers) && (role !== "annotator" || !each.reviewers));
  return (
    <main className={`lw-page${tab === "data" ? " lw-wide" : ""}`} id="main">
      <div className="lw-row">
        <h1 className="lw-grow lw-cut">{view.data.project.name}</h1>
        {role !== "viewer" && (
          <>
            <Button component={Link} href={`/projects/${String(project)}/label`}>{t("project.label")}</Button>
            {(view.data.project.modality !== "image" || canDecide(view.data.ontology.questions as unknown as Question[])) && <Button component={Link} href={`/projects/${String(project)}/decide`} variant="default">{t("project.decide")}</Button>}
          </>
        )}
      </div>
      <nav className="lw-nav" aria-label={view.data.project.name}>
        {tabs.map((each) => (
          <Link key={each.path} href={`/projects/${String(project)}${each.path}`} aria-current={each.path === (tab === "" ? "" : `/${tab}`) ? "page" : undefined}>{t(each.title)}</Link>
        ))}
      </nav>
      <Suspense fallback={<Waiting />}>{Screen === undefined ? <Empty title={t("common.notFound")} /> : <Screen project={project} view={view.data} />}</Suspense>
    </main>
  );
}
