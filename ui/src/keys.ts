/**
 * Every key of the app in one registry: the help overlay, the labels on buttons and the handlers all read it.
 * Single keys work only inside the region of their scope, can be changed, and can be turned off.
 */
export type Scope = "global" | "item" | "form" | "text" | "image" | "decide" | "table";

export interface Binding {
  readonly id: string;
  readonly scope: Scope;
  /** Such as `Enter`, `shift+N`, `mod+Z` (ctrl, or cmd on a Mac), `1`. */
  readonly key: string;
  readonly title: string;
  /** Further keys for the same. */
  readonly also?: readonly string[];
  /** Holding the key does not repeat it. */
  readonly once?: boolean;
}

export const BINDINGS: readonly Binding[] = [
  { id: "help", scope: "global", key: "?", title: "Show all keys" },
  { id: "palette", scope: "global", key: "mod+K", title: "Command palette" },
  { id: "submit", scope: "item", key: "Enter", also: ["mod+Enter"], title: "Submit and go on", once: true },
  { id: "skip", scope: "item", key: "I", title: "Skip", once: true },
  { id: "take-back", scope: "item", key: "U", title: "Take back the last submission", once: true },
  { id: "next", scope: "item", key: "J", title: "Next without submitting" },
  { id: "previous", scope: "item", key: "K", title: "Previous without submitting" },
  { id: "undo", scope: "item", key: "mod+Z", title: "Undo" },
  { id: "redo", scope: "item", key: "mod+shift+Z", also: ["mod+Y"], title: "Redo" },
  { id: "save", scope: "item", key: "mod+S", title: "Save the draft now", once: true },
  { id: "search-label", scope: "item", key: "L", title: "Search a label" },
  { id: "confirm", scope: "item", key: "Y", title: "Confirm the suggestion, or all of the question" },
  { id: "reject", scope: "item", key: "X", title: "Reject the suggestion" },
  { id: "delete", scope: "item", key: "Delete", also: ["Backspace"], title: "Delete the picked span or object; while drawing, the last point" },
  { id: "walk", scope: "item", key: "N", title: "Next span or object, least confident first" },
  { id: "walk-back", scope: "item", key: "shift+N", title: "Previous span or object" },
  { id: "cancel", scope: "item", key: "Escape", title: "Cancel the innermost: drawing, selection, tool" },
  { id: "guide", scope: "item", key: "G", title: "Show the guideline" },
  { id: "next-question", scope: "form", key: "ArrowDown", title: "Next question" },
  { id: "previous-question", scope: "form", key: "ArrowUp", title: "Previous question" },
  { id: "left", scope: "text", key: "ArrowLeft", title: "Caret to the previous word" },
  { id: "right", scope: "text", key: "ArrowRight", title: "Caret to the next word" },
  { id: "extend-left", scope: "text", key: "shift+ArrowLeft", title: "Select to the left" },
  { id: "extend-right", scope: "text", key: "shift+ArrowRight", title: "Select to the right" },
  { id: "shrink-char", scope: "text", key: "alt+shift+ArrowLeft", title: "Shorten the selection by a character" },
  { id: "extend-char", scope: "text", key: "alt+shift+ArrowRight", title: "Extend the selection by a character" },
  { id: "first", scope: "text", key: "Home", title: "Caret to the first word" },
  { id: "last", scope: "text", key: "End", title: "Caret to the last word" },
  { id: "pick", scope: "text", key: "Space", title: "Pick the span under the caret; again for the next one there" },
  { id: "again", scope: "text", key: ".", title: "Repeat the last label" },
  { id: "borders", scope: "text", key: "B", title: "Move the borders of the picked span" },
  { id: "relate", scope: "text", key: "R", title: "Draw a relation from the picked span; N chooses the other end, a digit the type" },
  { id: "link", scope: "text", key: "E", title: "Link the picked span to an entity", once: true },
  { id: "everywhere", scope: "text", key: "S", title: "Label all identical strings" },
  { id: "tool-select", scope: "image", key: "V", title: "Select and move; while placing key points: visible, hidden, absent" },
  { id: "tool-box", scope: "image", key: "B", title: "Box: two clicks, or a drag" },
  { id: "tool-rotated_box", scope: "image", key: "O", title: "Turned box: one side, then how far the other is" },
  { id: "tool-polygon", scope: "image", key: "P", title: "Polygon: click its points; Enter, a double click or the first point closes it" },
  { id: "tool-polyline", scope: "image", key: "shift+P", title: "Line: click its points, Enter ends it" },
  { id: "tool-points", scope: "image", key: "D", title: "Key points, one click each" },
  { id: "tool-mask", scope: "image", key: "R", title: "Brush; with shift a straight stroke" },
  { id: "tool-eraser", scope: "image", key: "E", title: "Eraser" },
  { id: "cutting", scope: "image", key: "C", title: "Cut out what is drawn next: a hole in the selected polygon, a strike of the eraser (or hold alt)" },
  { id: "brush-smaller", scope: "image", key: "[", also: [","], title: "Smaller brush (or shift + wheel)" },
  { id: "brush-larger", scope: "image", key: "]", also: ["."], title: "Larger brush" },
  { id: "nudge-left", scope: "image", key: "ArrowLeft", also: ["shift+ArrowLeft"], title: "Move the selection or the crosshair by 1 px, with shift by 10" },
  { id: "nudge-right", scope: "image", key: "ArrowRight", also: ["shift+ArrowRight"], title: "The same to the right" },
  { id: "nudge-up", scope: "image", key: "ArrowUp", also: ["shift+ArrowUp"], title: "The same upwards" },
  { id: "nudge-down", scope: "image", key: "ArrowDown", also: ["shift+ArrowDown"], title: "The same downwards" },
  { id: "place", scope: "image", key: "Space", title: "Place a point at the crosshair, or pick what is under it; held with a drag: pan", once: true },
  { id: "next-point", scope: "image", key: "A", title: "Take the next handle of the selected shape; arrows move it, Enter puts it down" },
  { id: "previous-point", scope: "image", key: "shift+A", title: "Take the previous handle" },
  { id: "image-next-question", scope: "image", key: "Q", title: "Next question" },
  { id: "image-previous-question", scope: "image", key: "shift+Q", title: "Previous question" },
  { id: "fit", scope: "image", key: "Z", title: "Show the whole image" },
  { id: "zoom-selection", scope: "image", key: "shift+Z", title: "Zoom to the selection" },
  { id: "zoom-in", scope: "image", key: "+", also: ["="], title: "Zoom in" },
  { id: "zoom-out", scope: "image", key: "-", title: "Zoom out" },
  { id: "select-all", scope: "image", key: "mod+A", title: "Select all objects" },
  { id: "copy", scope: "image", key: "mod+C", title: "Copy the selected objects" },
  { id: "paste", scope: "image", key: "mod+V", title: "Paste, also on another image" },
  { id: "duplicate", scope: "image", key: "mod+D", title: "Duplicate the selected objects" },
  { id: "merge", scope: "image", key: "M", title: "Merge the selected areas into one" },
  { id: "cut", scope: "image", key: "shift+M", title: "Cut the later selected areas out of the first" },
  { id: "convert", scope: "image", key: "shift+V", title: "Turn polygons into masks, and masks into polygons" },
  { id: "to-front", scope: "image", key: "PageUp", title: "Bring to the front" },
  { id: "to-back", scope: "image", key: "PageDown", title: "Send to the back" },
  { id: "bare", scope: "image", key: "H", title: "Held: show the image alone", once: true },
  { id: "hide", scope: "image", key: "shift+H", title: "Hide the selected objects; with nothing selected, show all again" },
  { id: "lock", scope: "image", key: "shift+L", title: "Lock or unlock the selected objects" },
  { id: "accept", scope: "decide", key: "A", also: ["Enter"], title: "Accept the suggestion", once: true },
  { id: "decide-other", scope: "decide", key: "X", title: "Reject: choose another label", once: true },
  { id: "decide-skip", scope: "decide", key: "Space", also: ["I"], title: "Skip", once: true },
  { id: "decide-back", scope: "decide", key: "Backspace", also: ["U"], title: "Take back", once: true },
  { id: "table-search", scope: "table", key: "/", title: "Search" },
  { id: "table-preview", scope: "table", key: "Space", title: "Preview" },
  { id: "table-open", scope: "table", key: "Enter", title: "Open" },
  { id: "table-down", scope: "table", key: "ArrowDown", title: "Next row" },
  { id: "table-up", scope: "table", key: "ArrowUp", title: "Previous row" },
  { id: "table-left", scope: "table", key: "ArrowLeft", title: "Previous image" },
  { id: "table-right", scope: "table", key: "ArrowRight", title: "Next image" },
  { id: "table-choose", scope: "table", key: "X", title: "Choose or leave out; shift with an arrow chooses a stretch" },
  { id: "table-all", scope: "table", key: "mod+A", title: "Choose all that pass the filters" },
  { id: "table-none", scope: "table", key: "Escape", title: "Choose none" },
];

/** Scopes that can be active at the same time; within such a group no two bindings may share a key. */
export const TOGETHER: readonly (readonly Scope[])[] = [
  ["global", "item", "form", "text"],
  ["global", "item", "image"],
  ["global", "decide"],
  ["global", "table"],
];

interface Pressed {
  readonly key: string;
  readonly code: string;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly shiftKey: boolean;
  readonly altKey: boolean;
  readonly repeat?: boolean;
  readonly isComposing?: boolean;
}

/** The canonical name of a pressed key: letters by `key`, digits by `code` (so that they work on every layout). */
export function nameOf(event: Pressed): string {
  const digit = /^(?:Digit|Numpad)(\d)$/u.exec(event.code)?.[1];
  let name = digit ?? (event.key === " " ? "Space" : event.key);
  let shift = event.shiftKey;
  if (digit === undefined && name.length === 1) {
    if (/[a-z]/iu.test(name)) name = name.toUpperCase();
    // On other scripts the letter is found by its place on the keyboard.
    else if (/\p{Letter}/u.test(name)) name = /^Key([A-Z])$/u.exec(event.code)?.[1] ?? name;
    // The shift that a mark needs on this layout is part of the mark.
    else shift = false;
  }
  const parts = [event.ctrlKey || event.metaKey ? "mod" : "", event.altKey ? "alt" : "", shift ? "shift" : "", name];
  return parts.filter((part) => part !== "").join("+");
}

const CHANGED = "lw.keys";
const SINGLE_OFF = "lw.keys.off";

export function changedKeys(): Record<string, string> {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(CHANGED) ?? "{}");
    return typeof found === "object" && found !== null ? (found as Record<string, string>) : {};
  } catch {
    return {};
  }
}

export function changeKey(id: string, key: string | null): void {
  const others = Object.entries(changedKeys()).filter(([each]) => each !== id);
  localStorage.setItem(CHANGED, JSON.stringify(Object.fromEntries(key === null ? others : [...others, [id, key]])));
}

/** The binding that would share this key with another one while both are active; undefined where there is none. */
export function clash(id: string, key: string): Binding | undefined {
  const mine = BINDINGS.find((b) => b.id === id);
  if (mine === undefined) return undefined;
  const beside = new Set(TOGETHER.filter((group) => group.includes(mine.scope)).flat());
  return BINDINGS.find((b) => b.id !== id && beside.has(b.scope) && keysOf(b).includes(key));
}

export function singleKeysOff(): boolean {
  return localStorage.getItem(SINGLE_OFF) === "1";
}

export function turnSingleKeys(on: boolean): void {
  localStorage.setItem(SINGLE_OFF, on ? "0" : "1");
}

export function keysOf(binding: Binding): readonly string[] {
  const changed = changedKeys()[binding.id];
  return changed === undefined ? [binding.key, ...(binding.also ?? [])] : [changed];
}

/** The key of a binding as shown on buttons. */
export function keyOf(id: string): string {
  const binding = BINDINGS.find((b) => b.id === id);
  return binding === undefined ? "" : pretty(keysOf(binding)[0] ?? "");
}

export function pretty(key: string): string {
  const marks: Record<string, string> = { mod: "ctrl", ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Escape: "Esc", Enter: "↵" };
  return key.split("+").map((part) => marks[part] ?? part).join("+");
}

/** The binding that a key press means in these scopes; undefined when it means nothing there. */
export function match(event: Pressed, scopes: readonly Scope[]): Binding | undefined {
  if (event.isComposing === true) return undefined;
  const name = nameOf(event);
  if (singleKeysOff() && /^(?:shift\+)?.$/u.test(name)) return undefined;
  const found = BINDINGS.find((b) => scopes.includes(b.scope) && keysOf(b).includes(name));
  return found?.once === true && event.repeat === true ? undefined : found;
}

/** 0-based number of the label that a digit means: 1-9 and 0 are the first ten, with shift the next ten. */
export function digitOf(event: Pressed): number | undefined {
  if (event.isComposing === true || event.ctrlKey || event.metaKey || event.altKey) return undefined;
  const digit = /^(?:Digit|Numpad)(\d)$/u.exec(event.code)?.[1];
  if (digit === undefined) return undefined;
  return ((Number(digit) + 9) % 10) + (event.shiftKey ? 10 : 0);
}

/** Whether keys belong to a field that the person is typing in. */
export function typingIn(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(?:INPUT|TEXTAREA|SELECT)$/u.test(target.tagName));
}

/** Whether a key was pressed in a dialog, which lies over everything else and has keys of its own. */
export function inDialog(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest('[role="dialog"]') !== null;
}

/** Whether a focused button or link keeps its own Enter or Space. */
export function ownsKey(event: KeyboardEvent): boolean {
  const plain = (event.key === "Enter" || event.key === " ") && !event.ctrlKey && !event.metaKey;
  return plain && event.target instanceof Element && event.target.closest("button, a") !== null;
}
