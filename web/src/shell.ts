// What is around every page: the heading with its links and its search, how
// fresh the numbers are, the help, and the door where a token is asked for.
import { doors, ready, token } from "./api";
import { h, say, svg } from "./dom";
import * as format from "./format";
import { repeatedly } from "./paced";
import { search } from "./search";
import { theme, toggled, useTheme } from "./theme";
import { link } from "./words";

const places: [string, string, string][] = [
  ["", "Overview", "o"],
  ["tabs", "Tabs", "t"],
  ["clients", "Clients", "c"],
  ["cluster", "Cluster", "s"],
  ["explain", "Explain", "e"],
];

export class Shell {
  readonly main = h("main", { id: "main", tabindex: -1 });
  private readonly links = places.map(([page, label]) => h("a", { href: link(page), "data-page": page }, label));
  private readonly state = h("span", { class: "state", role: "status" }, h("i", { class: "dot" }), h("span", {}, "connecting"));
  private readonly banner = h("p", { class: "banner", role: "alert", hidden: true });
  private readonly find: ReturnType<typeof search>;
  private trouble = ""; // of the server
  private stopped = ""; // of the stream

  constructor(go: (to: string) => void, again: () => void) {
    this.find = search(go);
    const button = h("button", { class: "theme", type: "button", onclick: () => this.theme() });
    this.label(button);
    document.addEventListener("taba:theme", () => this.label(button));
    document.body.append(
      h("a", { class: "skip", href: "#main" }, "To the numbers"),
      h("header", { class: "top" },
        h("a", { class: "brand", href: "/", "aria-label": "Taba, overview" }, mark(), "Taba"),
        h("nav", { "aria-label": "Pages" }, ...this.links),
        this.find.el,
        this.state,
        h("button", { class: "help", type: "button", "aria-label": "Keys", title: "Keys (?)", onclick: () => this.help.showModal() }, "?"),
        button),
      this.banner, this.main, this.help, this.door(again));
    repeatedly(5000, new AbortController().signal, () => void this.probe());
  }

  /** Shows which page it is. */
  at(page: string, title: string): void {
    document.title = title ? title + " · Taba" : "Taba";
    for (const a of this.links) {
      const here = a.dataset["page"] === page;
      if (here) a.setAttribute("aria-current", "page");
      else a.removeAttribute("aria-current");
    }
    this.stopped = "";
    this.tell();
  }

  fresh(a: { as_of: number; lag_ms: number; complete: boolean }): void {
    this.stopped = "";
    this.tell();
    this.state.dataset["state"] = a.complete ? "live" : "partial";
    say(this.state.lastElementChild!, `${format.clock(a.as_of)} · lag ${format.millis(a.lag_ms)}${a.complete ? "" : " · partial"}`);
    this.state.title = "Everything that was acknowledged by then is in what is shown. The lag is the time from receipt to visibility.";
  }

  stale(why: string): void {
    this.stopped = why;
    this.tell();
  }

  keys(): Record<string, () => void> {
    return { "/": () => this.find.focus(), "?": () => this.help.showModal(), d: () => this.theme() };
  }

  private theme(): void {
    useTheme(toggled());
  }

  private label(button: HTMLButtonElement): void {
    const dark = theme() === "dark" || (theme() === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
    say(button, dark ? "☀" : "☾");
    button.setAttribute("aria-label", dark ? "Light colours" : "Dark colours");
    button.title = (dark ? "Light colours" : "Dark colours") + " (d)";
  }

  private async probe(): Promise<void> {
    this.trouble = await ready(new AbortController().signal).catch(() => "");
    this.tell();
  }

  private tell(): void {
    const why = this.trouble || this.stopped;
    const text = why && this.stopped ? why + " The numbers stand still; trying again." : why;
    say(this.banner, text);
    this.banner.hidden = text === "";
    if (text) {
      this.state.dataset["state"] = "lost";
    }
  }

  private readonly help = h("dialog", { class: "keys", "aria-label": "Keys" },
    h("h2", {}, "Keys"),
    h("dl", {},
      ...[
        ["/", "search"],
        ["j k", "next and previous row"],
        ["Enter", "open it"],
        ["Esc", "leave a field, a dialog"],
        ...places.map(([, label, key]): [string, string] => ["g " + key, label.toLowerCase()]),
        ["1 2 3 4", "the last 10 minutes, hour, 6 hours, day (on a tab)"],
        ["d", "dark or light"],
        ["?", "this"],
      ].flatMap(([key, what]) => [h("dt", {}, ...key!.split(" ").flatMap((k, i) => [i > 0 && " ", h("kbd", {}, k)])), h("dd", {}, what)])),
    h("form", { method: "dialog" }, h("button", { class: "main" }, "Close")));

  /** The dialog that asks for a token, when the server wants one. */
  private door(again: () => void): HTMLDialogElement {
    const why = h("p", { class: "problem" });
    const field = h("input", { id: "token", type: "password", autocomplete: "off", spellcheck: "false", required: true });
    const form = h("form", { method: "dialog" },
      h("h2", {}, "This server asks for a token"),
      why,
      h("p", {}, "Give one with the scope ", h("code", {}, "read"), ". An operator makes it with ", h("code", {}, "taba token NAME --scope read"),
        ". It stays in this window and is forgotten when it is closed."),
      h("label", { for: "token" }, "Token"), field,
      h("button", { class: "main", value: "use" }, "Use it"));
    const dialog = h("dialog", { class: "door", "aria-label": "Token" }, form);
    doors.closed = (text) => {
      say(why, token.get() ? text : "");
      if (!dialog.open) dialog.showModal();
    };
    dialog.addEventListener("close", () => {
      if (dialog.returnValue !== "use") return;
      token.set(field.value.trim());
      field.value = "";
      again();
    });
    return dialog;
  }
}

/** The mark beside the name. */
function mark(): SVGElement {
  const bars = [[7, 8], [14, 14], [21, 19]].map(([x, size]) => svg("rect", { class: "part", x, y: 25 - size!, width: 4, height: size, rx: 1 }));
  return svg("svg", { viewBox: "0 0 32 32", "aria-hidden": "true" }, svg("rect", { width: 32, height: 32, rx: 7 }), ...bars);
}

export const goKeys = new Map(places.map(([page, , key]) => [key, link(page)]));
