/**
 * Where the image is on the screen. Screen coordinates are CSS pixels from the top-left corner of the stage; the density
 * of the display is the renderer's business alone.
 */
import type { Point } from "../types";
import type { Bounds } from "./geometry";
import type { Extent } from "./scene";

/** `screen = image * scale + (x, y)`; `scale` is CSS pixels per image pixel. */
export interface Camera {
  readonly scale: number;
  readonly x: number;
  readonly y: number;
}

/** Size of the stage in CSS pixels. */
export type View = Extent;

/** Largest scale: one image pixel is 64 CSS pixels wide. */
export const MOST_SCALE = 64;
/** Pixels of the image that stay in sight at least, in CSS pixels. */
const KEEP = 48;

export function toScreen(camera: Camera, [x, y]: Point): Point {
  return [x * camera.scale + camera.x, y * camera.scale + camera.y];
}

export function toImage(camera: Camera, [x, y]: Point): Point {
  return [(x - camera.x) / camera.scale, (y - camera.y) / camera.scale];
}

/** The whole image, centred, `margin` CSS pixels from the borders; small images are not shown larger than `most`. */
export function fit(extent: Extent, view: View, margin = 16, most = 8): Camera {
  return fitBounds({ minX: 0, minY: 0, maxX: extent.width, maxY: extent.height }, view, margin, most);
}

/** A part of the image, centred; for zooming to a selection. */
export function fitBounds(at: Bounds, view: View, margin = 48, most = 8): Camera {
  const [width, height] = [Math.max(at.maxX - at.minX, 1e-6), Math.max(at.maxY - at.minY, 1e-6)];
  const scale = Math.min(most, Math.max(view.width - 2 * margin, 1) / width, Math.max(view.height - 2 * margin, 1) / height);
  return { scale, x: view.width / 2 - (at.minX + width / 2) * scale, y: view.height / 2 - (at.minY + height / 2) * scale };
}

/** Larger by `factor`; what is at the screen point `at` stays there. */
export function zoomAt(camera: Camera, at: Point, factor: number, extent: Extent, view: View): Camera {
  const least = leastScale(extent, view);
  const scale = Math.min(Math.max(camera.scale * factor, least), Math.max(MOST_SCALE, least));
  const [x, y] = toImage(camera, at);
  return clamp({ scale, x: at[0] - x * scale, y: at[1] - y * scale }, extent, view);
}

/** Moved by CSS pixels. */
export function panBy(camera: Camera, dx: number, dy: number, extent: Extent, view: View): Camera {
  return clamp({ ...camera, x: camera.x + dx, y: camera.y + dy }, extent, view);
}

/** A camera from which some of the image is in sight, not smaller than half of fitting. */
export function clamp(camera: Camera, extent: Extent, view: View): Camera {
  const scale = Math.max(camera.scale, leastScale(extent, view));
  const side = (at: number, image: number, stage: number): number => {
    const keep = Math.min(KEEP, image, stage);
    return Math.min(Math.max(at, keep - image), stage - keep);
  };
  return { scale, x: side(camera.x, extent.width * scale, view.width), y: side(camera.y, extent.height * scale, view.height) };
}

/** The part of the image that a rectangle of the screen shows, in image pixels. */
export function seen(camera: Camera, screen: Bounds): Bounds {
  const [minX, minY] = toImage(camera, [screen.minX, screen.minY]);
  const [maxX, maxY] = toImage(camera, [screen.maxX, screen.maxY]);
  return { minX, minY, maxX, maxY };
}

function leastScale(extent: Extent, view: View): number {
  return Math.min(fit(extent, view, 0, 1).scale / 2, 1);
}
