/** The nouns the editor works on; the same JSON shapes as the server's. Offsets are Unicode code points, half-open. */
export interface Span {
  readonly id: string;
  readonly label: string;
  readonly start: number;
  readonly end: number;
  readonly score?: number | null;
  readonly attributes?: Readonly<Record<string, string | number | boolean>>;
  readonly alignment?: "exact" | "normalised" | "fuzzy" | null;
}

export type Answer =
  | { readonly kind: "choice"; readonly labels: readonly string[] }
  | { readonly kind: "scalar"; readonly value: number | boolean }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "span"; readonly spans: readonly Span[] };

export interface Label {
  readonly id: string;
  readonly name: string;
  readonly colour: string;
  readonly definition: string;
  readonly retired: boolean;
}

export type Question = {
  readonly id: string;
  readonly name: string;
  readonly instruction: string;
  readonly required: boolean;
  readonly retired: boolean;
  readonly depends_on?: { readonly question: string; readonly labels: readonly string[] } | null;
} & (
  | { readonly kind: "choice"; readonly labels: readonly Label[]; readonly multiple: boolean }
  | { readonly kind: "scalar"; readonly type: "boolean" | "integer" | "number"; readonly minimum: number | null; readonly maximum: number | null; readonly unit: string }
  | { readonly kind: "text"; readonly max_length: number }
  | { readonly kind: "span"; readonly labels: readonly Label[]; readonly overlap: boolean }
);

export type Answers = Readonly<Record<string, Answer>>;
