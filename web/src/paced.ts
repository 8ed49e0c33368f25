// Asks again and again without being a burden.
import { pause } from "./live";

/** How many times as long as it took to ask is rested afterwards, as the server's live queries do. */
const rests = 9;

/** Returns a function that makes `ask` run: at once if it is idle, else after what runs and its rest. */
export function paced(signal: AbortSignal, ask: () => Promise<void>): () => void {
  let running = false;
  let again = false;
  const run = async () => {
    running = true;
    do {
      again = false;
      const began = performance.now();
      await ask();
      await pause(rests * (performance.now() - began), signal);
    } while (again && !signal.aborted);
    running = false;
  };
  return () => {
    again = true;
    if (!running && !signal.aborted) void run();
  };
}

/** Calls f now and every so many milliseconds while the page is seen. */
export function repeatedly(ms: number, signal: AbortSignal, f: () => void): void {
  f();
  const timer = setInterval(() => document.hidden || f(), ms);
  signal.addEventListener("abort", () => clearInterval(timer), { once: true });
}
