// Live queries: Server-Sent Events, read with fetch because EventSource cannot
// show a token. While nobody looks at the page there is no stream: browsers
// allow six connections to a server, and all its tabs share them.
import { fetched, Refused, type Answer } from "./api";

export interface Watch {
  answer(a: Answer): void;
  /** The stream has ended or could not be had; it is asked for again. */
  lost(why: string): void;
}

const slowest = 30_000; // milliseconds between attempts

/** Watches a query until signal is aborted. */
export function watch(q: string, signal: AbortSignal, to: Watch): void {
  void (async () => {
    for (let failures = 0; !signal.aborted; ) {
      await visible(signal);
      if (signal.aborted) return;
      const hidden = whileVisible(signal);
      try {
        await stream(q, hidden.signal, (a) => {
          failures = 0;
          to.answer(a);
        });
        to.lost("The stream has ended.");
      } catch (e) {
        if (signal.aborted) return;
        if (hidden.signal.aborted) continue;
        const refused = e instanceof Refused ? e : new Refused(0, "", "The connection is lost.");
        to.lost(refused.message);
        if (refused.status >= 400 && refused.status < 500) return; // the same again would be refused again
      } finally {
        hidden.release();
      }
      await pause(Math.min(slowest, 1000 * 2 ** failures++), signal);
    }
  })();
}

/** Reads one stream to its end. */
async function stream(q: string, signal: AbortSignal, answer: (a: Answer) => void): Promise<void> {
  const response = await fetched("/v2/live", { q, every: "1s" }, signal, "text/event-stream");
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; ; ) {
    const { value, done } = await reader.read();
    if (done) return;
    const events = (rest + value).split("\n\n");
    rest = events.pop() ?? "";
    for (const text of events) {
      const { event, data } = fields(text);
      if (event === "answer") answer(JSON.parse(data) as Answer);
      else if (event === "end") throw new Refused(503, "", "The server is stopping.");
      else if (event === "error") {
        const { error } = JSON.parse(data) as { error: { code: string; message: string } };
        throw new Refused(503, error.code, error.message);
      }
    }
  }
}

function fields(text: string): { event: string; data: string } {
  let event = "message";
  const data: string[] = [];
  for (const line of text.split("\n")) {
    if (line.startsWith("event:")) event = line.slice(6).trim();
    else if (line.startsWith("data:")) data.push(line.slice(5).trimStart());
  }
  return { event, data: data.join("\n") };
}

/** A signal that is aborted when the page is hidden, or with another. */
function whileVisible(signal: AbortSignal): { signal: AbortSignal; release(): void } {
  const control = new AbortController();
  const check = () => document.hidden && control.abort();
  const end = () => control.abort();
  document.addEventListener("visibilitychange", check);
  signal.addEventListener("abort", end);
  return {
    signal: control.signal,
    release() {
      control.abort();
      document.removeEventListener("visibilitychange", check);
      signal.removeEventListener("abort", end);
    },
  };
}

/** Waits until the page is seen. */
function visible(signal: AbortSignal): Promise<void> {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve) => {
    const check = () => {
      if (document.hidden && !signal.aborted) return;
      document.removeEventListener("visibilitychange", check);
      signal.removeEventListener("abort", check);
      resolve();
    };
    document.addEventListener("visibilitychange", check);
    signal.addEventListener("abort", check);
  });
}

/** Waits for a while, or until signal is aborted. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done); // pages stay open for weeks
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
}
