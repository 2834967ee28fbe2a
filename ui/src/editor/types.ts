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

/** Pixels of the upright original: origin top-left corner, x right, y down. */
export type Point = readonly [number, number];
export interface Box {
  readonly kind: "box";
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}
/** Turned clockwise by `angle_deg` around its centre. */
export interface RotatedBox {
  readonly kind: "rotated_box";
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly angle_deg: number;
}
/** Parts; the first ring of a part is its outline, further rings are holes. */
export interface Polygon {
  readonly kind: "polygon";
  readonly parts: readonly (readonly (readonly Point[])[])[];
}
export interface Polyline {
  readonly kind: "polyline";
  readonly points: readonly Point[];
}
/** Visibility per point: 0 absent, 1 hidden, 2 visible. */
export interface Points {
  readonly kind: "points";
  readonly points: readonly Point[];
  readonly visibility?: readonly (0 | 1 | 2)[] | null;
  readonly box?: Box | null;
}
/** Compressed COCO run lengths, column by column; `size` is [height, width]. */
export interface Mask {
  readonly kind: "mask";
  readonly size: readonly [number, number];
  readonly counts: string;
}
export type Shape = Box | RotatedBox | Polygon | Polyline | Points | Mask;
export type ShapeKind = Shape["kind"];

/** A shape on an image; later ones of equal `z_order` lie above earlier ones. */
export interface Region {
  readonly id: string;
  readonly label: string;
  readonly shape: Shape;
  readonly z_order?: number;
  readonly score?: number | null;
  readonly attributes?: Readonly<Record<string, string | number | boolean>>;
}

/** What is asked of each marked thing of a label. */
export interface Attribute {
  readonly id: string;
  readonly name: string;
  readonly type: "choice" | "boolean" | "integer" | "number" | "text";
  readonly options?: readonly string[];
  readonly minimum?: number | null;
  readonly maximum?: number | null;
  readonly required?: boolean;
}

/** Named key points; edges are pairs of positions. */
export interface Skeleton {
  readonly points: readonly string[];
  readonly edges?: readonly (readonly [number, number])[];
}

export type Answer =
  | { readonly kind: "choice"; readonly labels: readonly string[] }
  | { readonly kind: "scalar"; readonly value: number | boolean }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "span"; readonly spans: readonly Span[] }
  | { readonly kind: "region"; readonly regions: readonly Region[] }
  | { readonly kind: "relation"; readonly relations: readonly Relation[] };

export interface Label {
  readonly id: string;
  readonly name: string;
  readonly colour: string;
  readonly definition: string;
  readonly retired: boolean;
  /** The label it stands under, in a nested choice. */
  readonly parent?: string | null;
  readonly attributes?: readonly Attribute[];
  readonly skeleton?: Skeleton | null;
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
  | { readonly kind: "region"; readonly labels: readonly Label[]; readonly shapes: readonly ShapeKind[] }
  | { readonly kind: "relation"; readonly labels: readonly Label[]; readonly from_question: string; readonly to_question: string; readonly from_labels: readonly string[]; readonly to_labels: readonly string[]; readonly directed: boolean }
);

export type SpanQuestion = Question & { readonly kind: "span" };
export type RegionQuestion = Question & { readonly kind: "region" };
export type ChoiceQuestion = Question & { readonly kind: "choice" };
export type RelationQuestion = Question & { readonly kind: "relation" };

export type Answers = Readonly<Record<string, Answer>>;
