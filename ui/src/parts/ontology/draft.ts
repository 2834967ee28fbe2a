/** Questions while they are written: what the form changes, how a stored ontology becomes it, and what the server takes. */
import type { ShapeKind } from "../../editor/types";
import { LABEL_COLOURS } from "../../palette";
import { t } from "../../strings";

export type Modality = "text" | "image";

/** Something asked of each marked thing of a label. */
export interface DraftAttribute { id?: string; name: string; type: "choice" | "boolean" | "integer" | "number" | "text"; options: string[]; minimum: number | null; maximum: number | null; required: boolean }
/** Edges are pairs of positions in `points`. */
export interface DraftSkeleton { points: string[]; edges: (readonly [number, number])[] }
/** `depth`: how deep it stands in nested labels; it belongs to the nearest label before it that is one less deep. */
export interface DraftLabel { id?: string; name: string; definition: string; colour: string; synonyms?: string[]; depth?: number; attributes?: DraftAttribute[]; skeleton?: DraftSkeleton | null }
/** Parts that are not stored yet have no id: they are referred to by name. */
interface Condition { question: string; labels: string[] }
export interface DraftQuestion {
  id?: string;
  kind: "choice" | "scalar" | "text" | "span" | "region" | "relation";
  name: string;
  instruction: string;
  required: boolean;
  labels: DraftLabel[];
  multiple: boolean;
  overlap: boolean;
  type: "boolean" | "integer" | "number";
  minimum: number | null;
  maximum: number | null;
  unit: string;
  max_length?: number;
  gate?: number;
  leaves_only: boolean;
  knowledge: string;
  shapes: ShapeKind[];
  depends_on: Condition | null;
  from_question: string;
  to_question: string;
  from_labels: string[];
  to_labels: string[];
  directed: boolean;
}
export interface DraftOntology { guideline: string; questions: DraftQuestion[] }

const plain: DraftQuestion = { kind: "choice", name: "", instruction: "", required: true, labels: [], multiple: false, overlap: false, type: "integer", minimum: 1, maximum: 5, unit: "", leaves_only: false, knowledge: "", shapes: ["box"], depends_on: null, from_question: "", to_question: "", from_labels: [], to_labels: [], directed: true };
const KINDS = {
  choice: { kind: "choice" },
  choices: { kind: "choice", multiple: true },
  rating: { kind: "scalar", type: "integer", minimum: 1, maximum: 5 },
  boolean: { kind: "scalar", type: "boolean", minimum: null, maximum: null },
  number: { kind: "scalar", type: "number", minimum: null, maximum: null },
  text: { kind: "text" },
  span: { kind: "span" },
  region: { kind: "region" },
  relation: { kind: "relation" },
} as const satisfies Record<string, Partial<DraftQuestion>>;
export type Kind = keyof typeof KINDS;

/** What can be asked of a text or an image, the usual first. */
export const KINDS_OF: Readonly<Record<Modality, readonly Kind[]>> = {
  text: ["choice", "choices", "rating", "boolean", "number", "text", "span", "relation"],
  image: ["region", "choice", "choices", "rating", "boolean", "number", "text", "relation"],
};
export const SHAPES: readonly ShapeKind[] = ["box", "rotated_box", "polygon", "mask", "polyline", "points"];

/** How a part is referred to. */
export function keyOf(part: { id?: string; name: string }): string {
  return part.id ?? part.name;
}

export function isLabelled(q: { kind: string }): boolean {
  return q.kind === "choice" || q.kind === "span" || q.kind === "region" || q.kind === "relation";
}

/** Whether relations can join what this question marks. */
export function marksThings(q: { kind: string }): boolean {
  return q.kind === "span" || q.kind === "region";
}

export function blankLabel(n: number, depth = 0): DraftLabel {
  return { depth, name: "", definition: "", colour: LABEL_COLOURS[n % LABEL_COLOURS.length] ?? "#888888" };
}

export function blankAttribute(): DraftAttribute {
  return { name: "", type: "boolean", options: [], minimum: null, maximum: null, required: false };
}

/** A new question of a kind; a relation joins what the first question marks. */
export function newQuestion(kind: Kind, before: readonly DraftQuestion[]): DraftQuestion {
  const q: DraftQuestion = { ...plain, ...KINDS[kind] };
  if (isLabelled(q)) q.labels = [blankLabel(0), blankLabel(1)];
  const marks = before.find(marksThings);
  if (kind === "relation" && marks !== undefined) Object.assign(q, { from_question: keyOf(marks), to_question: keyOf(marks) });
  return q;
}

export const NEW_ONTOLOGY: DraftOntology = { guideline: "", questions: [newQuestion("choice", [])] };

type StoredLabel = DraftLabel & { retired?: boolean; parent?: string | null };

/** A stored ontology as a draft; retired parts are not shown, and stay retired. */
export function draftOf(ontology: { guideline?: string; questions: readonly unknown[] }): DraftOntology {
  const questions = (ontology.questions as (DraftQuestion & { retired?: boolean })[]).filter((q) => q.retired !== true);
  return {
    guideline: ontology.guideline ?? "",
    questions: questions.map((q) => ({ ...plain, ...q, labels: nested((q.labels as StoredLabel[] | undefined ?? []).filter((l) => l.retired !== true)) })),
  };
}

/** Labels in the order of their tree, each with its depth. */
function nested(labels: readonly StoredLabel[]): DraftLabel[] {
  const below = (parent: string | null, depth: number): DraftLabel[] =>
    labels.filter((l) => (l.parent ?? null) === parent).flatMap((l) => [{ ...l, depth }, ...below(l.id ?? "", depth + 1)]);
  return below(null, 0);
}

interface LabelBody { id?: string; name: string; definition: string; colour: string; synonyms?: string[]; attributes?: unknown[]; skeleton?: DraftSkeleton | null; children?: LabelBody[] }

/** The labels as a tree; empty ones are left out. */
function treeOf(labels: readonly DraftLabel[], regions: boolean): LabelBody[] {
  const top: LabelBody[] = [];
  const open: LabelBody[] = [];
  for (const l of labels.filter((each) => each.name.trim() !== "")) {
    const body: LabelBody = { ...(l.id === undefined ? {} : { id: l.id }), name: l.name, definition: l.definition, colour: l.colour, ...(l.synonyms === undefined ? {} : { synonyms: l.synonyms }) };
    if (regions) {
      body.attributes = (l.attributes ?? []).filter((a) => a.name.trim() !== "").map(attributeBody);
      body.skeleton = (l.skeleton?.points.length ?? 0) > 0 ? l.skeleton ?? null : null;
    }
    const depth = Math.min(l.depth ?? 0, open.length);
    open.length = depth;
    const above = open.at(-1);
    if (above === undefined) top.push(body);
    else above.children = [...(above.children ?? []), body];
    open.push(body);
  }
  return top;
}

/** Only what the type of an attribute has: bounds for numbers, options for a choice. */
function attributeBody(a: DraftAttribute): Record<string, unknown> {
  const number = a.type === "integer" || a.type === "number";
  return { ...(a.id === undefined ? {} : { id: a.id }), name: a.name.trim(), type: a.type, required: a.required, options: a.type === "choice" ? a.options : [], minimum: number ? a.minimum : null, maximum: number ? a.maximum : null };
}

/** The body the server takes: only what the kind of each question has; empty labels are left out. */
export function bodyOf(draft: DraftOntology): Record<string, unknown> {
  return {
    guideline: draft.guideline,
    questions: draft.questions.map((q) => {
      const condition = q.depends_on !== null && q.depends_on.labels.length > 0 ? q.depends_on : null;
      const base = { ...(q.id === undefined ? {} : { id: q.id }), kind: q.kind, name: q.name, instruction: q.instruction, required: q.required, depends_on: condition, ...(q.gate === undefined ? {} : { gate: q.gate }) };
      const labels = treeOf(q.labels, q.kind === "region");
      if (q.kind === "choice") return { ...base, multiple: q.multiple, leaves_only: q.leaves_only, labels };
      if (q.kind === "span") return { ...base, overlap: q.overlap, knowledge: q.knowledge, labels };
      if (q.kind === "region") return { ...base, shapes: q.shapes, labels };
      if (q.kind === "relation") return { ...base, from_question: q.from_question, to_question: q.to_question, from_labels: q.from_labels, to_labels: q.to_labels, directed: q.directed, labels };
      if (q.kind === "scalar") return { ...base, type: q.type, minimum: q.minimum, maximum: q.maximum, unit: q.unit };
      return { ...base, ...(q.max_length === undefined ? {} : { max_length: q.max_length }) };
    }),
  };
}

/** What keeps the questions from being stored, in words; null when nothing does. */
export function missingIn(draft: DraftOntology): string | null {
  for (const [i, q] of draft.questions.entries()) {
    const name = q.name.trim() === "" ? `${t("ontology.name")} ${String(i + 1)}` : q.name;
    if (q.name.trim() === "") return t("images.nameMissing", { name });
    if (isLabelled(q) && !q.labels.some((l) => l.name.trim() !== "")) return t("images.labelMissing", { name });
    if (q.kind === "region" && q.shapes.length === 0) return t("images.shapeMissing", { name });
    for (const l of q.kind === "region" ? q.labels : []) {
      const a = (l.attributes ?? []).find((each) => each.name.trim() !== "" && each.type === "choice" && each.options.length === 0);
      if (a !== undefined) return t("images.optionsMissing", { name: a.name, label: l.name });
    }
  }
  return null;
}

/** What refers to a part that is not stored yet follows its new name. */
export function renamed(q: DraftQuestion, before: DraftQuestion, after: DraftQuestion): DraftQuestion {
  const [from, to] = [keyOf(before), keyOf(after)];
  const labels = (question: string, given: string[]): string[] => (question === from ? given.map((key) => { const i = before.labels.findIndex((l) => keyOf(l) === key); return i < 0 || before.labels.length !== after.labels.length ? key : keyOf(after.labels[i] ?? { name: key }); }) : given);
  const question = (key: string): string => (key === from ? to : key);
  return {
    ...q,
    from_question: question(q.from_question),
    to_question: question(q.to_question),
    from_labels: labels(q.from_question, q.from_labels),
    to_labels: labels(q.to_question, q.to_labels),
    depends_on: q.depends_on === null ? null : { question: question(q.depends_on.question), labels: labels(q.depends_on.question, q.depends_on.labels) },
  };
}

/** A label deeper or less deep, with all that stands under it. */
export function moved(labels: readonly DraftLabel[], k: number, by: 1 | -1): DraftLabel[] {
  const end = endOf(labels, k);
  return labels.map((l, n) => (n >= k && n < end ? { ...l, depth: Math.max(0, (l.depth ?? 0) + by) } : l));
}

/** The labels without one; what stood under it moves up. */
export function without(labels: readonly DraftLabel[], k: number): DraftLabel[] {
  return moved(labels, k, -1).filter((_, n) => n !== k);
}

/** Where the labels under one end. */
function endOf(labels: readonly DraftLabel[], k: number): number {
  const depth = labels[k]?.depth ?? 0;
  const next = labels.findIndex((l, n) => n > k && (l.depth ?? 0) <= depth);
  return next === -1 ? labels.length : next;
}
