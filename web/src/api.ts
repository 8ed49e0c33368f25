// Asks the server. Every answer is typed as docs/queries.md has it.

export interface Told {
  from: number | null;
  to: number;
  values?: Record<string, number | null>;
  errors?: Record<string, number>;
}

export interface Row extends Told {
  by: Record<string, string>;
  type: string;
  tabs: number;
  points?: Told[];
}

export interface Missing {
  reason: string;
  tab?: string;
  tabs: number;
  what: string;
}

export interface Listing {
  as_of: number;
  lag_ms: number;
  complete: boolean;
  next?: string;
}

export interface Answer extends Listing {
  query: string;
  missing?: Missing[];
  by: string[];
  values: string[];
  rows: Row[];
}

/** A request that was not answered with what it asked for. */
export class Refused extends Error {
  constructor(
    readonly status: number, // 0: there was no answer
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

const key = "taba-token";

export const token = {
  get: () => sessionStorage.getItem(key) ?? "",
  set: (secret: string) => (secret ? sessionStorage.setItem(key, secret) : sessionStorage.removeItem(key)),
};

/** Called when the server wants another token than it was shown, with what it said. */
export const doors: { closed: (why: string, status: number) => void } = { closed: () => undefined };

/** Asks for a path and returns the answer, whose status is 200. */
export async function fetched(
  path: string,
  params: Record<string, string>,
  signal: AbortSignal,
  accept = "application/json",
): Promise<Response> {
  const query = new URLSearchParams(params).toString();
  const headers: Record<string, string> = { Accept: accept };
  if (token.get()) headers["Authorization"] = "Bearer " + token.get();
  let answer: Response;
  try {
    answer = await fetch(path + (query ? "?" + query : ""), { headers, signal, cache: "no-store" });
  } catch (e) {
    if (signal.aborted) throw e;
    throw new Refused(0, "unreachable", "The server does not answer.");
  }
  if (answer.ok) return answer;
  const refused = new Refused(answer.status, ...(await reason(answer)));
  if (answer.status === 401 || answer.status === 403) doors.closed(refused.message, answer.status);
  throw refused;
}

async function reason(answer: Response): Promise<[string, string]> {
  const text = (await answer.text()).trim();
  try {
    const { error } = JSON.parse(text) as { error?: string | { code: string; message: string } };
    if (typeof error === "string") return ["", error];
    if (error) return [error.code, error.message];
  } catch {
    // It is text.
  }
  return ["", text || answer.statusText];
}

export async function get<T>(path: string, params: Record<string, string>, signal: AbortSignal): Promise<T> {
  return (await fetched(path, params, signal)).json() as Promise<T>;
}

export const query = (q: string, signal: AbortSignal, more: Record<string, string> = {}) =>
  get<Answer>("/v2/query", { q, ...more }, signal);

/** The answer to a query, or one without rows where the Type does not tell what is asked. */
export async function queryIfTold(q: string, signal: AbortSignal): Promise<Answer> {
  try {
    return await query(q, signal);
  } catch (e) {
    if (!(e instanceof Refused) || e.code !== "unsupported") throw e;
    return { query: q, as_of: Date.now() / 1000, lag_ms: 0, complete: true, by: [], values: [], rows: [] };
  }
}

export const series = (q: string, signal: AbortSignal, more: Record<string, string> = {}) =>
  get<Answer>("/v2/series", { q, ...more }, signal);

export interface Named {
  name: string;
  type: string;
}

export interface Counted {
  name: string;
  tabs: number;
}

export const names = (params: Record<string, string>, signal: AbortSignal) =>
  get<Listing & { names: Named[] }>("/v2/names", params, signal);

export const clients = (params: Record<string, string>, signal: AbortSignal) =>
  get<Listing & { clients: string[] }>("/v2/clients", params, signal);

export const types = (signal: AbortSignal) => get<Listing & { types: Counted[] }>("/v2/types", {}, signal);

/** Whether the server can do its work, and if not, why. */
export async function ready(signal: AbortSignal): Promise<string> {
  try {
    await fetched("/readyz", {}, signal);
    return "";
  } catch (e) {
    if (e instanceof Refused) return e.message;
    throw e;
  }
}
