/**
 * A mask while it is painted: tiles of 256 x 256 pixels that never change. Painting answers a new value that shares every
 * tile the stroke did not touch, so undo is keeping the value from before, and what has to be drawn again are the tiles
 * that are not the same object. Inside a tile pixels lie column by column, as in COCO's run lengths.
 */
import type { Mask, Point } from "../types";
import { extentOf, forEachColumnRun, maskOf, runsOf, runsOfRanges } from "./rle";
import type { Extent } from "./scene";

/** Side of a tile in pixels. */
export const TILE = 256;

/** A brush moved on a straight line; `radius` in image pixels, at least the pixel under the brush is painted. */
export interface Stroke {
  readonly from: Point;
  readonly to: Point;
  readonly radius: number;
  readonly erase: boolean;
}

/** Tiles by the mask they were made from or turned into: committing a painted mask makes no tile anew. */
const known = new WeakMap<Mask, MaskTiles>();

export class MaskTiles {
  readonly columns: number;
  readonly rows: number;

  private constructor(
    readonly extent: Extent,
    private readonly tiles: ReadonlyMap<number, Uint8Array>,
  ) {
    this.columns = Math.ceil(extent.width / TILE);
    this.rows = Math.ceil(extent.height / TILE);
  }

  static empty(extent: Extent): MaskTiles {
    return new MaskTiles(extent, new Map());
  }

  /** The tiles of a mask; only those with a set pixel are made, once per mask value. */
  static fromMask(mask: Mask): MaskTiles {
    let tiles = known.get(mask);
    if (tiles === undefined) known.set(mask, (tiles = MaskTiles.read(mask)));
    return tiles;
  }

  private static read(mask: Mask): MaskTiles {
    const extent = extentOf(mask);
    const rows = Math.ceil(extent.height / TILE);
    const tiles = new Map<number, Uint8Array>();
    forEachColumnRun(runsOf(mask), extent.height, (x, from, to) => {
      const column = Math.floor(x / TILE);
      for (let y = from; y < to; ) {
        const row = Math.floor(y / TILE);
        const stop = Math.min(to, (row + 1) * TILE);
        const index = column * rows + row;
        let tile = tiles.get(index);
        if (tile === undefined) tiles.set(index, (tile = new Uint8Array(TILE * TILE)));
        const base = (x - column * TILE) * TILE - row * TILE;
        tile.fill(1, base + y, base + stop);
        y = stop;
      }
    });
    return new MaskTiles(extent, tiles);
  }

  /** The mask; tiles without a set pixel cost nothing. */
  toMask(): Mask {
    const { width, height } = this.extent;
    const ranges: [number, number][] = [];
    for (let column = 0; column < this.columns; column += 1) {
      const stack: [number, Uint8Array][] = [];
      for (let row = 0; row < this.rows; row += 1) {
        const tile = this.tiles.get(column * this.rows + row);
        if (tile !== undefined) stack.push([row, tile]);
      }
      if (stack.length === 0) continue;
      for (let x = column * TILE; x < Math.min(width, (column + 1) * TILE); x += 1) {
        const base = (x - column * TILE) * TILE;
        for (const [row, tile] of stack) {
          const end = base + Math.min(TILE, height - row * TILE);
          const shift = x * height + row * TILE - base;
          for (let at = base; at < end; at += 1) {
            if (tile[at] === 0) continue;
            const from = at;
            while (at < end && tile[at] === 1) at += 1;
            const last = ranges.at(-1);
            if (last?.[1] === from + shift) last[1] = at + shift;
            else ranges.push([from + shift, at + shift]);
          }
        }
      }
    }
    const mask = maskOf(runsOfRanges(ranges, width * height), this.extent);
    known.set(mask, this);
    return mask;
  }

  /** After a stroke; `touched` are the tiles in which a pixel changed. The same value where none did. */
  paint(stroke: Stroke): { readonly tiles: MaskTiles; readonly touched: readonly number[] } {
    const value = stroke.erase ? 0 : 1;
    const fresh = new Map<number, Uint8Array>();
    columnsOf(stroke, this.extent, (x, from, to) => {
      const column = Math.floor(x / TILE);
      for (let y = from; y < to; ) {
        const row = Math.floor(y / TILE);
        const stop = Math.min(to, (row + 1) * TILE);
        const index = column * this.rows + row;
        const base = (x - column * TILE) * TILE - row * TILE;
        this.set(fresh, index, base + y, base + stop, value);
        y = stop;
      }
    });
    if (fresh.size === 0) return { tiles: this, touched: [] };
    const tiles = new Map(this.tiles);
    for (const [index, tile] of fresh) {
      if (value === 0 && !tile.includes(1)) tiles.delete(index);
      else tiles.set(index, tile);
    }
    return { tiles: new MaskTiles(this.extent, tiles), touched: [...fresh.keys()].sort((a, b) => a - b) };
  }

  /** Bytes (0 or 1) of a tile, `x * 256 + y` from its corner; undefined where no pixel is set. Not to be written to. */
  tile(index: number): Uint8Array | undefined {
    return this.tiles.get(index);
  }

  /** Numbers of the tiles with a set pixel, in no order. */
  indices(): Iterable<number> {
    return this.tiles.keys();
  }

  /** Corner of a tile in image pixels. */
  cornerOf(index: number): Point {
    return [Math.floor(index / this.rows) * TILE, (index % this.rows) * TILE];
  }

  has(x: number, y: number): boolean {
    const tile = this.tiles.get(Math.floor(x / TILE) * this.rows + Math.floor(y / TILE));
    return x >= 0 && y >= 0 && x < this.extent.width && y < this.extent.height && tile?.[(x % TILE) * TILE + (y % TILE)] === 1;
  }

  get isEmpty(): boolean {
    return this.tiles.size === 0;
  }

  /** Bytes that this value holds and `other` does not share. */
  bytesBeyond(other: MaskTiles | null): number {
    let bytes = 0;
    for (const [index, tile] of this.tiles) if (other?.tiles.get(index) !== tile) bytes += tile.byteLength;
    return bytes;
  }

  /** Tiles in which two masks of one image may differ. */
  static changed(a: MaskTiles | null, b: MaskTiles | null): number[] {
    if (a === b) return [];
    const found: number[] = [];
    for (const [index, tile] of a?.tiles ?? []) if (b?.tiles.get(index) !== tile) found.push(index);
    for (const index of b?.tiles.keys() ?? []) if (a?.tiles.has(index) !== true) found.push(index);
    return found.sort((x, y) => x - y);
  }

  private set(fresh: Map<number, Uint8Array>, index: number, from: number, to: number, value: 0 | 1): void {
    let tile = fresh.get(index);
    if (tile === undefined) {
      const old = this.tiles.get(index);
      if (old === undefined && value === 0) return;
      if (old !== undefined) {
        let at = from;
        while (at < to && old[at] === value) at += 1;
        if (at === to) return;
      }
      fresh.set(index, (tile = old === undefined ? new Uint8Array(TILE * TILE) : old.slice()));
    }
    tile.fill(value, from, to);
  }
}

/** Rows whose pixel centres a stroke covers, column by column: it is convex, so each column has one range. */
function columnsOf({ from, to, radius }: Stroke, extent: Extent, visit: (x: number, from: number, to: number) => void): void {
  const [left, right] = [Math.min(from[0], to[0]) - radius, Math.max(from[0], to[0]) + radius];
  const side = across(from, to, radius);
  const first = Math.max(0, Math.min(Math.ceil(left - 0.5), Math.floor(Math.min(from[0], to[0]))));
  const last = Math.min(extent.width - 1, Math.max(Math.floor(right - 0.5), Math.floor(Math.max(from[0], to[0]))));
  for (let x = first; x <= last; x += 1) {
    let [low, high] = [Infinity, -Infinity];
    const add = (y: number): void => {
      if (y < low) low = y;
      if (y > high) high = y;
    };
    const centre = x + 0.5;
    for (const end of [from, to]) {
      const rest = radius * radius - (centre - end[0]) ** 2;
      if (rest >= 0) {
        add(end[1] - Math.sqrt(rest));
        add(end[1] + Math.sqrt(rest));
      }
      // A brush thinner than a pixel still paints the one it stands on.
      if (Math.floor(end[0]) === x) add(Math.floor(end[1]) + 0.5);
    }
    side.forEach((a, i) => {
      const b = side[(i + 1) % side.length] as Point;
      if (Math.min(a[0], b[0]) <= centre && centre <= Math.max(a[0], b[0]) && a[0] !== b[0]) add(a[1] + ((centre - a[0]) / (b[0] - a[0])) * (b[1] - a[1]));
    });
    const top = Math.max(0, Math.ceil(low - 0.5));
    const bottom = Math.min(extent.height, Math.floor(high - 0.5) + 1);
    if (top < bottom) visit(x, top, bottom);
  }
}

/** Corners of the rectangle a brush sweeps between the two ends of a stroke; none for a dot. */
function across(from: Point, to: Point, radius: number): Point[] {
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
  const long = Math.hypot(dx, dy);
  if (long === 0) return [];
  const [nx, ny] = [(-dy / long) * radius, (dx / long) * radius];
  return [[from[0] + nx, from[1] + ny], [to[0] + nx, to[1] + ny], [to[0] - nx, to[1] - ny], [from[0] - nx, from[1] - ny]];
}
