/**
 * What the canvas shows, as plain data: the session makes a scene after every step, the renderer draws the difference to
 * the one before. Parts that did not change are the same objects, so that a difference is found without comparing points.
 */
import type { Point, Region, Shape } from "../types";
import type { MaskTiles } from "./tiles";

/** Size of the upright image in pixels. */
export interface Extent {
  readonly width: number;
  readonly height: number;
}

/** A region and how it is drawn: a model's unconfirmed one is dashed, a person's solid. */
export interface Drawn {
  readonly region: Region;
  readonly colour: string;
  readonly suggested: boolean;
  readonly hidden: boolean;
  readonly locked: boolean;
  /** Pairs of positions in its points, for skeletons. */
  readonly edges: readonly (readonly [number, number])[];
  /** Written beside the shape where there is room for it: the name of its label. */
  readonly tag?: string;
  /** Lines over the fill, so that labels beyond the palette differ in more than colour; see `hatchOf`. */
  readonly hatch?: Hatch;
}

/** Nothing, lines at 0, 45, 90 or 135 degrees, or dots. */
export type Hatch = "none" | "level" | "rising" | "upright" | "falling" | "dots";

const HATCHES: readonly Hatch[] = ["level", "rising", "upright", "falling", "dots"];

/** The hatch of the n-th label (from 0) of a question, when the palette has `colours`: none while colours are not used twice. */
export function hatchOf(position: number, colours = 12): Hatch {
  const round = Math.floor(position / colours);
  return round === 0 ? "none" : (HATCHES[(round - 1) % HATCHES.length] as Hatch);
}

/** Something that changes while the hand moves: drawn on a layer of its own, so that nothing else is painted again. */
export interface Active {
  /** Shapes being drawn or moved; those with the id of a region stand in for it. */
  readonly shapes: readonly { readonly id: string | null; readonly shape: Shape; readonly colour: string; readonly closed: boolean }[];
  /** Small squares to take hold of; `on` is the one under the pointer or picked by keyboard. */
  readonly handles: readonly { readonly at: Point; readonly on: boolean }[];
  readonly marquee: { readonly from: Point; readonly to: Point } | null;
  /** Keyboard crosshair. */
  readonly crosshair: Point | null;
  /** Circle of the brush, radius in image pixels. */
  readonly brush: { readonly at: Point; readonly radius: number; readonly erase: boolean } | null;
  /** A mask while it is painted; with the id of a region it stands in for that one. */
  readonly painted?: { readonly id: string | null; readonly tiles: MaskTiles; readonly colour: string } | null;
}

export interface Scene {
  readonly extent: Extent;
  /** Bottom to top. */
  readonly drawn: readonly Drawn[];
  readonly selected: ReadonlySet<string>;
  readonly hover: string | null;
  readonly active: Active;
  /** Of the fill of shapes and masks, in [0, 1]. */
  readonly opacity: number;
  /** Everything but the image is hidden while a key is held. */
  readonly bare: boolean;
}

export const NOTHING_ACTIVE: Active = { shapes: [], handles: [], marquee: null, crosshair: null, brush: null };
