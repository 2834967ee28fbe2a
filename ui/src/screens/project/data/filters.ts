/** The filters of the data screen. They are part of the address: back from the editor they are still there, and a link shows the same rows. */
import { useCallback, useMemo } from "react";
import { useSearchParams } from "wouter";

export const STATUSES = ["new", "predicted", "accepted", "in_progress", "labelled", "skipped"] as const;

export interface Wanted {
  readonly order: "id" | "confidence";
  readonly text?: string;
  readonly status?: (typeof STATUSES)[number];
  readonly label?: string;
  readonly confidence_below?: number;
  readonly confidence_above?: number;
  readonly flag?: "any";
  readonly gold?: boolean;
  readonly model_vs_human?: "changed" | "kept";
}

/** A number in [0, 1] from the address; null for anything else. */
function part(value: string | null): number | null {
  const n = value === null || value === "" ? NaN : Number(value);
  return n >= 0 && n <= 1 ? n : null;
}

export function useFilters() {
  const [address, setAddress] = useSearchParams();
  const get = (name: string): string | null => address.get(name);
  const order: "id" | "confidence" = get("order") === "confidence" ? "confidence" : "id";
  const set = useCallback((name: string, value: string | null): void => {
    setAddress((now) => {
      const next = new URLSearchParams(now);
      if (value === null || value === "") next.delete(name);
      else next.set(name, value);
      return next;
    }, { replace: true });
  }, [setAddress]);
  const clear = useCallback((): void => {
    setAddress((now) => new URLSearchParams([...now].filter(([name]) => name === "order" || name === "view")), { replace: true });
  }, [setAddress]);
  const [below, above] = [part(get("below")), part(get("above"))];
  const [text, status, label, change, flag, gold] = [get("text") ?? "", get("status"), get("label"), get("change"), get("flag"), get("gold") === "true"];
  const wanted = useMemo((): Wanted => ({
    order,
    ...(text === "" ? {} : { text }),
    ...(status === null ? {} : { status: status as "new" }),
    ...(label === null ? {} : { label }),
    ...(below === null ? {} : { confidence_below: below }),
    ...(above === null ? {} : { confidence_above: above }),
    ...(flag === null ? {} : { flag: flag as "any" }),
    ...(gold ? { gold: true } : {}),
    ...(change === null ? {} : { model_vs_human: change as "changed" }),
  }), [order, text, status, label, below, above, flag, gold, change]);
  return { wanted, order, text, status, label, below, above, change, flag, gold, view: get("view"), filtered: Object.keys(wanted).length > 1, set, clear };
}
export type Filters = ReturnType<typeof useFilters>;
