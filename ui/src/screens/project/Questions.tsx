import { Button, FileButton } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { api, must } from "../../api/client";
import { send } from "../../parts/importing";
import { OntologyForm, bodyOf, draftOf } from "../../parts/ontology";
import { Trouble } from "../../parts/state";
import { t } from "../../strings";
import { Confusions, withDefinition } from "./Confusions";
import type { TabProps } from "./ProjectScreen";

export default function Questions({ project, view }: TabProps) {
  const [draft, setDraft] = useState(() => draftOf(view.ontology));
  const queries = useQueryClient();
  const path = { project_id: project };
  const lists = useQuery({ queryKey: ["knowledge", project], queryFn: () => must(api.GET("/api/projects/{project_id}/knowledge", { params: { path } })) });
  const add = useMutation({
    mutationFn: async (file: File) => {
      const upload = await send(file, file.name, () => undefined, new AbortController().signal);
      return must(api.POST("/api/projects/{project_id}/knowledge", { params: { path }, body: { upload_id: upload.upload_id, name: file.name } }));
    },
    onSuccess: ({ added, bad }) => {
      notifications.show({ message: t("ontology.listAdded", { n: added.entities, bad }), ...(bad > 0 ? { color: "yellow", autoClose: false as const } : {}) });
      void queries.invalidateQueries({ queryKey: ["knowledge", project] });
    },
  });
  const save = useMutation({
    mutationFn: () => must(api.PUT("/api/projects/{project_id}/ontology", { params: { path: { project_id: project } }, body: { base_version: view.ontology.version ?? 1, ontology: bodyOf(draft) } })),
    onSuccess: (stored) => {
      notifications.show({ message: t("ontology.saved", { n: stored.version ?? 0 }) });
      setDraft(draftOf(stored));
      void queries.invalidateQueries({ queryKey: ["project", project] });
    },
  });
  return (
    <>
      <p className="lw-dim">{t("ontology.versionNote", { n: view.ontology.version ?? 1 })}</p>
      <Confusions project={project} ontology={view.ontology} take={(question, label, definition) => { setDraft((now) => withDefinition(now, question, label, definition)); }} />
      <OntologyForm value={draft} onChange={setDraft} modality={view.project.modality === "image" ? "image" : "text"} lists={lists.data ?? []} />
      {save.isError && <Trouble error={save.error} />}
      <Button mt="md" loading={save.isPending} onClick={() => { save.mutate(); }}>{t("common.save")}</Button>
      {draft.questions.some((q) => q.kind === "span") && (
        <section aria-label={t("ontology.lists")}>
          <h2>{t("ontology.lists")}</h2>
          <p className="lw-dim">{t("ontology.listsHint")}</p>
          <ul>{(lists.data ?? []).map((list) => <li key={list.sha256}>{t("ontology.listNamed", { name: list.name, n: list.entities })}</li>)}</ul>
          <FileButton onChange={(file) => { if (file !== null) add.mutate(file); }} accept=".csv,.tsv,.jsonl,.json,.ndjson">
            {(props) => <Button {...props} variant="default" loading={add.isPending}>{t("ontology.addList")}</Button>}
          </FileButton>
          {add.isError && <Trouble error={add.error} />}
          {(add.data?.problems.length ?? 0) > 0 && <ul className="lw-problems">{add.data?.problems.slice(0, 20).map((p) => <li key={p.where + p.code}>{p.where}: {p.message}</li>)}</ul>}
        </section>
      )}
    </>
  );
}
