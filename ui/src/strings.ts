/**
 * Every English string of the app, by section. `t("home.title")`, `t("home.left", { n: 3 })`.
 * A string with a count is an object of plural forms (`one`, `other`), chosen by Intl. No concatenation of parts.
 */
import { annotate } from "./strings/annotate";
import { compare } from "./strings/compare";
import { common } from "./strings/common";
import { detectors } from "./strings/detectors";
import { drawing } from "./strings/drawing";
import { bulk, images, instead as ofImages } from "./strings/images";
import { overlap } from "./strings/overlap";
import { safety } from "./strings/safety";
import { screens } from "./strings/screens";
import { trust } from "./strings/trust";

export const strings = { common, annotate, bulk, drawing, images, ...safety, ...detectors, ...screens, ...compare, trust, overlap } as const;

type Plural = { readonly one: string; readonly other: string };
type Paths<T, P extends string = ""> = {
  [K in keyof T & string]: T[K] extends string | Plural ? `${P}${K}` : Paths<T[K], `${P}${K}.`>;
}[keyof T & string];
export type Key = Paths<typeof strings>;

const instead: Readonly<Partial<Record<Key, string | Plural>>> = ofImages;

const plurals = new Intl.PluralRules("en");
const numbers = new Intl.NumberFormat("en");

/** What is spoken of: in a project of images, strings that would say "text" have others (`strings/images.ts`). */
export type Spoken = "text" | "image";
let spoken: Spoken = "text";

/** Speak of images or texts from now on. For `useSpeaking` only: a screen says it before anything in it is drawn. */
export function speakOf(what: Spoken): void {
  spoken = what;
}

export function spokenOf(): Spoken {
  return spoken;
}

export function t(key: Key, values: Readonly<Record<string, string | number>> = {}): string {
  return tOf(spoken, key, values);
}

/** The same for a project of texts or of images, where several are shown side by side. */
export function tOf(what: Spoken, key: Key, values: Readonly<Record<string, string | number>> = {}): string {
  let found: unknown = strings;
  for (const part of key.split(".")) found = (found as Record<string, unknown>)[part];
  if (what === "image") found = instead[key] ?? found;
  const count = values["n"];
  const text =
    typeof found === "string"
      ? found
      : (found as Plural)[typeof count === "number" && plurals.select(count) === "one" ? "one" : "other"];
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name];
    return value === undefined ? whole : typeof value === "number" ? numbers.format(value) : value;
  });
}
