/**
 * Every English string of the app, by section. `t("home.title")`, `t("home.left", { n: 3 })`.
 * A string with a count is an object of plural forms (`one`, `other`), chosen by Intl. No concatenation of parts.
 */
import { annotate } from "./strings/annotate";
import { compare } from "./strings/compare";
import { common } from "./strings/common";
import { detectors } from "./strings/detectors";
import { images } from "./strings/images";
import { safety } from "./strings/safety";
import { screens } from "./strings/screens";
import { trust } from "./strings/trust";

export const strings = { common, annotate, images, ...safety, ...detectors, ...screens, ...compare, trust } as const;

type Plural = { readonly one: string; readonly other: string };
type Paths<T, P extends string = ""> = {
  [K in keyof T & string]: T[K] extends string | Plural ? `${P}${K}` : Paths<T[K], `${P}${K}.`>;
}[keyof T & string];
export type Key = Paths<typeof strings>;

const plurals = new Intl.PluralRules("en");
const numbers = new Intl.NumberFormat("en");

export function t(key: Key, values: Readonly<Record<string, string | number>> = {}): string {
  let found: unknown = strings;
  for (const part of key.split(".")) found = (found as Record<string, unknown>)[part];
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
