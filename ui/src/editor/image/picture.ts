/**
 * The image itself: one bitmap with halves of halves of it for zooming out, or the tiles of a pyramid that are in sight.
 * Where bitmaps come from is the caller's business.
 */
import { seen, type Camera } from "./camera";
import type { Bounds } from "./geometry";
import type { Extent } from "./scene";

/** A tile of a pyramid: column `x` and row `y` of `level`; level 0 is the smallest, each is half the size of the next. */
export interface TileAddress {
  readonly level: number;
  readonly x: number;
  readonly y: number;
}

export interface ImageSource {
  /** The same image has the same key. */
  readonly key: string;
  readonly extent: Extent;
  /** Levels of the pyramid; 0 for an image loaded whole. */
  readonly levels: number;
  /** Decodes the whole image (`tile` null) or one tile. May reject; an aborted one is not asked for again until it is in sight. */
  readonly load: (tile: TileAddress | null, signal: AbortSignal) => Promise<ImageBitmap>;
}

/** Side of a pyramid's tile in its own pixels. */
export const PYRAMID_TILE = 512;
/** Tiles kept decoded; each is about 1 MB. */
const MOST_TILES = 256;
/** Above this many device pixels per image pixel, pixels are shown as squares. */
const SMOOTH_UP_TO = 2;

type Drawable = ImageBitmap | HTMLCanvasElement;

/** What the renderer draws on its lowest layer. `scale` and place are those of the canvas, in device pixels. */
export interface Picture {
  readonly source: ImageSource;
  draw(context: CanvasRenderingContext2D, at: Camera, canvas: Extent): void;
  dispose(): void;
}

/** Decodes a source as far as something can be shown. `changed` is called when more of it can. */
export async function openPicture(source: ImageSource, signal: AbortSignal, changed: () => void): Promise<Picture> {
  if (source.levels === 0) return new Whole(source, await source.load(null, signal));
  const pyramid = new Pyramid(source, changed);
  await pyramid.first(signal);
  return pyramid;
}

class Whole implements Picture {
  /** Each half the size of the one before. */
  private readonly halves: Drawable[];

  constructor(
    readonly source: ImageSource,
    private readonly bitmap: ImageBitmap,
  ) {
    this.halves = [bitmap];
  }

  draw(context: CanvasRenderingContext2D, at: Camera): void {
    const { width, height } = this.source.extent;
    const image = this.half(Math.max(0, Math.floor(Math.log2(1 / at.scale))));
    smooth(context, at.scale);
    context.drawImage(image, at.x, at.y, width * at.scale, height * at.scale);
  }

  dispose(): void {
    this.bitmap.close();
  }

  private half(level: number): Drawable {
    for (let n = this.halves.length; n <= level; n += 1) {
      const before = this.halves[n - 1] as Drawable;
      const [width, height] = [Math.ceil(before.width / 2), Math.ceil(before.height / 2)];
      if (Math.min(before.width, before.height) <= 1) break;
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [width, height];
      const context = canvas.getContext("2d");
      if (context === null) break;
      context.imageSmoothingQuality = "high";
      context.drawImage(before, 0, 0, width, height);
      this.halves.push(canvas);
    }
    return this.halves[Math.min(level, this.halves.length - 1)] as Drawable;
  }
}

class Pyramid implements Picture {
  /** In the order of their last use. */
  private readonly tiles = new Map<string, ImageBitmap>();
  private readonly loading = new Map<string, AbortController>();
  private readonly failed = new Set<string>();
  private disposed = false;

  constructor(
    readonly source: ImageSource,
    private readonly changed: () => void,
  ) {}

  /** The smallest level: it is under everything that is not there yet. */
  async first(signal: AbortSignal): Promise<void> {
    const all = this.within(0, { minX: 0, minY: 0, maxX: this.source.extent.width, maxY: this.source.extent.height });
    await Promise.all(all.map(async (tile) => this.tiles.set(nameOf(tile), await this.source.load(tile, signal))));
  }

  draw(context: CanvasRenderingContext2D, at: Camera, canvas: Extent): void {
    const inSight = seen(at, { minX: 0, minY: 0, maxX: canvas.width, maxY: canvas.height });
    const finest = this.source.levels - 1;
    const level = Math.min(finest, Math.max(0, finest - Math.max(0, Math.floor(Math.log2(1 / at.scale)))));
    smooth(context, at.scale);
    const wanted = new Set(this.within(level, inSight).map(nameOf));
    for (const [name, controller] of this.loading) if (!wanted.has(name)) controller.abort();
    // Coarse levels first: finer ones are drawn over them as they come.
    for (let n = 0; n <= level; n += 1) {
      for (const tile of this.within(n, inSight)) {
        const name = nameOf(tile);
        const bitmap = this.tiles.get(name);
        if (bitmap === undefined) {
          if (n === level) void this.load(tile);
          continue;
        }
        this.tiles.delete(name);
        this.tiles.set(name, bitmap);
        const side = PYRAMID_TILE * 2 ** (finest - n);
        const factor = at.scale * 2 ** (finest - n);
        const [left, top] = [Math.round(at.x + tile.x * side * at.scale), Math.round(at.y + tile.y * side * at.scale)];
        const right = Math.round(at.x + tile.x * side * at.scale + bitmap.width * factor);
        const bottom = Math.round(at.y + tile.y * side * at.scale + bitmap.height * factor);
        context.drawImage(bitmap, left, top, right - left, bottom - top);
      }
    }
    this.forget(wanted);
  }

  dispose(): void {
    this.disposed = true;
    for (const controller of this.loading.values()) controller.abort();
    for (const bitmap of this.tiles.values()) bitmap.close();
    this.tiles.clear();
  }

  private within(level: number, part: Bounds): TileAddress[] {
    const side = PYRAMID_TILE * 2 ** (this.source.levels - 1 - level);
    const last = (length: number): number => Math.ceil(length / side) - 1;
    const [left, top] = [Math.max(0, Math.floor(part.minX / side)), Math.max(0, Math.floor(part.minY / side))];
    const [right, bottom] = [Math.min(last(this.source.extent.width), Math.floor(part.maxX / side)), Math.min(last(this.source.extent.height), Math.floor(part.maxY / side))];
    const tiles: TileAddress[] = [];
    for (let y = top; y <= bottom; y += 1) for (let x = left; x <= right; x += 1) tiles.push({ level, x, y });
    return tiles;
  }

  private async load(tile: TileAddress): Promise<void> {
    const name = nameOf(tile);
    if (this.loading.has(name) || this.failed.has(name)) return;
    const controller = new AbortController();
    this.loading.set(name, controller);
    try {
      const bitmap = await this.source.load(tile, controller.signal);
      if (this.disposed) bitmap.close();
      else {
        this.tiles.set(name, bitmap);
        this.changed();
      }
    } catch {
      // What is asked for again on every frame would never stop: a tile that fails stays as coarse as it is.
      if (!controller.signal.aborted) this.failed.add(name);
    } finally {
      this.loading.delete(name);
    }
  }

  private forget(wanted: ReadonlySet<string>): void {
    for (const [name, bitmap] of this.tiles) {
      if (this.tiles.size <= MOST_TILES) return;
      if (wanted.has(name) || name.startsWith("0/")) continue;
      this.tiles.delete(name);
      bitmap.close();
    }
  }
}

function nameOf(tile: TileAddress): string {
  return `${String(tile.level)}/${String(tile.x)}/${String(tile.y)}`;
}

function smooth(context: CanvasRenderingContext2D, scale: number): void {
  context.imageSmoothingEnabled = scale <= SMOOTH_UP_TO;
  context.imageSmoothingQuality = "medium";
}
