import { Alert, Button, Checkbox, Code, PasswordInput, NumberInput, Stack, Switch, TextInput } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useParams } from "wouter";

import { api, must } from "../../api/client";
import { useMe } from "../../app/me";
import { BINDINGS, changeKey, clash, keysOf, nameOf, pretty, singleKeysOff, turnSingleKeys } from "../../keys";
import { Empty, Trouble } from "../../parts/state";
import { SCOPES } from "../help/scopes";
import { t, type Key } from "../../strings";
import { Models } from "./Models";

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
