/** Where the pixels of an asset come from, and the one renderer that stays while asset follows asset. */
import { apiError } from "../../../api/client";
import type { ImageSource } from "../../../editor/image/picture";
import { Renderer } from "../../../editor/image/renderer";
import type { Turn } from "../queue";

/** The image of an asset: whole, or the tiles of a large one. */
export function sourceOf(project: number, { asset }: Turn): ImageSource {
  const address = `/api/projects/${String(project)}/assets/${String(asset.id)}/image`;
  const { width, height, levels } = asset.image ?? { width: 1, height: 1, levels: 0 };
  return {
    key: address,
    extent: { width, height },
    levels: levels ?? 0,
    load: (tile, signal) => decode(tile === null ? address : `${address}/tiles/${String(tile.level)}/${String(tile.x)}/${String(tile.y)}`, signal),
  };
}

async function decode(address: string, signal: AbortSignal): Promise<ImageBitmap> {
  const response = await fetch(address, { signal });
  if (!response.ok) throw apiError(response.status, await response.json().catch(() => undefined));
  return createImageBitmap(await response.blob());
}

/** Between two assets the stage is taken down and set up again; longer than this without one, nobody labels images any more. */
const KEEP_MS = 5_000;
let kept: Stage | null = null;

/** The renderer in an element of its own, which moves from stage to stage: the image before stays until the next is decoded. */
class Stage {
  readonly element = document.createElement("div");
  readonly renderer: Renderer;
  private ending: ReturnType<typeof setTimeout> | null = null;

  constructor() {
    this.element.className = "lw-canvas-layers";
    this.renderer = new Renderer(this.element);
  }

  enter(host: HTMLElement): void {
    if (this.ending !== null) clearTimeout(this.ending);
    this.ending = null;
    host.append(this.element);
    this.renderer.resize();
  }

  leave(): void {
    this.ending ??= setTimeout(() => {
      this.renderer.dispose();
      this.element.remove();
      if (kept === this) kept = null;
    }, KEEP_MS);
  }
}

export type { Stage };

export function borrow(): Stage {
  kept ??= new Stage();
  return kept;
}

/** Decode what comes next, so that it is shown at once. */
export function prefetch(project: number, turns: readonly Turn[]): void {
  for (const turn of turns) void borrow().renderer.prefetch(sourceOf(project, turn));
}
