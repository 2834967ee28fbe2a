import { Button, PasswordInput, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { api, must } from "../../api/client";
import { Trouble } from "../../parts/state";
import { t } from "../../strings";

export default function SignInScreen() {
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const queries = useQueryClient();
  const enter = useMutation({
    mutationFn: () => must(api.POST("/api/session", { body: { name, password } })),
    onSuccess: (me) => { queries.setQueryData(["me"], me); },
  });
  return (
    <main className="lw-page" id="main" style={{ maxWidth: 420, paddingTop: 96 }}>
      <h1>{t("signin.title")}</h1>
      <p className="lw-dim">{t("signin.hint")}</p>
      <form onSubmit={(event) => { event.preventDefault(); enter.mutate(); }}>
        <TextInput label={t("signin.name")} autoComplete="username" required value={name} onChange={(e) => { setName(e.currentTarget.value); }} />
        <PasswordInput label={t("signin.password")} autoComplete="current-password" required mt="sm" value={password} onChange={(e) => { setPassword(e.currentTarget.value); }} />
        {enter.isError && <Trouble error={enter.error} />}
        <Button type="submit" fullWidth mt="md" loading={enter.isPending}>{t("signin.enter")}</Button>
      </form>
    </main>
  );
}
