/**
 * Draws scenes on four stacked canvases: image, masks, shapes, and what moves. Hides what is drawn when:
 *
 * - while the hand pans or zooms, nothing is drawn: the canvases, a quarter larger than the view, are moved as they are by
 *   one CSS matrix, and drawn once when the hand rests;
 * - when few regions changed, only the rectangles they covered and cover are drawn again;
 * - what is being drawn or moved has a canvas of its own; a region it stands in for leaves the others once.
 *
 * What it drew is counted, so that tests can say it did not draw too much. No network: bitmaps come from the caller.
 */
import { fit, type Camera, type View } from "./camera";
import { grown, joined, overlaps, type Bounds } from "./geometry";
import { MaskLayer, type Layered } from "./masklayer";
import { paintOverlay } from "./overlay";
import { itemOf, paintItems, traces, type Brush, type Item } from "./paint";
import { openPicture, type ImageSource, type Picture } from "./picture";
import { NOTHING_ACTIVE, type Drawn, type Scene } from "./scene";
import { SpatialIndex } from "./spatial";
import { MaskTiles } from "./tiles";

/** How long the hand must rest before everything is drawn sharp again, in milliseconds. */
export const SETTLE_MS = 120;
/** How much of the view's size is drawn beyond it on each side: small pans show no empty edge. */
const BEYOND = 0.125;
/** With more changed rectangles than this, or more of the view covered by them than half, all is drawn. */
const MOST_DIRTY = 12;
/** Collected before they are merged. */
const MOST_COLLECTED = 100;
const FRAMES_KEPT = 600;
const PREFETCHED = 4;

export interface Counters {
  /** Image, masks and shapes drawn whole. */
  fullRedraws: number;
  /** Shapes drawn in the rectangles of what changed. */
  dirtyRedraws: number;
  /** Only the image drawn: a tile or the next image came. */
  imageRedraws: number;
  /** Only the uppermost layer drawn. */
  overlayRedraws: number;
  /** Mask tiles coloured. */
  tilesPainted: number;
  /** Frames of a pan or zoom: one matrix, nothing drawn. */
  gestureFrames: number;
  /** JavaScript time of the last frames, in milliseconds. */
  jsMs: number[];
}

type Layer = "image" | "masks" | "shapes" | "top";
const LAYERS: readonly Layer[] = ["image", "masks", "shapes", "top"];

const EMPTY: Scene = {
  extent: { width: 1, height: 1 }, drawn: [], selected: new Set(), hover: null, active: NOTHING_ACTIVE, opacity: 0.35, bare: false,
};

export class Renderer {
  readonly counters: Counters = { fullRedraws: 0, dirtyRedraws: 0, imageRedraws: 0, overlayRedraws: 0, tilesPainted: 0, gestureFrames: 0, jsMs: [] };
  private readonly stage: HTMLDivElement;
  private readonly canvases: Readonly<Record<Layer, HTMLCanvasElement>>;
  private readonly masks = new MaskLayer(() => (this.counters.tilesPainted += 1));
  private readonly index = new SpatialIndex();
  private items = new Map<string, { readonly item: Item; readonly order: number; readonly drawn: Drawn }>();
  private scene: Scene = EMPTY;
  private picture: Picture | null = null;
  private readonly ahead = new Map<string, Promise<Picture>>();
  private opening = new AbortController();
  private wanted: Camera = { scale: 1, x: 0, y: 0 };
  /** The camera the canvases were drawn with. */
  private drawn: Camera = this.wanted;
  private looked = false;
  private size: View = { width: 0, height: 0 };
  private density = 1;
  private frame: number | null = null;
  private resting: ReturnType<typeof setTimeout> | null = null;
  private readonly due = { all: false, image: false, top: false, shapes: [] as Bounds[], tiles: new Set<number>() };
  private readonly watcher: ResizeObserver | null;
  private readonly forced: MediaQueryList | null;
  private readonly onForced = (): void => { this.redraw(); };

  /** `host`: an element with a size of its own; the canvases are put into it and are invisible to screen readers. */
  constructor(private readonly host: HTMLElement) {
    this.stage = document.createElement("div");
    this.stage.dataset["stage"] = "";
    this.stage.setAttribute("aria-hidden", "true");
    Object.assign(this.stage.style, { position: "absolute", transformOrigin: "0 0", willChange: "transform", pointerEvents: "none" });
    this.canvases = { image: this.addCanvas(), masks: this.addCanvas(), shapes: this.addCanvas(), top: this.addCanvas() };
    // Tests in a browser read them from the element.
    Object.assign(this.stage, { counters: this.counters });
    host.append(this.stage);
    const query = (what: string): MediaQueryList | null => (typeof matchMedia === "function" ? matchMedia(what) : null);
    this.forced = query("(forced-colors: active)");
    this.forced?.addEventListener("change", this.onForced);
    this.watcher = typeof ResizeObserver === "function" ? new ResizeObserver(() => { this.resize(); }) : null;
    this.watcher?.observe(host);
    this.resize();
  }

  /** Size of the view in CSS pixels. */
  get view(): View {
    return this.size;
  }

  get camera(): Camera {
    return this.wanted;
  }

  /** Moves the view. Setting it again and again is a gesture: the canvases are moved as they are until it rests. */
  set camera(camera: Camera) {
    const before = this.wanted;
    if (camera.scale === before.scale && camera.x === before.x && camera.y === before.y) return;
    this.wanted = camera;
    if (!this.looked) {
      this.looked = true;
      this.redraw();
      return;
    }
    if (this.resting !== null) clearTimeout(this.resting);
    this.resting = setTimeout(() => {
      this.resting = null;
      this.redraw();
    }, SETTLE_MS);
    this.request();
  }

  /** Draws sharp at once, without waiting for the hand to rest. */
  settle(): void {
    if (this.resting !== null) clearTimeout(this.resting);
    this.resting = null;
    this.redraw();
  }

  /** Shows a scene. What is the same object as in the scene before is not looked at. */
  show(scene: Scene): void {
    const before = this.scene;
    this.scene = scene;
    if (scene.bare !== before.bare) for (const layer of ["masks", "shapes", "top"] as const) this.canvases[layer].style.visibility = scene.bare ? "hidden" : "";
    const first = before === EMPTY || scene.extent.width !== before.extent.width || scene.extent.height !== before.extent.height;
    if (scene.opacity !== before.opacity || first) {
      this.canvases.masks.style.opacity = String(scene.opacity);
      this.due.all = true;
    }
    if (scene.drawn !== before.drawn || first) this.take(scene.drawn);
    const painting = scene.active.painted !== before.active.painted;
    if (scene.drawn !== before.drawn || painting || first || scene.active.shapes !== before.active.shapes) this.standIn(before, scene, scene.drawn !== before.drawn || painting || first);
    this.due.top = true;
    this.request();
  }

  /**
   * Shows another image as soon as it is decoded; the one before stays until then. Answers whether it is shown: false
   * where another was asked for meanwhile. Rejects where it cannot be decoded; then nothing is shown.
   */
  async open(source: ImageSource): Promise<boolean> {
    this.opening.abort();
    const opening = (this.opening = new AbortController());
    const decoded = this.ahead.get(source.key) ?? openPicture(source, opening.signal, this.onPicture);
    this.ahead.delete(source.key);
    let picture: Picture | null = null;
    try {
      picture = await decoded;
    } finally {
      if (opening.signal.aborted) picture?.dispose();
      else {
        this.picture?.dispose();
        this.picture = picture;
        this.due.image = true;
        this.request();
      }
    }
    return !opening.signal.aborted;
  }

  /** Decodes an image ahead, so that opening it takes no time; a few are kept. Never rejects. */
  async prefetch(source: ImageSource): Promise<void> {
    let picture = this.ahead.get(source.key);
    if (picture === undefined) {
      picture = openPicture(source, new AbortController().signal, this.onPicture);
      this.ahead.set(source.key, picture);
      for (const [key, old] of this.ahead) {
        if (this.ahead.size <= PREFETCHED) break;
        this.ahead.delete(key);
        old.then((each) => { each.dispose(); }, () => undefined);
      }
    }
    try {
      await picture;
    } catch {
      this.ahead.delete(source.key);
    }
  }

  /** The camera that shows the whole image. */
  fitted(): Camera {
    return fit(this.scene.extent, this.size);
  }

  /** Reads the size of the host and the density of the display again; called by itself when they change. */
  resize(): void {
    const [width, height, density] = [this.host.clientWidth, this.host.clientHeight, window.devicePixelRatio || 1];
    if (width === this.size.width && height === this.size.height && density === this.density) return;
    this.size = { width, height };
    this.density = density;
    const [left, top] = this.beyond();
    Object.assign(this.stage.style, { left: `${String(-left)}px`, top: `${String(-top)}px`, width: `${String(width + 2 * left)}px`, height: `${String(height + 2 * top)}px` });
    for (const layer of LAYERS) {
      this.canvases[layer].width = Math.round((width + 2 * left) * density);
      this.canvases[layer].height = Math.round((height + 2 * top) * density);
    }
    // At once: a canvas whose size was set is empty, and the next frame would show that.
    this.due.all = true;
    if (this.looked) this.paint();
  }

  dispose(): void {
    if (this.frame !== null) cancelAnimationFrame(this.frame);
    if (this.resting !== null) clearTimeout(this.resting);
    this.opening.abort();
    this.picture?.dispose();
    for (const picture of this.ahead.values()) picture.then((each) => { each.dispose(); }, () => undefined);
    this.watcher?.disconnect();
    this.forced?.removeEventListener("change", this.onForced);
    this.stage.remove();
  }

  private readonly onPicture = (): void => {
    this.due.image = true;
    this.request();
  };

  private addCanvas(): HTMLCanvasElement {
    const canvas = document.createElement("canvas");
    Object.assign(canvas.style, { position: "absolute", inset: "0", width: "100%", height: "100%" });
    this.stage.append(canvas);
    return canvas;
  }

  private redraw(): void {
    this.due.all = true;
    this.request();
  }

  private request(): void {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.paint();
    });
  }

  /** Makes items of what is new and marks where something changed. */
  private take(drawn: readonly Drawn[]): void {
    const items: typeof this.items = new Map();
    let [last, sorted] = [-1, true];
    drawn.forEach((each, order) => {
      const { id } = each.region;
      const old = this.items.get(id);
      if (old !== undefined) {
        if (old.order < last) sorted = false;
        last = old.order;
      }
      if (old !== undefined && alike(old.drawn, each)) {
        items.set(id, { item: old.item, order, drawn: each });
        return;
      }
      const item = itemOf({
        id, shape: each.region.shape, thin: each.locked, tag: each.tag ?? "", edges: each.edges,
        look: { colour: each.colour, dashed: each.suggested, hatch: each.hatch ?? "none" },
      });
      items.set(id, { item, order, drawn: each });
      this.index.set(id, item.at);
      this.dirty(old?.item);
      this.dirty(item);
    });
    for (const [id, old] of this.items) {
      if (items.has(id)) continue;
      this.index.set(id, null);
      this.dirty(old.item);
    }
    if (!sorted) this.due.all = true;
    this.items = items;
  }

  /** What another shape or a painted mask stands in for is not drawn on the lower layers. */
  private standIn(before: Scene, now: Scene, masksToo: boolean): void {
    const [old, hidden] = [standing(before), standing(now)];
    const changed = [...old, ...hidden].filter((id) => old.has(id) !== hidden.has(id));
    for (const id of changed) this.dirty(this.items.get(id)?.item);
    if (!masksToo && changed.length === 0) return;
    for (const n of this.masks.update(layered(now, hidden), now.extent)) this.due.tiles.add(n);
  }

  private dirty(item: Item | undefined): void {
    const at = item === undefined ? null : traces(item, this.drawn.scale);
    if (at === null || this.due.all) return;
    if (this.due.shapes.push(at) > MOST_COLLECTED) this.due.all = true;
  }

  private paint(): void {
    const started = performance.now();
    const { due } = this;
    if ((window.devicePixelRatio || 1) !== this.density) this.resize();
    if (this.size.width > 0 && this.size.height > 0) {
      const dirty = due.all ? null : merged(due.shapes);
      const visible = dirty === null ? null : this.inSight(dirty);
      if (due.all || visible === null) this.paintAll();
      else {
        if (due.image) this.paintImage();
        if (due.tiles.size > 0) this.paintTiles();
        if (visible.length > 0) this.paintShapes(visible);
        if (due.top) this.paintTop();
      }
      if (this.drawn !== this.wanted) this.counters.gestureFrames += 1;
      this.place();
    }
    Object.assign(due, { all: false, image: false, top: false, shapes: [] });
    due.tiles.clear();
    this.counters.jsMs.push(performance.now() - started);
    if (this.counters.jsMs.length > FRAMES_KEPT) this.counters.jsMs.shift();
  }

  /** Moves the canvases from where they were drawn to where they should be. */
  private place(): void {
    if (this.drawn === this.wanted) {
      this.stage.style.transform = "";
      return;
    }
    const [left, top] = this.beyond();
    const k = this.wanted.scale / this.drawn.scale;
    const [x, y] = [this.wanted.x + left - (this.drawn.x + left) * k, this.wanted.y + top - (this.drawn.y + top) * k];
    this.stage.style.transform = `matrix(${String(k)}, 0, 0, ${String(k)}, ${String(x)}, ${String(y)})`;
  }

  private paintAll(): void {
    // A hand that still moves is not interrupted by what changes meanwhile, unless everything has to be drawn.
    if (this.resting === null) this.drawn = this.wanted;
    this.counters.fullRedraws += 1;
    this.drawImage();
    const [masks, shapes] = [this.cleared("masks"), this.cleared("shapes")];
    this.masks.draw(masks.context, masks.at, this.part(), null);
    paintItems(shapes, this.itemsIn(this.part()));
    this.drawTop();
  }

  private paintImage(): void {
    this.counters.imageRedraws += 1;
    this.drawImage();
  }

  private paintTiles(): void {
    const { context, at } = this.brush("masks");
    this.masks.draw(context, at, this.part(), this.due.tiles);
  }

  private paintShapes(dirty: readonly Bounds[]): void {
    this.counters.dirtyRedraws += 1;
    const brush = this.brush("shapes");
    const { context, at } = brush;
    context.save();
    context.beginPath();
    for (const { minX, minY, maxX, maxY } of dirty) {
      // Whole device pixels, so that no edge is drawn twice half transparent.
      const [left, top] = [Math.floor(minX * at.scale + at.x) - 1, Math.floor(minY * at.scale + at.y) - 1];
      const [right, bottom] = [Math.ceil(maxX * at.scale + at.x) + 1, Math.ceil(maxY * at.scale + at.y) + 1];
      context.clearRect(left, top, right - left, bottom - top);
      context.rect(left, top, right - left, bottom - top);
    }
    context.clip();
    // An item is drawn as far as its stroke and its tag reach.
    const around = dirty.reduce(joined);
    paintItems(brush, this.itemsIn(around).filter((item) => dirty.some((each) => overlaps(each, traces(item, this.drawn.scale) ?? each))));
    context.restore();
  }

  private paintTop(): void {
    this.counters.overlayRedraws += 1;
    this.drawTop();
  }

  private drawImage(): void {
    const { context, at } = this.cleared("image");
    this.picture?.draw(context, at, this.canvases.image);
  }

  private drawTop(): void {
    const { scene } = this;
    const hidden = standing(scene);
    const item = (id: string): Item[] => {
      const found = this.items.get(id);
      return found === undefined || found.drawn.hidden || hidden.has(id) ? [] : [found.item];
    };
    paintOverlay(this.brush("top"), this.canvases.top, {
      selected: [...scene.selected].flatMap(item),
      hover: scene.hover === null || scene.selected.has(scene.hover) ? null : (item(scene.hover)[0] ?? null),
      active: scene.active,
      edges: (id) => this.items.get(id)?.item.edges ?? [],
    });
  }

  /** Items that leave traces in a part of the image, bottom to top. */
  private itemsIn(part: Bounds): Item[] {
    const hidden = standing(this.scene);
    const reach = traces({ id: "", shape: { kind: "polyline", points: [] }, look: { colour: "", dashed: false, hatch: "none" }, thin: false, tag: "x", edges: [], at: { minX: 0, minY: 0, maxX: 0, maxY: 0 } }, this.drawn.scale) as Bounds;
    const found = this.index.within(grown(part, Math.max(reach.maxX, -reach.minY))).flatMap((id) => {
      const entry = this.items.get(id);
      return entry === undefined || entry.drawn.hidden || hidden.has(id) ? [] : [entry];
    });
    return found.sort((a, b) => a.order - b.order).map(({ item }) => item);
  }

  /** Rectangles that can be seen; null where they are so much that all should be drawn. */
  private inSight(dirty: readonly Bounds[]): readonly Bounds[] | null {
    const part = this.part();
    const found = dirty.filter((each) => overlaps(each, part));
    const size = ({ minX, minY, maxX, maxY }: Bounds): number => (Math.min(maxX, part.maxX) - Math.max(minX, part.minX)) * (Math.min(maxY, part.maxY) - Math.max(minY, part.minY));
    const covered = found.reduce((sum, each) => sum + size(each), 0);
    return found.length > MOST_DIRTY || covered > size(part) / 2 ? null : found;
  }

  private cleared(layer: Layer): Brush {
    const brush = this.brush(layer);
    brush.context.clearRect(0, 0, this.canvases[layer].width, this.canvases[layer].height);
    return brush;
  }

  private brush(layer: Layer): Brush {
    const context = this.canvases[layer].getContext("2d");
    if (context === null) throw new Error("This browser gives no canvas to draw on.");
    const [left, top] = this.beyond();
    const { density, drawn } = this;
    return { context, density, at: { scale: drawn.scale * density, x: (drawn.x + left) * density, y: (drawn.y + top) * density }, opacity: this.forced?.matches === true ? 0 : this.scene.opacity };
  }

  /** The part of the image on the canvases, in image pixels. */
  private part(): Bounds {
    const [left, top] = this.beyond();
    const { scale, x, y } = this.drawn;
    return { minX: (-left - x) / scale, minY: (-top - y) / scale, maxX: (this.size.width + left - x) / scale, maxY: (this.size.height + top - y) / scale };
  }

  /** What is drawn beyond the view, left and right, above and below, in CSS pixels. */
  private beyond(): readonly [number, number] {
    return [Math.ceil(this.size.width * BEYOND), Math.ceil(this.size.height * BEYOND)];
  }
}

function alike(a: Drawn, b: Drawn): boolean {
  return a.region.shape === b.region.shape && a.colour === b.colour && a.suggested === b.suggested && a.hidden === b.hidden && a.locked === b.locked && a.tag === b.tag && a.hatch === b.hatch;
}

/** Ids of regions that something active stands in for. */
function standing({ active }: Scene): ReadonlySet<string> {
  const ids = active.shapes.flatMap(({ id }) => id ?? []);
  if (active.painted?.id) ids.push(active.painted.id);
  return new Set(ids);
}

/** The masks of a scene, bottom to top; one that is being painted in the place of its region, or above all. */
function layered({ drawn, active: { painted = null } }: Scene, hidden: ReadonlySet<string>): Layered[] {
  let placed = painted === null;
  const masks = drawn.flatMap(({ region: { id, shape }, colour, hidden: unseen, hatch = "none" }): Layered[] => {
    if (painted?.id === id) {
      placed = true;
      return [{ id, tiles: painted.tiles, colour: painted.colour, hatch }];
    }
    return shape.kind === "mask" && !unseen && !hidden.has(id) ? [{ id, tiles: MaskTiles.fromMask(shape), colour, hatch }] : [];
  });
  return placed || painted === null ? masks : [...masks, { id: painted.id ?? "", tiles: painted.tiles, colour: painted.colour, hatch: "none" }];
}

/** Rectangles that share a point are drawn as one. */
function merged(rectangles: readonly Bounds[]): Bounds[] {
  const found: Bounds[] = [];
  for (const each of rectangles) {
    let whole = each;
    for (let n = found.findIndex((other) => overlaps(other, whole)); n >= 0; n = found.findIndex((other) => overlaps(other, whole))) {
      whole = joined(whole, found[n] as Bounds);
      found.splice(n, 1);
    }
    found.push(whole);
  }
  return found;
}
