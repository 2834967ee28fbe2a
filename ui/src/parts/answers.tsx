import { pathOf } from "../editor/nested";
import type { Question } from "../editor/types";
import { t } from "../strings";
import { LabelChip } from "./label";
import { countsOf } from "./regions";

type Given = Readonly<Record<string, { kind: string; labels?: readonly string[]; value?: unknown; text?: string; spans?: readonly GivenSpan[]; regions?: readonly { readonly label: string }[]; relations?: readonly { label: string; from_id: string; to_id: string }[] }>>;
interface GivenSpan { readonly id?: string; readonly label: string; readonly start: number; readonly end: number; readonly link?: string | null }

/** Answers in short, as chips: dashed where only a model says so. */
export function AnswerChips({ answers, questions, by, text }: { answers: Given | null | undefined; questions: readonly Question[]; by: "person" | "model" | null; text?: string }) {
  const parts = questions.flatMap((q) => {
    const answer = answers?.[q.id];
    if (answer === undefined) return [];
    const label = (id: string) => ("labels" in q ? q.labels.find((l) => l.id === id) : undefined);
    if (answer.kind === "choice") return (answer.labels ?? []).map((id) => <LabelChip key={`${q.id}${id}`} name={"labels" in q ? pathOf(q.labels, id) : id} colour={label(id)?.colour ?? "#888888"} suggested={by === "model"} />);
    const letters = text === undefined ? null : Array.from(text);
    if (answer.kind === "relation") {
      const spans = Object.values(answers ?? {}).flatMap((each) => each.spans ?? []);
      const words = (id: string): string => {
        const span = spans.find((each) => each.id === id);
        return span === undefined || letters === null ? "…" : letters.slice(span.start, span.end).join("");
      };
      return (answer.relations ?? []).slice(0, 8).map((r, i) => <LabelChip key={`${q.id}${String(i)}`} name={`${words(r.from_id)} ${label(r.label)?.name ?? r.label} → ${words(r.to_id)}`} colour={label(r.label)?.colour ?? "#888888"} suggested={by === "model"} />);
    }
    if (answer.kind === "span") {
      return (answer.spans ?? []).slice(0, 8).map((s, i) => <LabelChip key={`${q.id}${String(i)}`} name={`${letters === null ? "" : `${letters.slice(s.start, s.end).join("")} `}${label(s.label)?.name ?? s.label}${(s.link ?? null) === null ? "" : ` [${s.link ?? ""}]`}`} colour={label(s.label)?.colour ?? "#888888"} suggested={by === "model"} />);
    }
    if (answer.kind === "region" && q.kind === "region") {
      return countsOf(q, answer.regions ?? []).map(({ id, name, colour, n }) => <LabelChip key={`${q.id}${id}`} name={n > 1 ? t("images.pieces", { name, n }) : name} colour={colour} suggested={by === "model"} />);
    }
    const shown = answer.kind === "text" ? answer.text : String(answer.value);
    return [<span key={q.id} className={`lw-chip${by === "model" ? " lw-dashed" : ""}`} style={{ borderColor: "var(--lw-line3)" }}>{q.name}: {shown}</span>];
  });
  if (parts.length === 0) return <span className="lw-dim">{t("table.noAnswer")}</span>;
  return <span className="lw-row" style={{ gap: 4 }}>{parts}</span>;
}
