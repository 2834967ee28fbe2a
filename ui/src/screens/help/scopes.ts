import type { Scope } from "../../keys";

/** What the scopes of keys are called. */
export const SCOPES: Readonly<Record<Scope, string>> = { global: "Everywhere", item: "Labelling", text: "Marking text", decide: "Decide", table: "Data table" };
