import { Alert, Button, Checkbox, Code, PasswordInput, Stack, Switch, TextInput, NumberInput } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useParams } from "wouter";

import { api, must, type Noun } from "../../api/client";
import { useMe } from "../../app/me";
import { BINDINGS, changeKey, clash, keysOf, nameOf, pretty, singleKeysOff, turnSingleKeys } from "../../keys";
import { Empty, Trouble } from "../../parts/state";
import { SCOPES } from "../help/scopes";
import { t, type Key } from "../../strings";

const TABS: readonly { path: string; title: Key; admin: boolean }[] = [
  { path: "", title: "settings.account", admin: false },
  { path: "models", title: "settings.models", admin: false },
  { path: "tokens", title: "settings.tokens", admin: false },
  { path: "people", title: "settings.people", admin: true },
  { path: "keys", title: "settings.keysTab", admin: false },
];

export default function SettingsScreen() {
  const me = useMe();
  const tab = useParams<{ tab?: string }>().tab ?? "";
  return (
    <main className="lw-page" id="main">
      <h1>{t("settings.title")}</h1>
      <nav className="lw-nav" aria-label={t("settings.title")}>
        {TABS.filter((x) => me.user.is_admin === true || !x.admin).map((x) => <Link key={x.path} href={`/settings${x.path === "" ? "" : `/${x.path}`}`} aria-current={x.path === tab ? "page" : undefined}>{t(x.title)}</Link>)}
      </nav>
      {tab === "" && <Account />}
      {tab === "models" && <Models />}
      {tab === "tokens" && <Tokens />}
      {tab === "people" && <People />}
      {tab === "keys" && <Keys />}
      {!TABS.some((x) => x.path === tab) && <Empty title={t("common.notFound")} />}
    </main>
  );
}

function Account() {
  const me = useMe();
  const [current, setCurrent] = useState("");
  const [password, setPassword] = useState("");
  const save = useMutation({
    mutationFn: () => must(api.PUT("/api/me/password", { body: { new: password, current: me.user.has_password === true ? current : null } })),
    onSuccess: () => { notifications.show({ message: t("settings.passwordSet") }); setPassword(""); setCurrent(""); },
  });
  const out = useMutation({ mutationFn: () => must(api.DELETE("/api/session")), onSuccess: () => { window.location.assign("/"); } });
  return (
    <Stack maw={420}>
      <p><b>{me.user.display_name || me.user.name}</b> <span className="lw-dim">{me.user.is_admin === true ? t("settings.admin") : ""} · Labelwright {me.version}</span></p>
      {me.user.has_password !== true && <Alert>{t("settings.passwordHint")}</Alert>}
      <form onSubmit={(e) => { e.preventDefault(); save.mutate(); }}>
        {me.user.has_password === true && <PasswordInput label={t("settings.current")} autoComplete="current-password" value={current} onChange={(e) => { setCurrent(e.currentTarget.value); }} />}
        <PasswordInput label={t("settings.password")} autoComplete="new-password" value={password} onChange={(e) => { setPassword(e.currentTarget.value); }} mt="xs" />
        {save.isError && <Trouble error={save.error} />}
        <Button type="submit" mt="sm" disabled={password.length < 10} loading={save.isPending}>{t("settings.setPassword")}</Button>
      </form>
      <Button variant="default" onClick={() => { out.mutate(); }} style={{ alignSelf: "flex-start" }}>{t("settings.signOut")}</Button>
    </Stack>
  );
}

function Models() {
  const queries = useQueryClient();
  const providers = useQuery({ queryKey: ["providers"], queryFn: () => must(api.GET("/api/providers")) as Promise<Noun<"Provider">[]> });
  const again = (): void => void queries.invalidateQueries({ queryKey: ["providers"] });
  return (
    <>
      {providers.isError && <Trouble error={providers.error} />}
      {(providers.data ?? []).length === 0 && <p className="lw-dim">{t("settings.modelNone")}</p>}
      {(providers.data ?? []).map((p) => <ProviderCard key={p.id} provider={p} changed={again} />)}
      <section className="lw-card" style={{ marginTop: 16 }}>
        <h2>{t("settings.addModel")}</h2>
        <ProviderForm provider={null} done={again} />
      </section>
    </>
  );
}

function ProviderCard({ provider, changed }: { provider: Noun<"Provider">; changed: () => void }) {
  const [editing, setEditing] = useState(false);
  const path = { provider_id: provider.id };
  const probe = useMutation({ mutationFn: () => must(api.POST("/api/providers/{provider_id}/probe", { params: { path }, body: { model: provider.models?.[0] ?? "" } })), onSuccess: changed });
  const remove = useMutation({ mutationFn: () => must(api.DELETE("/api/providers/{provider_id}", { params: { path } })), onSuccess: changed });
  const can = probe.data ?? provider.capabilities;
  return (
    <section className="lw-card" style={{ marginBottom: 12 }}>
      <div className="lw-row">
        <h2 className="lw-grow">{provider.name}</h2>
        <Button size="xs" variant="default" loading={probe.isPending} onClick={() => { probe.mutate(); }}>{t("settings.probe")}</Button>
        <Button size="xs" variant="default" onClick={() => { setEditing(!editing); }} aria-expanded={editing}>{t("settings.change")}</Button>
        <Button size="xs" variant="subtle" color="red" onClick={() => { if (window.confirm(t("settings.removeModel", { name: provider.name }))) remove.mutate(); }}>{t("common.remove")}</Button>
      </div>
      <p className="lw-dim"><Code>{provider.base_url}</Code> · {provider.has_key === true ? t("settings.keyStored") : provider.key_env ? `$${provider.key_env}` : t("settings.keyNone")} · {(provider.models ?? []).join(", ")}</p>
      {can && <p role="status">{t("settings.probeOk", { structured: can.structured ?? "none", logprobs: can.logprobs === true ? "yes" : "no" })}</p>}
      {probe.isError && <Trouble error={probe.error} />}
      {remove.isError && <Trouble error={remove.error} />}
      {editing && <ProviderForm provider={provider} done={() => { setEditing(false); changed(); }} />}
    </section>
  );
}

function ProviderForm({ provider, done }: { provider: Noun<"Provider"> | null; done: () => void }) {
  const [name, setName] = useState(provider?.name ?? "");
  const [url, setUrl] = useState(provider?.base_url ?? "");
  const [key, setKey] = useState("");
  const [models, setModels] = useState((provider?.models ?? []).join(", "));
  const [input, setInput] = useState<number | null>(provider?.input_usd_per_mtok ?? null);
  const [output, setOutput] = useState<number | null>(provider?.output_usd_per_mtok ?? null);
  const save = useMutation({
    mutationFn: () => {
      const body = { name, base_url: url, models: models.split(",").map((x) => x.trim()).filter((x) => x !== ""), input_usd_per_mtok: input, output_usd_per_mtok: output, ...(key === "" ? {} : { key }) };
      return provider === null
        ? must(api.POST("/api/providers", { body: body as never }))
        : must(api.PATCH("/api/providers/{provider_id}", { params: { path: { provider_id: provider.id } }, body: body as never }));
    },
    onSuccess: () => {
      setKey("");
      if (provider === null) { setName(""); setUrl(""); setModels(""); }
      done();
    },
  });
  return (
    <form onSubmit={(e) => { e.preventDefault(); save.mutate(); }}>
      <Stack maw={560} gap="xs">
        <TextInput label={t("settings.name")} required value={name} onChange={(e) => { setName(e.currentTarget.value); }} />
        <TextInput label={t("settings.baseUrl")} required placeholder="http://127.0.0.1:11434/v1" value={url} description={provider !== null ? t("settings.urlClears") : undefined} onChange={(e) => { setUrl(e.currentTarget.value); }} />
        <PasswordInput label={t("settings.key")} autoComplete="off" value={key} onChange={(e) => { setKey(e.currentTarget.value); }} />
        <TextInput label={t("settings.models2")} value={models} onChange={(e) => { setModels(e.currentTarget.value); }} />
        <div className="lw-row">
          <NumberInput label={t("settings.priceIn")} min={0} decimalScale={4} value={input ?? ""} onChange={(v) => { setInput(v === "" ? null : Number(v)); }} />
          <NumberInput label={t("settings.priceOut")} min={0} decimalScale={4} value={output ?? ""} onChange={(v) => { setOutput(v === "" ? null : Number(v)); }} />
        </div>
        {save.isError && <Trouble error={save.error} />}
        <Button type="submit" loading={save.isPending} style={{ alignSelf: "flex-start" }}>{t("common.save")}</Button>
      </Stack>
    </form>
  );
}

function Tokens() {
  const queries = useQueryClient();
  const [name, setName] = useState("");
  const [days, setDays] = useState<number | null>(null);
  const tokens = useQuery({ queryKey: ["tokens"], queryFn: () => must(api.GET("/api/tokens")) });
  const again = (): void => void queries.invalidateQueries({ queryKey: ["tokens"] });
  const make = useMutation({ mutationFn: () => must(api.POST("/api/tokens", { body: { name, days } })), onSuccess: () => { setName(""); setDays(null); again(); } });
  const revoke = useMutation({ mutationFn: (id: number) => must(api.DELETE("/api/tokens/{token_id}", { params: { path: { token_id: id } } })), onSuccess: again });
  return (
    <>
      <form className="lw-row" style={{ alignItems: "flex-end" }} onSubmit={(e) => { e.preventDefault(); make.mutate(); }}>
        <TextInput label={t("settings.tokenName")} required value={name} onChange={(e) => { setName(e.currentTarget.value); }} w={280} />
        <NumberInput label={t("settings.tokenDays")} min={1} max={3650} allowDecimal={false} value={days ?? ""} onChange={(v) => { setDays(v === "" ? null : Number(v)); }} w={260} />
        <Button type="submit" loading={make.isPending}>{t("settings.tokenMake")}</Button>
      </form>
      {make.data !== undefined && <Alert mt="sm" title={t("settings.tokenOnce")}><Code block>{make.data.secret}</Code></Alert>}
      {make.isError && <Trouble error={make.error} />}
      {tokens.data?.length === 0 ? <p className="lw-dim">{t("settings.tokenNone")}</p> : <table className="lw-table" style={{ marginTop: 16 }}>
        <thead><tr><th>{t("settings.tokenFor")}</th><th>{t("settings.tokenUsed")}</th><th>{t("settings.tokenEnds")}</th><th /></tr></thead>
        <tbody>
          {(tokens.data ?? []).map((x) => (
            <tr key={x.id}><td>{x.name}</td><td className="lw-dim">{x.used_at ? new Date(x.used_at).toLocaleString() : t("settings.never")}</td><td className="lw-dim">{x.expires_at ? new Date(x.expires_at).toLocaleDateString() : t("settings.tokenNever")}</td><td><Button size="compact-xs" variant="default" onClick={() => { revoke.mutate(x.id); }}>{t("settings.revoke")}</Button></td></tr>
          ))}
        </tbody>
      </table>}
    </>
  );
}

function People() {
  const queries = useQueryClient();
  const [name, setName] = useState("");
  const [shown, setShown] = useState("");
  const [admin, setAdmin] = useState(false);
  const users = useQuery({ queryKey: ["users"], queryFn: () => must(api.GET("/api/users")) });
  const link = useMutation({ mutationFn: (id: number) => must(api.POST("/api/users/{user_id}/link", { params: { path: { user_id: id } } })) });
  const add = useMutation({ mutationFn: () => must(api.POST("/api/users", { body: { name, display_name: shown, is_admin: admin } })), onSuccess: () => { setName(""); setShown(""); link.reset(); void queries.invalidateQueries({ queryKey: ["users"] }); } });
  const made = link.data ?? add.data;
  return (
    <>
      <form className="lw-row" style={{ alignItems: "flex-end" }} onSubmit={(e) => { e.preventDefault(); add.mutate(); }}>
        <TextInput label={t("settings.name")} required value={name} onChange={(e) => { setName(e.currentTarget.value); }} />
        <TextInput label={t("settings.displayName")} value={shown} onChange={(e) => { setShown(e.currentTarget.value); }} />
        <Checkbox label={t("settings.admin")} checked={admin} onChange={(e) => { setAdmin(e.currentTarget.checked); }} mb={8} />
        <Button type="submit" loading={add.isPending}>{t("settings.personAdd")}</Button>
      </form>
      {add.isError && <Trouble error={add.error} />}
      {link.isError && <Trouble error={link.error} />}
      {made?.link && <Alert mt="sm" title={t("settings.personLink", { name: made.user.name })}><Code block>{`${window.location.origin}${made.link}`}</Code></Alert>}
      <table className="lw-table" style={{ marginTop: 16 }}><tbody>{(users.data ?? []).map((u) => <tr key={u.user_id}><td>{u.display_name || u.name}</td><td className="lw-dim">{u.is_admin === true ? t("settings.admin") : ""}</td><td><Button size="compact-xs" variant="default" aria-label={`${t("settings.newLink")}: ${u.name}`} onClick={() => { link.mutate(u.user_id); }}>{t("settings.newLink")}</Button></td></tr>)}</tbody></table>
    </>
  );
}

function Keys() {
  const [, redraw] = useState(0);
  const [waiting, setWaiting] = useState<string | null>(null);
  const [taken, setTaken] = useState<string | null>(null);
  const again = (): void => { redraw((n) => n + 1); };
  return (
    <>
      <Switch label={t("settings.singleKeys")} checked={!singleKeysOff()} onChange={(e) => { turnSingleKeys(e.currentTarget.checked); again(); }} mb="md" />
      {taken !== null && <Alert color="yellow" role="alert" mb="md">{taken}</Alert>}
      <table className="lw-table">
        <tbody>
          {BINDINGS.map((b) => (
            <tr key={b.id}>
              <td>{b.title}</td>
              <td className="lw-dim">{SCOPES[b.scope]}</td>
              <td>{keysOf(b).map((key) => <span key={key}><kbd>{pretty(key)}</kbd> </span>)}</td>
              <td>
                <Button size="compact-xs" variant="default" onClick={() => { setWaiting(b.id); }} onKeyDown={(e) => {
                  if (waiting !== b.id || ["Shift", "Control", "Alt", "Meta", "Tab"].includes(e.key)) return;
                  e.preventDefault();
                  e.stopPropagation();
                  setWaiting(null);
                  const key = nameOf(e.nativeEvent);
                  const other = clash(b.id, key);
                  setTaken(other === undefined ? null : t("settings.keyTaken", { key: pretty(key), other: other.title }));
                  if (other === undefined) changeKey(b.id, key);
                  again();
                }}>{waiting === b.id ? t("settings.pressKey") : t("settings.change")}</Button>{" "}
                <Button size="compact-xs" variant="subtle" onClick={() => { changeKey(b.id, null); again(); }}>{t("settings.reset")}</Button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}
