/** Where the person's work is: on the server, on its way, or kept here because the server is away or said no. */
import { Button, Modal, PasswordInput, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useEffect, useState, useSyncExternalStore } from "react";
import { useLocation } from "wouter";

import { api, must, mustBe } from "../../api/client";
import type { Answers, Question } from "../../editor/types";
import type { Outbox, Refused } from "../../outbox/outbox";
import { AnswerChips } from "../../parts/answers";
import { Trouble, Waiting } from "../../parts/state";
import { t } from "../../strings";

export function SyncState({ outbox, project }: { outbox: Outbox; project: number }) {
  const state = useSyncExternalStore(outbox.subscribe, outbox.snapshot);
  const [looking, setLooking] = useState(false);
  const [signingIn, setSigningIn] = useState(false);
  useEffect(() => {
    void outbox.refresh();
  }, [outbox]);
  const n = state.waiting;
  const mine = state.refused.filter((each) => each.parcel.project === project);
  const text =
    n === 0 ? t("annotate.saved")
    : state.trouble === "signed-out" ? t("annotate.signedOut", { n })
    : state.trouble === "offline" ? t("annotate.offline", { n })
    : t("annotate.saving");
  return (
    <span className="lw-sync">
      {mine.length > 0 && <Button size="compact-xs" color="red" variant="light" onClick={() => { setLooking(true); }}>{t("annotate.refused", { n: mine.length })}</Button>}
      <span role="status" className={n === 0 || state.trouble === null ? "lw-dim" : "lw-warn"}>{text}</span>
      {n > 0 && state.trouble === "signed-out" && <Button size="compact-xs" variant="default" onClick={() => { setSigningIn(true); }}>{t("signin.enter")}</Button>}
      <SignIn opened={signingIn} close={() => { setSigningIn(false); }} done={() => void outbox.flush()} />
      <Modal opened={looking && mine.length > 0} onClose={() => { setLooking(false); }} title={t("annotate.conflictTitle")} size="lg">
        <Text size="sm" c="dimmed" mb="sm">{t("annotate.refusedHint")}</Text>
        <Stack gap="md">
          {mine.map((each) => <RefusedWork key={each.parcel.id} refused={each} outbox={outbox} close={() => { setLooking(false); }} />)}
        </Stack>
      </Modal>
    </span>
  );
}

/** One refused submission beside what is stored: the person chooses. */
function RefusedWork({ refused, outbox, close }: { refused: Refused; outbox: Outbox; close: () => void }) {
  const { parcel } = refused;
  const [, navigate] = useLocation();
  const path = { project_id: parcel.project, asset_id: parcel.asset };
  const found = useQuery({
    queryKey: ["refused", parcel.id],
    queryFn: async () => ({
      turn: await mustBe<"Turn">(api.POST("/api/projects/{project_id}/assets/{asset_id}/open", { params: { path } })),
      view: await must(api.GET("/api/projects/{project_id}", { params: { path: { project_id: parcel.project } } })),
    }),
    staleTime: 0,
  });
  if (found.isPending) return <Waiting />;
  const questions = (found.data?.view.ontology.questions ?? []) as unknown as Question[];
  const text = found.data?.turn.asset.text ?? "";
  const elsewhere = refused.code === "changed_elsewhere" && found.data !== undefined;
  return (
    <section className="lw-card" aria-label={refused.message}>
      <Text fw={600}>{refused.message}</Text>
      {refused.hint !== "" && <Text size="sm">{refused.hint}</Text>}
      {text !== "" && <p className="lw-cut">{text}</p>}
      <dl className="lw-versions">
        <dt>{t("annotate.thisVersion")}</dt>
        <dd><AnswerChips answers={parcel.body["answers"] as Answers | undefined} questions={questions} by="person" text={text} /></dd>
        {elsewhere && (
          <>
            <dt>{t("annotate.storedVersion")}</dt>
            <dd><AnswerChips answers={found.data.turn.answers as Answers | null | undefined} questions={questions} by="person" text={text} /></dd>
          </>
        )}
      </dl>
      <div className="lw-row">
        {elsewhere && <Button size="xs" onClick={() => void outbox.replace(parcel.id, crypto.randomUUID(), found.data.turn.parent_id ?? null)}>{t("annotate.useThis")}</Button>}
        <Button
          size="xs"
          variant="default"
          onClick={() => {
            void outbox.reopen(parcel.id).then(() => {
              close();
              navigate(`/projects/${String(parcel.project)}/label?asset=${String(parcel.asset)}`);
            });
          }}
        >
          {t("annotate.openAgain")}
        </Button>
        <Button size="xs" variant="subtle" onClick={() => void outbox.dismiss(parcel.id)}>{elsewhere ? t("annotate.keepStored") : t("annotate.dismiss")}</Button>
      </div>
    </section>
  );
}

/** Signing in again without leaving the text; what waits is sent at once. */
function SignIn({ opened, close, done }: { opened: boolean; close: () => void; done: () => void }) {
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const enter = useMutation({
    mutationFn: () => must(api.POST("/api/session", { body: { name, password } })),
    onSuccess: () => {
      close();
      done();
    },
  });
  return (
    <Modal opened={opened} onClose={close} title={t("signin.title")} size="sm">
      <Text size="sm" c="dimmed" mb="sm">{t("annotate.signInHint")}</Text>
      <form onSubmit={(event) => { event.preventDefault(); enter.mutate(); }}>
        <TextInput data-autofocus label={t("signin.name")} autoComplete="username" required value={name} onChange={(e) => { setName(e.currentTarget.value); }} />
        <PasswordInput label={t("signin.password")} autoComplete="current-password" required mt="sm" value={password} onChange={(e) => { setPassword(e.currentTarget.value); }} />
        {enter.isError && <Trouble error={enter.error} />}
        <Button type="submit" fullWidth mt="md" loading={enter.isPending}>{t("signin.enter")}</Button>
      </form>
    </Modal>
  );
}
