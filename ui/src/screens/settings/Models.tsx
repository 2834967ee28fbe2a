/** Endpoints: address, key, limits, and what their models cost. */
import { Button, Code, FileButton, NumberInput, PasswordInput, Stack, Switch, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { api, must, type Noun } from "../../api/client";
import { Trouble } from "../../parts/state";
import { t } from "../../strings";

type Price = Noun<"Price">;

export function Models() {
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
      <Prices provider={provider} changed={changed} />
      {editing && <ProviderForm provider={provider} done={() => { setEditing(false); changed(); }} />}
    </section>
  );
}

function ProviderForm({ provider, done }: { provider: Noun<"Provider"> | null; done: () => void }) {
  const [name, setName] = useState(provider?.name ?? "");
  const [url, setUrl] = useState(provider?.base_url ?? "");
  const [key, setKey] = useState("");
  const [models, setModels] = useState((provider?.models ?? []).join(", "));
  const [places, setPlaces] = useState(provider?.concurrency ?? 8);
  const [rpm, setRpm] = useState<number | null>(provider?.requests_per_min ?? null);
  const [tpm, setTpm] = useState<number | null>(provider?.tokens_per_min ?? null);
  const [hedge, setHedge] = useState(provider?.hedge ?? false);
  const [input, setInput] = useState<number | null>(provider?.input_usd_per_mtok ?? null);
  const [output, setOutput] = useState<number | null>(provider?.output_usd_per_mtok ?? null);
  const save = useMutation({
    mutationFn: () => {
      const body = { name, base_url: url, models: models.split(",").map((x) => x.trim()).filter((x) => x !== ""), input_usd_per_mtok: input, output_usd_per_mtok: output, concurrency: places, requests_per_min: rpm, tokens_per_min: tpm, hedge, ...(key === "" ? {} : { key }) };
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
          <NumberInput label={t("settings.priceIn")} description={t("settings.priceAny")} min={0} decimalScale={4} value={input ?? ""} onChange={(v) => { setInput(v === "" ? null : Number(v)); }} />
          <NumberInput label={t("settings.priceOut")} description={t("settings.priceAny")} min={0} decimalScale={4} value={output ?? ""} onChange={(v) => { setOutput(v === "" ? null : Number(v)); }} />
        </div>
        <div className="lw-row" style={{ alignItems: "flex-end" }}>
          <NumberInput label={t("settings.places")} min={1} max={512} value={places} onChange={(v) => { setPlaces(Number(v) || 1); }} w={130} />
          <NumberInput label={t("settings.rpm")} placeholder={t("settings.noLimit")} min={1} value={rpm ?? ""} onChange={(v) => { setRpm(v === "" ? null : Number(v)); }} w={170} />
          <NumberInput label={t("settings.tpm")} placeholder={t("settings.noLimit")} min={1} value={tpm ?? ""} onChange={(v) => { setTpm(v === "" ? null : Number(v)); }} w={170} />
        </div>
        <Switch label={t("settings.hedge")} description={t("settings.hedgeHint")} checked={hedge} onChange={(e) => { setHedge(e.currentTarget.checked); }} />
        {save.isError && <Trouble error={save.error} />}
        <Button type="submit" loading={save.isPending} style={{ alignSelf: "flex-start" }}>{t("common.save")}</Button>
      </Stack>
    </form>
  );
}

/** One price in a line of fields; empty means unknown or unlimited. */
function Prices({ provider, changed }: { provider: Noun<"Provider">; changed: () => void }) {
  const path = { provider_id: provider.id };
  const rows = provider.prices ?? [];
  const [open, setOpen] = useState(false);
  const [draft, setDraft] = useState<Price | null>(null);
  const store = useMutation({
    mutationFn: (next: Price[]) => must(api.PUT("/api/providers/{provider_id}/prices", { params: { path }, body: next })),
    onSuccess: () => { setDraft(null); changed(); },
  });
  const read = useMutation({
    mutationFn: async (file: File) => must(api.POST("/api/providers/{provider_id}/prices/import", { params: { path }, body: { text: await file.text(), only: [] } })),
    onSuccess: changed,
  });
  const same = (a: Price, b: Price): boolean => a.model === b.model && (a.valid_from ?? null) === (b.valid_from ?? null);
  const fresh: Price = { model: provider.models?.[0] ?? "*", input_usd_per_mtok: 0, output_usd_per_mtok: 0, cached_input_usd_per_mtok: null, batch_multiplier: 1, valid_from: null };
  return (
    <div>
      <div className="lw-row">
        <span className="lw-grow lw-dim">{rows.length === 0 ? t("settings.priceNone") : t("settings.priceRows", { n: rows.length })}</span>
        <Button size="compact-xs" variant="subtle" aria-expanded={open} onClick={() => { setOpen(!open); }}>{t("settings.priceTable")}</Button>
      </div>
      {open && (
        <>
          {rows.length > 0 && (
            <table className="lw-table">
              <thead><tr><th>{t("prompts.model")}</th><th>{t("settings.priceInput")}</th><th>{t("settings.priceCached")}</th><th>{t("settings.priceOutput")}</th><th>{t("settings.priceBatch")}</th><th>{t("settings.priceFrom")}</th><th /></tr></thead>
              <tbody>
                {rows.map((row) => (
                  <tr key={`${row.model ?? "*"} ${row.valid_from ?? ""}`}>
                    <td><Code>{row.model}</Code></td><td className="lw-number">{row.input_usd_per_mtok}</td><td className="lw-number">{row.cached_input_usd_per_mtok ?? "–"}</td><td className="lw-number">{row.output_usd_per_mtok}</td><td className="lw-number">× {row.batch_multiplier ?? 1}</td><td>{row.valid_from ?? "–"}</td>
                    <td><Button size="compact-xs" variant="default" onClick={() => { setDraft(row); }}>{t("settings.change")}</Button> <Button size="compact-xs" variant="subtle" color="red" onClick={() => { store.mutate(rows.filter((x) => !same(x, row))); }}>{t("common.remove")}</Button></td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
          {draft === null ? (
            <div className="lw-row" style={{ marginTop: 8 }}>
              <Button size="xs" variant="default" onClick={() => { setDraft(fresh); }}>{t("settings.priceAdd")}</Button>
              <FileButton accept=".json,.csv" onChange={(file) => { if (file !== null) read.mutate(file); }}>{(props) => <Button size="xs" variant="default" loading={read.isPending} {...props}>{t("settings.priceImport")}</Button>}</FileButton>
              <span className="lw-dim">{t("settings.priceImportHint")}</span>
            </div>
          ) : <PriceForm draft={draft} setDraft={setDraft} busy={store.isPending} save={() => { store.mutate([...rows.filter((x) => !same(x, draft)), draft]); }} />}
          {read.data !== undefined && <p role="status">{t("settings.priceTaken", { n: read.data.taken })}{(read.data.problems ?? []).map((x) => <span key={x.where}><br />{x.where}: {x.message}</span>)}</p>}
          {read.isError && <Trouble error={read.error} />}
          {store.isError && <Trouble error={store.error} />}
        </>
      )}
    </div>
  );
}

function PriceForm({ draft, setDraft, save, busy }: { draft: Price; setDraft: (next: Price | null) => void; save: () => void; busy: boolean }) {
  const set = (change: Partial<Price>): void => { setDraft({ ...draft, ...change }); };
  return (
    <form className="lw-row" style={{ marginTop: 8, alignItems: "flex-end", flexWrap: "wrap" }} onSubmit={(e) => { e.preventDefault(); save(); }}>
      <TextInput label={t("settings.priceModel")} required value={draft.model ?? ""} onChange={(e) => { set({ model: e.currentTarget.value }); }} w={180} />
      <NumberInput label={t("settings.priceInput")} required min={0} decimalScale={6} value={draft.input_usd_per_mtok} onChange={(v) => { set({ input_usd_per_mtok: Number(v) }); }} w={110} />
      <NumberInput label={t("settings.priceCached")} min={0} decimalScale={6} value={draft.cached_input_usd_per_mtok ?? ""} onChange={(v) => { set({ cached_input_usd_per_mtok: v === "" ? null : Number(v) }); }} w={110} />
      <NumberInput label={t("settings.priceOutput")} required min={0} decimalScale={6} value={draft.output_usd_per_mtok} onChange={(v) => { set({ output_usd_per_mtok: Number(v) }); }} w={110} />
      <NumberInput label={t("settings.priceBatch")} min={0} step={0.1} decimalScale={4} value={draft.batch_multiplier ?? 1} onChange={(v) => { set({ batch_multiplier: v === "" ? 1 : Number(v) }); }} w={110} />
      <TextInput label={t("settings.priceFrom")} type="date" value={draft.valid_from ?? ""} onChange={(e) => { set({ valid_from: e.currentTarget.value === "" ? null : e.currentTarget.value }); }} w={150} />
      <Button size="xs" type="submit" loading={busy}>{t("common.save")}</Button>
      <Button size="xs" variant="subtle" onClick={() => { setDraft(null); }}>{t("common.cancel")}</Button>
    </form>
  );
}
