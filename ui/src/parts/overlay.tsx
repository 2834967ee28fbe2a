/** Regions drawn over a picture that is only looked at: thumbnails and comparisons. A model's are dashed, a person's solid. */
import { memo, useMemo } from "react";

import { RleError, forEachColumnRun, runsOf } from "../editor/image/rle";
import { inkOn } from "../palette";
import type { Mask, Point, Region, Shape } from "../editor/types";

export interface Extent {
  readonly width: number;
  readonly height: number;
}
/** Colour by label id. */
export type Colours = Readonly<Record<string, string>>;

const UNKNOWN = "#8a909c";
/** Longest edge of the small picture that is made of a mask. */
const MASK_EDGE = 256;

/**
 * Lies over an image of the same aspect that is shown whole (`object-fit: contain`); its parent is positioned.
 * One path per label, however many regions there are. `edges` are the skeleton's, by label id.
 */
export const Overlay = memo(function Overlay({ picture, regions, colours, dashed = false, edges = {} }: {
  picture: Extent;
  regions: readonly Region[];
  colours: Colours;
  dashed?: boolean;
  edges?: Readonly<Record<string, readonly (readonly [number, number])[]>>;
}) {
  const drawn = useMemo(() => byLabel(regions, edges), [regions, edges]);
  return (
    <svg className="lw-overlay" viewBox={`0 0 ${String(picture.width)} ${String(picture.height)}`} preserveAspectRatio="xMidYMid meet" aria-hidden="true">
      {drawn.map(({ label, lines, dots, masks }) => {
        const colour = colours[label] ?? UNKNOWN;
        const casing = inkOn(colour) === "#000000" ? "#000" : "#fff";
        return (
          <g key={label} fill="none" strokeLinejoin="round">
            {masks.map((mask, i) => <MaskImage key={i} mask={mask} colour={colour} />)}
            {[["lw-casing", casing], ["lw-line", colour]].map(([name, stroke]) => (
              <g key={name} className={name} stroke={stroke}>
                {lines !== "" && <path d={lines} vectorEffect="non-scaling-stroke" strokeDasharray={dashed ? "5 4" : undefined} fill={name === "lw-line" ? colour : "none"} fillOpacity={0.14} fillRule="evenodd" />}
                {dots !== "" && <path d={dots} className="lw-dots" vectorEffect="non-scaling-stroke" strokeLinecap="round" />}
              </g>
            ))}
          </g>
        );
      })}
    </svg>
  );
});

/** An image with the regions of one or more answers over it. */
export function Pictured({ src, alt, picture, layers, colours, edges }: {
  src: string;
  alt: string;
  picture: Extent;
  layers: readonly { readonly regions: readonly Region[]; readonly dashed: boolean }[];
  colours: Colours;
  edges?: Readonly<Record<string, readonly (readonly [number, number])[]>>;
}) {
  return (
    <span className="lw-pictured" style={{ aspectRatio: `${String(picture.width)} / ${String(picture.height)}` }}>
      <img src={src} alt={alt} loading="lazy" decoding="async" draggable={false} />
      {layers.map(({ regions, dashed }, i) => (
        <Overlay key={i} picture={picture} regions={regions} dashed={dashed} colours={colours} {...(edges === undefined ? {} : { edges })} />
      ))}
    </span>
  );
}

interface Drawing {
  label: string;
  lines: string;
  dots: string;
  masks: Mask[];
}

function byLabel(regions: readonly Region[], edges: Readonly<Record<string, readonly (readonly [number, number])[]>>): Drawing[] {
  const found = new Map<string, Drawing>();
  for (const { label, shape } of regions) {
    const drawing = found.get(label) ?? { label, lines: "", dots: "", masks: [] };
    found.set(label, drawing);
    if (shape.kind === "mask") drawing.masks.push(shape);
    else if (shape.kind === "points") {
      drawing.dots += dotsOf(shape);
      drawing.lines += joinsOf(shape, edges[label] ?? []);
    } else drawing.lines += pathOf(shape);
  }
  return [...found.values()];
}

/** The outline of a shape as SVG path data; empty for masks and points. */
export function pathOf(shape: Shape): string {
  switch (shape.kind) {
    case "box":
      return ring([[shape.x, shape.y], [shape.x + shape.width, shape.y], [shape.x + shape.width, shape.y + shape.height], [shape.x, shape.y + shape.height]]);
    case "rotated_box": {
      const [cx, cy, turn] = [shape.x + shape.width / 2, shape.y + shape.height / 2, (shape.angle_deg * Math.PI) / 180];
      const [cos, sin] = [Math.cos(turn), Math.sin(turn)];
      const signs: readonly Point[] = [[-1, -1], [1, -1], [1, 1], [-1, 1]];
      return ring(signs.map(([sx, sy]): Point => {
        const [dx, dy] = [(sx * shape.width) / 2, (sy * shape.height) / 2];
        return [cx + dx * cos - dy * sin, cy + dx * sin + dy * cos];
      }));
    }
    case "polygon":
      return shape.parts.flatMap((part) => part.map(ring)).join("");
    case "polyline":
      return chain(shape.points);
    default:
      return "";
  }
}

function dotsOf({ points, visibility }: Shape & { kind: "points" }): string {
  return points.flatMap(([x, y], i) => (visibility?.[i] === 0 ? [] : [`M${at(x)} ${at(y)}h0`])).join("");
}

function joinsOf({ points, visibility }: Shape & { kind: "points" }, edges: readonly (readonly [number, number])[]): string {
  return edges.map(([from, to]) => {
    const [a, b] = [points[from], points[to]];
    return a === undefined || b === undefined || visibility?.[from] === 0 || visibility?.[to] === 0 ? "" : chain([a, b]);
  }).join("");
}

const ring = (points: readonly Point[]): string => (points.length === 0 ? "" : `${chain(points)}Z`);
const chain = (points: readonly Point[]): string => points.map(([x, y], i) => `${i === 0 ? "M" : "L"}${at(x)} ${at(y)}`).join("");
const at = (value: number): string => String(Math.round(value * 10) / 10);

function MaskImage({ mask, colour }: { mask: Mask; colour: string }) {
  const url = useMemo(() => painted(mask, colour), [mask, colour]);
  const [height, width] = mask.size;
  return url === "" ? null : <image href={url} width={width} height={height} preserveAspectRatio="none" opacity={0.6} />;
}

/** A small picture of the mask; empty where no canvas can be had, or where the mask is none. */
function painted(mask: Mask, colour: string): string {
  const [height, width] = mask.size;
  const scale = Math.min(1, MASK_EDGE / Math.max(height, width));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const paint = canvas.getContext("2d");
  if (paint === null) return "";
  paint.fillStyle = colour;
  try {
    forEachColumnRun(runsOf(mask), height, (x, from, to) => {
      paint.fillRect(x * scale, from * scale, Math.max(scale, 0.5), (to - from) * scale);
    });
  } catch (error) {
    if (error instanceof RleError) return "";
    throw error;
  }
  return canvas.toDataURL();
}
