/** Whose answers lie over the images, and where an image is had from. */
export const SHOWN = ["both", "model", "people", "none"] as const;
export type Shown = (typeof SHOWN)[number];

export function shows(shown: Shown, whose: "model" | "people"): boolean {
  return shown === "both" || shown === whose;
}

export function imageUrl(project: number, asset: number, version: "thumbnail" | "preview"): string {
  return `/api/projects/${String(project)}/assets/${String(asset)}/image/${version}`;
}
