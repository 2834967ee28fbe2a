/** The nouns the editor works on; the same JSON shapes as the server's. Offsets are Unicode code points, half-open. */
export interface Span {
  readonly id: string;
  readonly label: string;
  readonly start: number;
  readonly end: number;
  readonly score?: number | null;
  readonly attributes?: Readonly<Record<string, string | number | boolean>>;
  readonly alignment?: "exact" | "normalised" | "fuzzy" | null;
  /** The entity it means, in the question's list, or "NIL". */
  readonly link?: string | null;
}

/** A directed link between two spans, by their ids. */
export interface Relation {
  readonly id: string;
  readonly label: string;
  readonly from_id: string;
  readonly to_id: string;
  readonly score?: number | null;
  readonly attributes?: Readonly<Record<string, string | number | boolean>>;
}

export type Answer =
  | { readonly kind: "choice"; readonly labels: readonly string[] }
  | { readonly kind: "scalar"; readonly value: number | boolean }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "span"; readonly spans: readonly Span[] }
  | { readonly kind: "relation"; readonly relations: readonly Relation[] };

export interface Label {
  readonly id: string;
  readonly name: string;
  readonly colour: string;
  readonly definition: string;
  readonly retired: boolean;
  /** The label it stands under, in a nested choice. */
  readonly parent?: string | null;
}

export type Question = {
  readonly id: string;
  readonly name: string;
  readonly instruction: string;
  readonly required: boolean;
  readonly retired: boolean;
  readonly depends_on?: { readonly question: string; readonly labels: readonly string[] } | null;
} & (
  | { readonly kind: "choice"; readonly labels: readonly Label[]; readonly multiple: boolean; readonly leaves_only?: boolean }
  | { readonly kind: "scalar"; readonly type: "boolean" | "integer" | "number"; readonly minimum: number | null; readonly maximum: number | null; readonly unit: string }
  | { readonly kind: "text"; readonly max_length: number }
  | { readonly kind: "span"; readonly labels: readonly Label[]; readonly overlap: boolean; readonly knowledge?: string }
  | { readonly kind: "relation"; readonly labels: readonly Label[]; readonly from_question: string; readonly to_question: string; readonly from_labels: readonly string[]; readonly to_labels: readonly string[]; readonly directed: boolean }
);

export type SpanQuestion = Question & { readonly kind: "span" };
export type ChoiceQuestion = Question & { readonly kind: "choice" };
export type RelationQuestion = Question & { readonly kind: "relation" };

export type Answers = Readonly<Record<string, Answer>>;
