/** Which assets are chosen, as people expect it of lists: click, shift for a stretch, ctrl for one more. Pure. */

/**
 * `at`: where the keyboard is. `from`: where a stretch begins. Both are places in the list; what is chosen are ids, so that
 * more rows may be loaded, and assets may be chosen that are not.
 */
export interface Selection {
  readonly ids: ReadonlySet<number>;
  readonly at: number;
  readonly from: number;
}

export const NOTHING: Selection = { ids: new Set(), at: 0, from: 0 };

export type Step =
  | { readonly kind: "only"; readonly place: number }
  | { readonly kind: "toggle"; readonly place: number }
  /** A stretch from the last place that was chosen; `more` keeps what was chosen before. */
  | { readonly kind: "stretch"; readonly place: number; readonly more?: boolean }
  /** The keyboard moves, and nothing is chosen. */
  | { readonly kind: "move"; readonly place: number }
  | { readonly kind: "these"; readonly ids: readonly number[] }
  | { readonly kind: "none" };

/** `list`: the ids that are loaded, in order. */
export function choose(now: Selection, step: Step, list: readonly number[]): Selection {
  switch (step.kind) {
    case "only": {
      const id = list[step.place];
      return id === undefined ? now : { ids: new Set([id]), at: step.place, from: step.place };
    }
    case "toggle": {
      const id = list[step.place];
      if (id === undefined) return now;
      const ids = new Set(now.ids);
      if (!ids.delete(id)) ids.add(id);
      return { ids, at: step.place, from: step.place };
    }
    case "stretch": {
      if (list[step.place] === undefined) return now;
      const [a, b] = [Math.min(now.from, step.place), Math.max(now.from, step.place)];
      return { ids: new Set([...(step.more === true ? now.ids : []), ...list.slice(a, b + 1)]), at: step.place, from: now.from };
    }
    case "move": {
      const at = Math.max(0, Math.min(list.length - 1, step.place));
      return { ...now, at, from: at };
    }
    case "these":
      return { ...now, ids: new Set(step.ids) };
    case "none":
      return { ...now, ids: new Set() };
  }
}

/** The step that a click means. */
export function clicked(event: { shiftKey: boolean; ctrlKey: boolean; metaKey: boolean }, place: number): Step {
  const more = event.ctrlKey || event.metaKey;
  if (event.shiftKey) return { kind: "stretch", place, more };
  return more ? { kind: "toggle", place } : { kind: "only", place };
}
