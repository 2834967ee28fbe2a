/**
 * Which regions are near a place, without asking every one of them: a packed R-tree, made once for many boxes, and a
 * short list of what changed since. When that list grows long, the tree is made anew.
 */
import type { Point, Region } from "../types";
import { area, bounds, contains, distanceTo, grown, overlaps, type Bounds } from "./geometry";

const FANOUT = 16;
/** The list of changes may be as long as this plus an eighth of the tree. */
const MOST_CHANGES = 64;

interface Entry {
  readonly id: string;
  readonly at: Bounds;
}

/** Boxes by id. */
export class SpatialIndex {
  private tree: Tree = pack([]);
  /** Where an id lies now, if it is no longer as the tree has it; null: it is gone. */
  private readonly changes = new Map<string, Bounds | null>();
  private readonly boxes = new Map<string, Bounds>();

  get size(): number {
    return this.boxes.size;
  }

  /** Put or move; null takes it out. */
  set(id: string, at: Bounds | null): void {
    if (at === null ? !this.boxes.has(id) : same(this.boxes.get(id), at)) return;
    if (at === null) this.boxes.delete(id);
    else this.boxes.set(id, at);
    this.changes.set(id, at);
  }

  /** Ids of boxes that share a point with `where`, borders included; in no order. */
  within(where: Bounds): string[] {
    if (this.changes.size > MOST_CHANGES + this.boxes.size / 8) this.rebuild();
    const found: string[] = [];
    search(this.tree, where, (id) => {
      if (!this.changes.has(id)) found.push(id);
    });
    for (const [id, at] of this.changes) if (at !== null && overlaps(at, where)) found.push(id);
    return found;
  }

  private rebuild(): void {
    this.tree = pack([...this.boxes].map(([id, at]) => ({ id, at })));
    this.changes.clear();
  }
}

/** Regions by place. Give it every new list of regions; only those that are other objects than before are looked at. */
export class RegionIndex {
  private readonly index = new SpatialIndex();
  private readonly regions = new Map<string, { region: Region; order: number }>();

  /** `regions`: bottom to top, without those that cannot be hit. */
  update(regions: readonly Region[]): void {
    const ids = new Set<string>();
    regions.forEach((region, order) => {
      ids.add(region.id);
      if (this.regions.get(region.id)?.region !== region) this.index.set(region.id, bounds(region.shape));
      this.regions.set(region.id, { region, order });
    });
    for (const id of this.regions.keys()) {
      if (ids.has(id)) continue;
      this.regions.delete(id);
      this.index.set(id, null);
    }
  }

  /**
   * Regions at a point, the best hit first: smallest area wins, of equal ones the upper. Lines and points are hit within
   * `tolerance` image pixels; so is the outline of an area shape that does not contain the point, after those that do.
   */
  at(point: Point, tolerance: number): Region[] {
    const near = this.index.within(grown({ minX: point[0], minY: point[1], maxX: point[0], maxY: point[1] }, tolerance));
    const hits: { region: Region; order: number; rank: number; area: number }[] = [];
    for (const id of near) {
      const entry = this.regions.get(id);
      if (entry === undefined) continue;
      const { shape } = entry.region;
      const inside = contains(point, shape);
      if (inside || distanceTo(point, shape) <= tolerance) hits.push({ ...entry, rank: inside || area(shape) === 0 ? 0 : 1, area: area(shape) });
    }
    hits.sort((a, b) => a.rank - b.rank || a.area - b.area || b.order - a.order);
    return hits.map((hit) => hit.region);
  }

  /** Regions whose bounds lie inside a rectangle, bottom to top: what a marquee takes. */
  inside(where: Bounds): Region[] {
    return this.ordered(this.index.within(where), (at) => at.minX >= where.minX && at.maxX <= where.maxX && at.minY >= where.minY && at.maxY <= where.maxY);
  }

  /** Regions whose bounds share a point with a rectangle, bottom to top. */
  touching(where: Bounds): Region[] {
    return this.ordered(this.index.within(where), () => true);
  }

  private ordered(ids: readonly string[], keep: (at: Bounds) => boolean): Region[] {
    const found = ids.flatMap((id) => this.regions.get(id) ?? []).filter(({ region }) => {
      const at = bounds(region.shape);
      return at !== null && keep(at);
    });
    return found.sort((a, b) => a.order - b.order).map(({ region }) => region);
  }
}

/** The one after `current` among stacked regions, for clicking through them; the first where `current` is not among them. */
export function nextOf(stack: readonly Region[], current: string | null): Region | null {
  const at = stack.findIndex((region) => region.id === current);
  return stack[(at + 1) % Math.max(stack.length, 1)] ?? null;
}

/** Levels of boxes, leaves first; `boxes` has four numbers per node, node n of a level stands for FANOUT nodes below. */
interface Tree {
  readonly ids: readonly string[];
  readonly levels: readonly Float64Array[];
}

/** Sort-tile-recursive packing (Leutenegger et al., 1997): strips of equal count by x, each sorted by y. */
function pack(entries: Entry[]): Tree {
  const middle = (e: Entry, axis: 0 | 1): number => (axis === 0 ? e.at.minX + e.at.maxX : e.at.minY + e.at.maxY);
  const strip = Math.ceil(Math.sqrt(Math.ceil(entries.length / FANOUT))) * FANOUT;
  entries.sort((a, b) => middle(a, 0) - middle(b, 0));
  const sorted: Entry[] = [];
  for (let i = 0; i < entries.length; i += strip) sorted.push(...entries.slice(i, i + strip).sort((a, b) => middle(a, 1) - middle(b, 1)));
  const levels = [Float64Array.from(sorted.flatMap(({ at }) => [at.minX, at.minY, at.maxX, at.maxY]))];
  for (let below = levels[0] as Float64Array; below.length > 4; ) {
    const above = new Float64Array(Math.ceil(below.length / 4 / FANOUT) * 4);
    for (let n = 0; n < above.length; n += 4) {
      const box = [Infinity, Infinity, -Infinity, -Infinity];
      for (let c = n * FANOUT; c < Math.min((n + 4) * FANOUT, below.length); c += 4) {
        for (const axis of [0, 1] as const) {
          box[axis] = Math.min(box[axis] as number, below[c + axis] as number);
          box[axis + 2] = Math.max(box[axis + 2] as number, below[c + axis + 2] as number);
        }
      }
      above.set(box, n);
    }
    levels.push(above);
    below = above;
  }
  return { ids: sorted.map((e) => e.id), levels };
}

function search({ ids, levels }: Tree, where: Bounds, visit: (id: string) => void): void {
  const look = (level: number, from: number, to: number): void => {
    const boxes = levels[level] as Float64Array;
    for (let n = from; n < Math.min(to, boxes.length / 4); n += 1) {
      const at = n * 4;
      if ((boxes[at] as number) > where.maxX || (boxes[at + 1] as number) > where.maxY || (boxes[at + 2] as number) < where.minX || (boxes[at + 3] as number) < where.minY) continue;
      if (level === 0) visit(ids[n] as string);
      else look(level - 1, n * FANOUT, (n + 1) * FANOUT);
    }
  };
  look(levels.length - 1, 0, Infinity);
}

function same(a: Bounds | undefined, b: Bounds): boolean {
  return a !== undefined && a.minX === b.minX && a.minY === b.minY && a.maxX === b.maxX && a.maxY === b.maxY;
}
