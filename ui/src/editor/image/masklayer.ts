/**
 * Masks on the screen: all masks of an image as one picture in tiles, the upper one wins. A tile is coloured again only
 * when a mask changed in it, and at the size it is shown at.
 */
import type { Camera } from "./camera";
import type { Bounds } from "./geometry";
import type { Extent, Hatch } from "./scene";
import { MaskTiles, TILE } from "./tiles";

export interface Layered {
  readonly id: string;
  readonly tiles: MaskTiles;
  readonly colour: string;
  readonly hatch: Hatch;
}

/** How strong the fill is where a hatch leaves it out. */
const BETWEEN_LINES = 90;

export class MaskLayer {
  private masks: readonly Layered[] = [];
  private extent: Extent = { width: 0, height: 0 };
  private readonly canvases = new Map<number, { readonly level: number; readonly canvas: HTMLCanvasElement }>();

  /** `painted` is called once for every tile that is coloured. */
  constructor(private readonly painted: () => void) {}

  /** Bottom to top. The tiles that have to be drawn again. */
  update(masks: readonly Layered[], extent: Extent): ReadonlySet<number> {
    const dirty = new Set<number>();
    const before = new Map(this.masks.map((mask, n) => [mask.id, { mask, n }]));
    const inOrder = [...masks.flatMap((mask) => before.get(mask.id)?.n ?? [])].every((n, i, all) => i === 0 || n > (all[i - 1] as number));
    for (const mask of masks) {
      const old = before.get(mask.id)?.mask ?? null;
      before.delete(mask.id);
      const alike = inOrder && old !== null && old.colour === mask.colour && old.hatch === mask.hatch;
      for (const n of MaskTiles.changed(old?.tiles ?? null, mask.tiles)) dirty.add(n);
      if (!alike) for (const n of mask.tiles.indices()) dirty.add(n);
    }
    for (const { mask } of before.values()) for (const n of mask.tiles.indices()) dirty.add(n);
    if (this.extent.width !== extent.width || this.extent.height !== extent.height) this.canvases.clear();
    for (const n of dirty) this.canvases.delete(n);
    this.masks = masks;
    this.extent = extent;
    return dirty;
  }

  /** Draws the tiles in `only`, or all that share a point with `part` of the image. `at`: in device pixels of the canvas. */
  draw(context: CanvasRenderingContext2D, at: Camera, part: Bounds, only: ReadonlySet<number> | null): void {
    if (this.masks.length === 0 && only === null) return;
    const rows = Math.ceil(this.extent.height / TILE);
    const numbers = only ?? new Set(this.masks.flatMap((mask) => [...mask.tiles.indices()]));
    context.imageSmoothingEnabled = false;
    for (const n of numbers) {
      const [x, y] = [Math.floor(n / rows) * TILE, (n % rows) * TILE];
      const [width, height] = [Math.min(TILE, this.extent.width - x), Math.min(TILE, this.extent.height - y)];
      if (x > part.maxX || y > part.maxY || x + width < part.minX || y + height < part.minY) continue;
      // Borders on whole device pixels: neighbours meet without a seam, and clearing one leaves the others alone.
      const [left, top] = [Math.round(at.x + x * at.scale), Math.round(at.y + y * at.scale)];
      const [right, bottom] = [Math.round(at.x + (x + width) * at.scale), Math.round(at.y + (y + height) * at.scale)];
      if (only !== null) context.clearRect(left, top, right - left, bottom - top);
      const canvas = this.canvas(n, Math.min(8, Math.max(0, Math.floor(Math.log2(1 / at.scale)))));
      if (canvas === null) continue;
      const level = TILE / canvas.width;
      context.drawImage(canvas, 0, 0, width / level, height / level, left, top, right - left, bottom - top);
    }
  }

  private canvas(n: number, level: number): HTMLCanvasElement | null {
    const old = this.canvases.get(n);
    if (old?.level === level) return old.canvas;
    const masks = this.masks.filter((mask) => mask.tiles.tile(n) !== undefined);
    if (masks.length === 0) return null;
    const canvas = old?.canvas ?? document.createElement("canvas");
    const side = TILE >> level;
    canvas.width = canvas.height = side;
    const context = canvas.getContext("2d");
    if (context === null) return null;
    const image = context.createImageData(side, side);
    const words = new Uint32Array(image.data.buffer);
    for (const mask of masks) colour(words, side, mask.tiles.tile(n) as Uint8Array, mask, level);
    context.putImageData(image, 0, 0);
    this.canvases.set(n, { level, canvas });
    this.painted();
    return canvas;
  }
}

/** Bytes of a tile lie column by column, those of a picture row by row. A small pixel is set where any under it is. */
function colour(words: Uint32Array, side: number, tile: Uint8Array, mask: Layered, level: number): void {
  const full = wordOf(mask.colour, 255);
  const weak = wordOf(mask.colour, BETWEEN_LINES);
  const hatched = mask.hatch === "none" ? null : mask.hatch;
  for (let at = 0; at < tile.length; at += 1) {
    if (tile[at] === 0) continue;
    const [x, y] = [(at >> 8) >> level, (at & 255) >> level];
    words[y * side + x] = hatched === null || onLine(hatched, x, y) ? full : weak;
  }
}

/** Whether a pixel lies on a line of a hatch; lines are 2 wide and 8 apart, which divides a tile. */
export function onLine(hatch: Hatch, x: number, y: number): boolean {
  switch (hatch) {
    case "level":
      return y % 8 < 2;
    case "upright":
      return x % 8 < 2;
    case "rising":
      return (x + y) % 8 < 2;
    case "falling":
      return (x - y + 1024) % 8 < 2;
    case "dots":
      return x % 8 < 3 && y % 8 < 3;
    case "none":
      return true;
  }
}

/** Bytes red, green, blue, alpha as a little-endian word; every browser's processor is little-endian. */
function wordOf(hex: string, alpha: number): number {
  const rgb = Number.parseInt(hex.slice(1), 16);
  return ((alpha << 24) | ((rgb & 255) << 16) | (rgb & 0xff00) | (rgb >> 16)) >>> 0;
}
