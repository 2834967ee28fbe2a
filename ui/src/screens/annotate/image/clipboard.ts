/** Objects copied on one image, to be pasted on it or on another one of the same project; gone with the tab. */
import type { Copied } from "../../../editor/image/state";

const nameOf = (project: number): string => `lw.copied.${String(project)}`;
/** Where the browser keeps nothing (full, or forbidden): until the page is left. */
const here = new Map<number, readonly Copied[]>();

export function copy(project: number, regions: readonly Copied[]): void {
  here.set(project, regions);
  try {
    sessionStorage.setItem(nameOf(project), JSON.stringify(regions));
  } catch {
    sessionStorage.removeItem(nameOf(project));
  }
}

export function copied(project: number): readonly Copied[] {
  const mine = here.get(project);
  if (mine !== undefined) return mine;
  try {
    const found: unknown = JSON.parse(sessionStorage.getItem(nameOf(project)) ?? "[]");
    return Array.isArray(found) ? (found as Copied[]) : [];
  } catch {
    return [];
  }
}
