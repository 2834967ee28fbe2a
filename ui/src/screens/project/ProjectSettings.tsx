import { Button, Checkbox, NumberInput, Select, Stack, TextInput, Textarea } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useLocation } from "wouter";

import { api, must, type Noun } from "../../api/client";
import { Trouble } from "../../parts/state";
import { t } from "../../strings";
import type { TabProps } from "./ProjectScreen";

export default function ProjectSettings({ project, view }: TabProps) {
  const path = { project_id: project };
  const before = view.project.settings ?? ({} as Noun<"ProjectSettings">);
  const [s, set] = useState(before);
  const [name, setName] = useState(view.project.name);
  const [description, setDescription] = useState(view.project.description ?? "");
  const queries = useQueryClient();
  const [, navigate] = useLocation();
  const change = (changes: Partial<Noun<"ProjectSettings">>): void => { set({ ...s, ...changes }); };
  const save = useMutation({
    mutationFn: () => must(api.PATCH("/api/projects/{project_id}", { params: { path }, body: { name, description, settings: s as never } })),
    onSuccess: () => { notifications.show({ message: t("common.saved") }); void queries.invalidateQueries({ queryKey: ["project", project] }); },
  });
  const trash = useMutation({ mutationFn: () => must(api.DELETE("/api/projects/{project_id}", { params: { path } })), onSuccess: () => {
      void queries.invalidateQueries({ queryKey: ["projects"] });
      navigate("/");
      const undo = async (): Promise<void> => {
        await must(api.POST("/api/projects/{project_id}/restore", { params: { path } }));
        await queries.invalidateQueries({ queryKey: ["projects"] });
      };
      notifications.show({
        id: `trash-${String(project)}`,
        autoClose: 15_000,
        message: <span>{t("projectSettings.trashed", { name: view.project.name })} <Button size="compact-xs" variant="default" ml="sm" onClick={() => { notifications.hide(`trash-${String(project)}`); void undo(); }}>{t("projectSettings.undo")}</Button></span>,
      });
    },
  });
  return (
    <div className="lw-two">
      <Stack>
        <TextInput label={t("projectSettings.name")} value={name} onChange={(e) => { setName(e.currentTarget.value); }} />
        <Textarea label={t("projectSettings.description")} autosize value={description} onChange={(e) => { setDescription(e.currentTarget.value); }} />
        <Select label={t("projectSettings.order")} allowDeselect={false} value={s.order ?? "uncertain"} onChange={(v) => { change({ order: (v ?? "uncertain") as "uncertain" }); }} data={[{ value: "uncertain", label: t("projectSettings.uncertain") }, { value: "random", label: t("projectSettings.random") }, { value: "arrival", label: t("projectSettings.arrival") }]} />
        <NumberInput label={t("projectSettings.audit")} min={0} max={1} step={0.05} value={s.audit_share ?? 0.1} onChange={(v) => { change({ audit_share: Number(v) }); }} />
        <NumberInput label={t("projectSettings.auditAccepted")} min={0} max={1} step={0.01} value={s.audit_accepted ?? 0.05} onChange={(v) => { change({ audit_accepted: Number(v) }); }} />
        <Checkbox label={t("projectSettings.revertBroken")} checked={s.revert_when_broken ?? false} onChange={(e) => { change({ revert_when_broken: e.currentTarget.checked }); }} />
        <NumberInput label={t("projectSettings.people")} min={1} max={20} value={s.people_per_asset ?? 1} onChange={(v) => { change({ people_per_asset: Number(v) }); }} />
        {view.project.modality !== "image" && <NumberInput label={t("projectSettings.learnEvery")} min={0} value={s.learn_every ?? 10} onChange={(v) => { change({ learn_every: Number(v) }); }} />}
        <NumberInput label={t("share")} min={0} max={0.5} step={0.05} value={s.no_suggestion_share ?? 0} onChange={(v) => { change({ no_suggestion_share: Number(v) }); }} />
        <NumberInput label={t("hourly")} min={0} value={s.person_usd_per_hour ?? ""} onChange={(v) => { change({ person_usd_per_hour: v === "" ? null : Number(v) }); }} />
        <NumberInput label={t("projectSettings.batch")} min={1} value={s.batch_size ?? 100} onChange={(v) => { change({ batch_size: Number(v) }); }} />
        <Checkbox label={t("projectSettings.autoSubmit")} checked={s.auto_submit ?? false} onChange={(e) => { change({ auto_submit: e.currentTarget.checked }); }} />
        <Checkbox label={t("projectSettings.private")} checked={s.private ?? false} onChange={(e) => { change({ private: e.currentTarget.checked }); }} />
        {s.private === true && <TextInput label={t("projectSettings.allowed")} value={(s.allowed_hosts ?? []).join(", ")} onChange={(e) => { change({ allowed_hosts: e.currentTarget.value.split(",").map((x) => x.trim()).filter((x) => x !== "") }); }} />}
        {save.isError && <Trouble error={save.error} />}
        <Button loading={save.isPending} onClick={() => { save.mutate(); }} style={{ alignSelf: "flex-start" }}>{t("common.save")}</Button>
      </Stack>
      <div>
        <Members project={project} />
        <section className="lw-card" style={{ marginTop: 24 }}>
          <Button color="red" variant="light" loading={trash.isPending} onClick={() => { trash.mutate(); }}>{t("projectSettings.trash")}</Button>
          <p className="lw-dim">{t("projectSettings.trashHint")}</p>
          {trash.isError && <Trouble error={trash.error} />}
        </section>
      </div>
    </div>
  );
}

const ROLES = ["manager", "reviewer", "annotator", "viewer"];

function Members({ project }: { project: number }) {
  const path = { project_id: project };
  const queries = useQueryClient();
  const members = useQuery({ queryKey: ["members", project], queryFn: () => must(api.GET("/api/projects/{project_id}/members", { params: { path } })) });
  const users = useQuery({ queryKey: ["users"], queryFn: () => must(api.GET("/api/users")) });
  const set = useMutation({
    mutationFn: (body: { user_id: number; role: "manager" | "reviewer" | "annotator" | "viewer" | null }) => must(api.PUT("/api/projects/{project_id}/members", { params: { path }, body })),
    onSuccess: (rows) => { queries.setQueryData(["members", project], rows); },
  });
  const known = new Set((members.data ?? []).map((m) => m.user_id));
  const others = (users.data ?? []).filter((u) => !known.has(u.user_id));
  return (
    <section className="lw-card">
      <h2>{t("projectSettings.members")}</h2>
      <table className="lw-table">
        <tbody>
          {(members.data ?? []).map((m) => (
            <tr key={m.user_id}>
              <td>{m.display_name || m.name}</td>
              <td><Select aria-label={`${t("projectSettings.role")}: ${m.name}`} size="xs" data={ROLES} allowDeselect={false} value={m.role} onChange={(role) => { set.mutate({ user_id: m.user_id, role: role as "manager" }); }} /></td>
              <td><Button size="compact-xs" variant="subtle" aria-label={`${t("common.remove")} ${m.name}`} onClick={() => { set.mutate({ user_id: m.user_id, role: null }); }}>✕</Button></td>
            </tr>
          ))}
        </tbody>
      </table>
      {others.length > 0 && <Select mt="sm" label={t("projectSettings.addMember")} searchable value={null} data={others.map((u) => ({ value: String(u.user_id), label: u.display_name || u.name }))} onChange={(id) => { if (id !== null) set.mutate({ user_id: Number(id), role: "annotator" }); }} />}
      {set.isError && <Trouble error={set.error} />}
    </section>
  );
}
