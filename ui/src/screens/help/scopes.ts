import type { Scope } from "../../keys";

/** What the scopes of keys are called. */
export const SCOPES: Readonly<Record<Scope, string>> = { global: "Everywhere", item: "Labelling", form: "Questions", text: "Marking text", image: "Drawing on images", decide: "Decide", table: "Data table" };
