/** The typed door to the server: every answer that is not a success becomes an `ApiError` that says what to do next. */
import createClient from "openapi-fetch";
import type { components, paths } from "./schema";

export type Noun<K extends keyof components["schemas"]> = components["schemas"][K];

export interface Problem {
  readonly where: string;
  readonly code: string;
  readonly message: string;
}

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly hint: string,
    readonly problems: readonly Problem[],
    readonly body: unknown,
  ) {
    super(message);
    this.name = "ApiError";
  }
  /** Nothing was refused: the server could not be reached. */
  get offline(): boolean {
    return this.status === 0;
  }
}

export const api = createClient<paths>({ baseUrl: "/", credentials: "same-origin" });

interface Outcome<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The data of a call, or an `ApiError`. */
export async function must<T>(call: Promise<Outcome<T>>): Promise<T> {
  let outcome: Outcome<T>;
  try {
    outcome = await call;
  } catch {
    throw new ApiError(0, "unreachable", "The server cannot be reached.", "Check that it runs; your work is kept in this browser.", [], null);
  }
  if (outcome.response.ok) return outcome.data as T;
  throw apiError(outcome.response.status, outcome.error);
}

/** The same, as a named noun: the client library widens tuples of shapes, which no caller here needs. */
export async function mustBe<K extends keyof components["schemas"]>(call: Promise<Outcome<unknown>>): Promise<Noun<K>> {
  return (await must(call)) as Noun<K>;
}

export function apiError(status: number, body: unknown): ApiError {
  const known = typeof body === "object" && body !== null ? (body as Record<string, unknown>) : {};
  const text = (name: string, otherwise: string): string => (typeof known[name] === "string" ? known[name] : otherwise);
  const problems = Array.isArray(known["problems"]) ? (known["problems"] as Problem[]) : [];
  return new ApiError(status, text("code", "error"), text("detail", `The server answered ${String(status)}.`), text("hint", ""), problems, body);
}
