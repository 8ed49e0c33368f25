// What a page is, and what it is given.

export interface Context {
  params: URLSearchParams;
  /** Aborted when the page is left. */
  signal: AbortSignal;
  /** Tells of an answer: the header shows how fresh it is, and whether something is missing. */
  fresh(a: { as_of: number; lag_ms: number; complete: boolean }): void;
  /** Tells that live numbers stand still. */
  stale(why: string): void;
  /** Changes parameters of the address, and makes the page anew. */
  change(params: Record<string, string>): void;
}

export interface Page {
  title: string;
  el: HTMLElement;
  /** Keys that mean something on this page. */
  keys?: Record<string, () => void>;
  /** Called when the element is in the document. */
  begin(): void;
}

export type Maker = (c: Context) => Page;
