/** What `benchmarks/editor.py` drives: the engine and a naive canvas on the same synthetic image and polygons. */
import { panBy, zoomAt, type Camera } from "../src/editor/image/camera";
import { moveVertex, ringsOf } from "../src/editor/image/geometry";
import { Renderer } from "../src/editor/image/renderer";
import { NOTHING_ACTIVE, type Drawn, type Scene } from "../src/editor/image/scene";
import { MaskTiles } from "../src/editor/image/tiles";
import type { Point, Polygon, Shape } from "../src/editor/types";
import { LABEL_COLOURS } from "../src/palette";

const EXTENT = { width: 4000, height: 3000 };

/** Numbers in [0, 1) that are the same in every run (Park and Miller, 1988). */
function numbers(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 48271) % 2147483647) / 2147483647;
}

function polygons(count: number): Drawn[] {
  const random = numbers(7);
  return Array.from({ length: count }, (_, n): Drawn => {
    const [cx, cy, radius, corners] = [60 + random() * 3880, 60 + random() * 2880, 15 + random() * 40, 12 + Math.floor(random() * 17)];
    const ring = Array.from({ length: corners }, (__, i): Point => {
      const [turn, far] = [(i / corners) * 2 * Math.PI, radius * (0.7 + random() * 0.3)];
      return [cx + far * Math.cos(turn), cy + far * Math.sin(turn)];
    });
    const shape: Shape = { kind: "polygon", parts: [[ring]] };
    return {
      region: { id: `r${String(n)}`, label: "x", shape }, colour: LABEL_COLOURS[n % 10] as string, suggested: n % 3 === 0, hidden: false, locked: false, edges: [],
    };
  });
}

async function photo(): Promise<ImageBitmap> {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [EXTENT.width, EXTENT.height];
  const context = canvas.getContext("2d") as CanvasRenderingContext2D;
  const sky = context.createLinearGradient(0, 0, EXTENT.width, EXTENT.height);
  sky.addColorStop(0, "#446688");
  sky.addColorStop(1, "#997755");
  context.fillStyle = sky;
  context.fillRect(0, 0, EXTENT.width, EXTENT.height);
  const random = numbers(3);
  for (let i = 0; i < 4000; i += 1) {
    context.fillStyle = `hsl(${String(random() * 360)} 30% ${String(30 + random() * 40)}%)`;
    context.fillRect(random() * EXTENT.width, random() * EXTENT.height, 60 * random(), 60 * random());
  }
  return createImageBitmap(canvas);
}

interface Engine {
  camera: Camera;
  show(scene: Scene): void;
  /** JavaScript time of the frames, in milliseconds. */
  readonly jsMs: number[];
}

/** The baseline: everything is drawn again in every frame, culled by nothing, one path per polygon. */
class Naive implements Engine {
  readonly jsMs: number[] = [];
  private readonly canvas = document.createElement("canvas");
  private scene: Scene | null = null;
  private at: Camera = { scale: 1, x: 0, y: 0 };
  private due = false;

  constructor(host: HTMLElement, private readonly bitmap: ImageBitmap) {
    [this.canvas.width, this.canvas.height] = [host.clientWidth, host.clientHeight];
    host.append(this.canvas);
  }

  get camera(): Camera {
    return this.at;
  }

  set camera(camera: Camera) {
    this.at = camera;
    this.request();
  }

  show(scene: Scene): void {
    this.scene = scene;
    this.request();
  }

  private request(): void {
    if (this.due) return;
    this.due = true;
    requestAnimationFrame(() => {
      this.due = false;
      const started = performance.now();
      this.paint();
      this.jsMs.push(performance.now() - started);
    });
  }

  private paint(): void {
    const context = this.canvas.getContext("2d") as CanvasRenderingContext2D;
    const { scale, x, y } = this.at;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    context.setTransform(scale, 0, 0, scale, x, y);
    context.drawImage(this.bitmap, 0, 0);
    const { scene } = this;
    if (scene === null) return;
    const moved = new Map(scene.active.shapes.map((each) => [each.id, each.shape]));
    for (const { region, colour, suggested } of scene.drawn) {
      context.beginPath();
      for (const ring of ringsOf(moved.get(region.id) ?? region.shape)) {
        ring.forEach((p, i) => { if (i === 0) context.moveTo(...p); else context.lineTo(...p); });
        context.closePath();
      }
      context.globalAlpha = scene.opacity;
      context.fillStyle = colour;
      context.fill();
      context.globalAlpha = 1;
      context.setLineDash([]);
      context.strokeStyle = "rgba(0,0,0,0.65)";
      context.lineWidth = 4 / scale;
      context.stroke();
      context.setLineDash(suggested ? [6 / scale, 4 / scale] : []);
      context.strokeStyle = colour;
      context.lineWidth = 2 / scale;
      context.stroke();
    }
    const painted = scene.active.painted;
    if (painted !== undefined && painted !== null) this.paintMask(context, painted.tiles, painted.colour);
  }

  /** The whole mask as one picture, coloured pixel by pixel. */
  private paintMask(context: CanvasRenderingContext2D, tiles: MaskTiles, colour: string): void {
    const picture = document.createElement("canvas");
    [picture.width, picture.height] = [EXTENT.width, EXTENT.height];
    const inner = picture.getContext("2d") as CanvasRenderingContext2D;
    const image = inner.createImageData(EXTENT.width, EXTENT.height);
    const words = new Uint32Array(image.data.buffer);
    const rgb = Number.parseInt(colour.slice(1), 16);
    const word = ((255 << 24) | ((rgb & 255) << 16) | (rgb & 0xff00) | (rgb >> 16)) >>> 0;
    for (let y = 0; y < EXTENT.height; y += 1) for (let x = 0; x < EXTENT.width; x += 1) if (tiles.has(x, y)) words[y * EXTENT.width + x] = word;
    inner.putImageData(image, 0, 0);
    context.globalAlpha = 0.35;
    context.drawImage(picture, 0, 0);
    context.globalAlpha = 1;
  }
}

class Ours implements Engine {
  readonly renderer: Renderer;

  constructor(host: HTMLElement) {
    this.renderer = new Renderer(host);
  }

  get jsMs(): number[] {
    return this.renderer.counters.jsMs;
  }

  get camera(): Camera {
    return this.renderer.camera;
  }

  set camera(camera: Camera) {
    this.renderer.camera = camera;
  }

  show(scene: Scene): void {
    this.renderer.show(scene);
  }
}

interface Result {
  readonly frames: number;
  readonly js: readonly number[];
  /** From one frame to the next, in milliseconds. */
  readonly between: readonly number[];
  readonly counters: Record<string, number>;
}

const nextFrame = (): Promise<number> => new Promise((done) => requestAnimationFrame(done));
const rest = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

let scene: Scene = { extent: EXTENT, drawn: [], selected: new Set(), hover: null, active: NOTHING_ACTIVE, opacity: 0.35, bare: false };
let engine: Engine | null = null;

/** Puts an engine on the page: "ours" or "naive", with so many polygons. */
export async function start(kind: string, count: number): Promise<void> {
  const host = document.createElement("div");
  Object.assign(host.style, { position: "fixed", inset: "0", overflow: "hidden", background: "#24272E" });
  document.body.replaceChildren(host);
  scene = { ...scene, drawn: polygons(count), active: NOTHING_ACTIVE };
  const bitmap = await photo();
  if (kind === "ours") {
    const ours = new Ours(host);
    await ours.renderer.open({ key: "photo", extent: EXTENT, levels: 0, load: () => Promise.resolve(bitmap) });
    engine = ours;
  } else engine = new Naive(host, bitmap);
  engine.show(scene);
  const scale = Math.min(host.clientWidth / EXTENT.width, host.clientHeight / EXTENT.height);
  engine.camera = { scale, x: 0, y: 0 };
  await rest(600);
}

async function measured(frames: number, each: (n: number, engine: Engine) => void): Promise<Result> {
  const now = engine as Engine;
  const counters = (): Record<string, number> => (now instanceof Ours ? Object.fromEntries(Object.entries(now.renderer.counters).filter(([, value]) => typeof value === "number")) as Record<string, number> : {});
  await rest(300);
  const before = counters();
  now.jsMs.length = 0;
  const between: number[] = [];
  let last = await nextFrame();
  for (let n = 0; n < frames; n += 1) {
    each(n, now);
    const at = await nextFrame();
    between.push(at - last);
    last = at;
  }
  const after = counters();
  const js = [...now.jsMs];
  await rest(400);
  return { frames, js, between, counters: Object.fromEntries(Object.entries(after).map(([name, value]) => [name, value - (before[name] ?? 0)])) };
}

export function pan(frames: number): Promise<Result> {
  return measured(frames, (n, on) => {
    on.camera = panBy(on.camera, n % 20 < 10 ? 6 : -6, n % 20 < 10 ? 3 : -3, EXTENT, { width: innerWidth, height: innerHeight });
  });
}

export function zoom(frames: number): Promise<Result> {
  return measured(frames, (n, on) => {
    on.camera = zoomAt(on.camera, [innerWidth / 2, innerHeight / 2], n < frames / 2 ? 1.04 : 1 / 1.04, EXTENT, { width: innerWidth, height: innerHeight });
  });
}

/** One vertex of one polygon is dragged; the drag begins in the first frame. */
export function drag(frames: number): Promise<Result> {
  const { region, colour } = scene.drawn[Math.floor(scene.drawn.length / 2)] as Drawn;
  const from = ringsOf(region.shape)[0]?.[0] as Point;
  return measured(frames, (n, on) => {
    const shape = moveVertex(region.shape as Polygon, { kind: "vertex", part: 0, ring: 0, index: 0 }, [from[0] + n, from[1] + n / 2]);
    on.show({ ...scene, active: { ...NOTHING_ACTIVE, shapes: [{ id: region.id, shape, colour, closed: true }] } });
  });
}

/** A polygon more in every frame. */
export function add(frames: number): Promise<Result> {
  const more = polygons(scene.drawn.length + frames).slice(-frames);
  return measured(frames, (n, on) => {
    const one = more[n] as Drawn;
    scene = { ...scene, drawn: [...scene.drawn, { ...one, region: { ...one.region, id: `added${String(n)}` } }] };
    on.show(scene);
  });
}

/** A stroke of a brush of 60 image pixels, 20 pixels a frame. */
export function brush(frames: number): Promise<Result> {
  let tiles = MaskTiles.empty(EXTENT);
  let last: Point = [500, 600];
  return measured(frames, (n, on) => {
    const to: Point = [last[0] + 20, last[1] + 12 * Math.sin(n / 5)];
    tiles = tiles.paint({ from: last, to, radius: 60, erase: false }).tiles;
    last = to;
    on.show({ ...scene, active: { ...NOTHING_ACTIVE, painted: { id: null, tiles, colour: "#E69F00" }, brush: { at: to, radius: 60, erase: false } } });
  });
}
