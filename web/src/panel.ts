// A part of a page with a heading, and what went wrong in it, if something did.
import { Refused } from "./api";
import { fill, h, say, type Child } from "./dom";

export class Panel {
  readonly el: HTMLElement;
  readonly body = h("div", { class: "body" });
  private readonly caption = h("p", { class: "caption" });
  private readonly problem = h("p", { class: "problem", role: "status", hidden: true });

  constructor(title: string, ...tools: Child[]) {
    this.el = h("section", { class: "panel" },
      h("header", {}, h("h2", {}, title), h("div", { class: "tools" }, ...tools)),
      this.problem, this.body, this.caption);
    fill(this.body, h("p", { class: "empty" }, "…"));
  }

  /** Something has been shown, which stays while the server cannot be reached: the heading says so. */
  filled = false;

  show(...children: Child[]): void {
    fill(this.body, ...children);
  }

  note(text: string): void {
    say(this.caption, text);
  }

  fail(text: string): void {
    say(this.problem, text);
    this.problem.hidden = text === "";
  }
}

/** Runs f and shows in the panel why it failed, if it did. It never throws. */
export async function within(panel: Panel, signal: AbortSignal, f: () => Promise<void>): Promise<void> {
  try {
    await f();
    panel.fail("");
    panel.filled = true;
  } catch (e) {
    if (signal.aborted || (panel.filled && e instanceof Refused && e.status === 0)) return;
    if (!(e instanceof Refused)) console.error(e);
    panel.fail(e instanceof Refused ? e.message : "Something is wrong with this page: " + String(e));
  }
}

/** What is said where there is nothing to show. */
export function empty(...children: Child[]): HTMLElement {
  return h("p", { class: "empty" }, ...children);
}
