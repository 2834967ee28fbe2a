/** What models take for what, and a proposal for a better definition; nothing is stored here. */
import { Alert, Button, Checkbox, Select } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";

import { api, must, mustBe, type Noun } from "../../api/client";
import type { DraftOntology } from "../../parts/ontology";
import { Trouble } from "../../parts/state";
import { t } from "../../strings";
import { FIRST_PLAN, PlanForm, planOf, usePlanParts, type PlanDraft } from "./plan";

interface Asked { id: string; name: string; kind: string; retired?: boolean; labels?: { id: string; name: string; retired?: boolean }[] }

export function withDefinition(draft: DraftOntology, question: string, label: string, definition: string): DraftOntology {
  return { ...draft, questions: draft.questions.map((q) => (q.id !== question ? q : { ...q, labels: q.labels.map((l) => (l.id === label ? { ...l, definition } : l)) })) };
}

export function Confusions({ project, ontology, take }: { project: number; ontology: { questions: readonly unknown[] }; take: (question: string, label: string, definition: string) => void }) {
  const [open, setOpen] = useState(false);
  const rows = useQuery({ queryKey: ["confusions", project], queryFn: () => must(api.GET("/api/projects/{project_id}/confusions", { params: { path: { project_id: project } } })) });
  if (rows.data === undefined || rows.data.length === 0) return null;
  const questions = (ontology.questions as Asked[]).filter((q) => q.retired !== true);
  const name = (question: string, id: string | null): string => (id === null ? t("improve.nothing") : questions.find((q) => q.id === question)?.labels?.find((l) => l.id === id)?.name ?? id);
  const most = rows.data[0]?.confusion.n ?? 1;
  return (
    <section className="lw-card" style={{ marginBottom: 12 }} aria-label={t("improve.title")}>
      <div className="lw-row"><h2 className="lw-grow">{t("improve.title")} <span className="lw-dim">{t("improve.of", { n: rows.data[0]?.of ?? 0 })}</span></h2>
        <Button size="xs" variant="default" aria-expanded={open} onClick={() => { setOpen(!open); }}>{t("improve.ask")}</Button>
      </div>
      <div className="lw-scroll" style={{ maxHeight: 260, overflow: "auto" }} tabIndex={0} role="region" aria-label={t("improve.title")}>
        <table className="lw-table"><tbody>
          {rows.data.slice(0, 30).map(({ confusion, texts }) => (
            <tr key={`${confusion.question} ${String(confusion.said)} ${String(confusion.right)}`}>
              <td>{questions.length > 1 && <span className="lw-dim">{questions.find((q) => q.id === confusion.question)?.name}: </span>}{confusion.said === confusion.right ? t("improve.borders", { said: name(confusion.question, confusion.said) }) : t("improve.row", { said: name(confusion.question, confusion.said), right: name(confusion.question, confusion.right) })}</td>
              <td className="lw-number" style={{ whiteSpace: "nowrap" }}><span aria-hidden style={{ display: "inline-block", width: 60 * confusion.n / most, height: 8, background: "var(--lw-accent)", borderRadius: 2, marginRight: 6 }} />{t("improve.times", { n: confusion.n })}</td>
              <td>{texts.map((text, i) => <span key={text.asset_id}>{i > 0 && " · "}<Link href={`/projects/${String(project)}/label?asset=${String(text.asset_id)}`} title={text.text}>{text.text.slice(0, 40)}</Link></span>)}</td>
            </tr>
          ))}
        </tbody></table>
      </div>
      {open && <Proposal project={project} questions={questions} first={rows.data[0]?.confusion} take={take} />}
    </section>
  );
}

function Proposal({ project, questions, first, take }: { project: number; questions: readonly Asked[]; first: Noun<"Confusion"> | undefined; take: (question: string, label: string, definition: string) => void }) {
  const labels = questions.flatMap((q) => (q.labels ?? []).filter((l) => l.retired !== true).map((l) => ({ value: JSON.stringify([q.id, l.id]), label: questions.length > 1 ? `${q.name}: ${l.name}` : l.name })));
  const [label, setLabel] = useState(() => { const wanted = JSON.stringify([first?.question, first?.right ?? first?.said]); return labels.some((l) => l.value === wanted) ? wanted : (labels[0]?.value ?? ""); });
  const [plan, setPlan] = useState<PlanDraft>(FIRST_PLAN);
  const [texts, setTexts] = useState(true);
  const [taken, setTaken] = useState(false);
  const { providers } = usePlanParts(project);
  const provider = providers[0];
  if (plan.provider === null && provider !== undefined) setPlan({ ...plan, provider: String(provider.id), model: provider.models?.[0] ?? "" });
  const ask = useMutation({
    mutationFn: () => {
      const [question, id] = JSON.parse(label) as [string, string];
      return mustBe<"DefinitionDraft">(api.POST("/api/projects/{project_id}/definition-drafts", { params: { path: { project_id: project } }, body: { question, label: id, provider_id: Number(plan.provider), model: plan.model, with_texts: texts } }));
    },
    onSuccess: () => { setTaken(false); },
  });
  const draft = ask.data;
  return (
    <>
      <div className="lw-row" style={{ alignItems: "flex-end", marginTop: 8 }}>
        <Select label={t("improve.askFor")} data={labels} allowDeselect={false} value={label} onChange={(v) => { setLabel(v ?? ""); }} w={220} />
        <PlanForm value={plan} onChange={setPlan} project={project} only="model" />
        <Checkbox label={t("improve.texts")} description={t("improve.textsHint")} checked={texts} onChange={(e) => { setTexts(e.currentTarget.checked); }} />
        <Button loading={ask.isPending} disabled={planOf(plan) === null || label === ""} onClick={() => { ask.mutate(); }}>{t("improve.send")}</Button>
      </div>
      {ask.isError && <Trouble error={ask.error} />}
      {draft !== undefined && !ask.isPending && (taken ? <Alert mt="sm">{t("improve.taken")}</Alert> : (
        <div role="group" aria-label={t("improve.proposal", { label: labels.find((l) => l.value === JSON.stringify([draft.question, draft.label]))?.label ?? draft.label })} style={{ marginTop: 12 }}>
          <h2>{t("improve.proposal", { label: labels.find((l) => l.value === JSON.stringify([draft.question, draft.label]))?.label ?? draft.label })}</h2>
          <p><b>{t("improve.before")}</b> <Words words={draft.before} other={draft.after} mark="del" />{draft.before === "" && <span className="lw-dim">{t("improve.empty")}</span>}</p>
          <p><b>{t("improve.after")}</b> <Words words={draft.after} other={draft.before} mark="ins" /></p>
          <p className="lw-dim">{draft.why} {t("improve.told", { mistakes: draft.mistakes, texts: draft.texts_sent, model: draft.model })}{draft.cost_usd !== null ? ` $${Number(draft.cost_usd).toFixed(4)}` : ""}</p>
          <div className="lw-row">
            <Button size="xs" onClick={() => { take(draft.question, draft.label, draft.after); setTaken(true); }}>{t("improve.take")}</Button>
            <Button size="xs" variant="default" onClick={() => { ask.reset(); }}>{t("improve.leave")}</Button>
          </div>
        </div>
      ))}
    </>
  );
}

/** The words of a text; those that are not in the longest common run with the other are marked. */
function Words({ words, other, mark: Mark }: { words: string; other: string; mark: "del" | "ins" }) {
  const kept = common(words.split(/\s+/u), other.split(/\s+/u));
  return <>{words.split(/\s+/u).map((word, i) => (kept.has(i) ? <span key={i}>{word} </span> : <Mark key={i} style={{ textDecorationThickness: 2, background: "var(--lw-selection)" }}>{word} </Mark>))}</>;
}

/** Places in `one` that belong to a longest common subsequence with `two`. */
function common(one: readonly string[], two: readonly string[]): Set<number> {
  const width = two.length + 1;
  const best = new Uint16Array((one.length + 1) * width);
  const at = (i: number, k: number): number => best[i * width + k] ?? 0;
  for (let i = one.length - 1; i >= 0; i--) for (let k = two.length - 1; k >= 0; k--) best[i * width + k] = one[i] === two[k] ? at(i + 1, k + 1) + 1 : Math.max(at(i + 1, k), at(i, k + 1));
  const kept = new Set<number>();
  for (let i = 0, k = 0; i < one.length && k < two.length; ) {
    if (one[i] === two[k]) { kept.add(i); i++; k++; } else if (at(i + 1, k) >= at(i, k + 1)) i++; else k++;
  }
  return kept;
}
