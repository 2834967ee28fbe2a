import { Button } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { api, must } from "../../api/client";
import { OntologyForm, bodyOf, draftOf } from "../../parts/ontology";
import { Trouble } from "../../parts/state";
import { t } from "../../strings";
import { Confusions, withDefinition } from "./Confusions";
import type { TabProps } from "./ProjectScreen";

export default function Questions({ project, view }: TabProps) {
  const [draft, setDraft] = useState(() => draftOf(view.ontology));
  const queries = useQueryClient();
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
      <OntologyForm value={draft} onChange={setDraft} />
      {save.isError && <Trouble error={save.error} />}
      <Button mt="md" loading={save.isPending} onClick={() => { save.mutate(); }}>{t("common.save")}</Button>
    </>
  );
}
