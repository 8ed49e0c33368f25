// A tab: its windows, percentiles over time, distribution, clients, tags.
import { query, queryIfTold, type Answer, type Row } from "../api";
import { fill, h } from "../dom";
import { watch } from "../live";
import type { Context, Page } from "../page";
import { empty, Panel, within } from "../panel";
import { link, quoted, tagged, toExplain } from "../words";
import { Charts } from "./tab_charts";
import { Clients, Groups } from "./tab_groups";
import { Shape } from "./tab_shape";
import { Values } from "./tab_values";
import { Windows } from "./tab_windows";

/** What a tab's page is about. */
export interface Subject {
  /** The tab's whole name, or a name without tags, which is all tabs of it. */
  name: string;
  /** It as a query chooses it, restricted to some tags. */
  selector: string;
  last: string;
  /** What its Type tells, found out by asking. */
  tells: Tells;
}

export interface Tells {
  type: string;
  /** Values of a window, and of ever; there are none where the Type does not tell them. */
  window: Set<string>;
  ever: Set<string>;
}

/** A part of the page that can be asked to be fresh. */
export interface Section {
  el: HTMLElement;
  poke(): void;
}

const lasts = ["10m", "1h", "6h", "1d"];

export function tabPage(c: Context): Page {
  const name = c.params.get("name") ?? "";
  const last = lasts.find((l) => l === c.params.get("last")) ?? "10m";
  const where = c.params.getAll("where").map((w): [string, string] => [w.slice(0, w.indexOf("=")), w.slice(w.indexOf("=") + 1)]);
  const selector = quoted(name) + (where.length > 0 ? "{" + where.map(([k, v]) => quoted(k) + "=" + quoted(v)).join(", ") + "}" : "");
  const choose = (l: string) => c.change({ last: l });
  const windows = h("div", { class: "choice", role: "group", "aria-label": "Window of charts and tables" },
    ...lasts.map((l, i) => h("button", { type: "button", "aria-pressed": String(l === last), title: `The last ${l} (${i + 1})`, onclick: () => choose(l) }, l)));
  const type = h("span", { class: "type" });
  const rest = h("div", { class: "rest" });
  const panel = new Panel("Numbers");
  const subject: Subject = { name, selector, last, tells: { type: "", window: new Set(), ever: new Set() } };
  const el = h("div", { class: "page" },
    heading(name, where, last, type, windows), panel.el, rest);
  const found = (now: Answer, ever: Answer) => {
    const row = ever.rows[0] ?? now.rows[0]!;
    const same = (r: Row) => r.type === row.type;
    subject.tells = {
      type: row.type,
      window: told(now.rows.find(same)),
      ever: told(ever.rows.find(same)),
    };
    windows.hidden = subject.tells.window.size === 0;
    type.textContent = row.type + (row.tabs > 1 ? ` · ${row.tabs} tabs` : "");
    begin(c, subject, panel, rest);
  };
  return {
    title: name,
    el,
    keys: Object.fromEntries(lasts.map((l, i) => [String(i + 1), () => choose(l)])),
    begin() {
      void within(panel, c.signal, async () => {
        const ask = () => Promise.all([queryIfTold(`${selector} last ${last}`, c.signal), query(selector, c.signal)]);
        const [now, ever] = await ask();
        c.fresh({ ...now, complete: true });
        if (now.rows.length + ever.rows.length > 0) return found(now, ever);
        windows.hidden = true;
        panel.show(empty("There is no such tab yet. It appears here when its first event is acknowledged. ",
          h("a", { href: toExplain(name) }, "What became of it?")));
        await appears(selector, c.signal);
        found(...(await ask()));
      });
    },
  };
}

function told(r: Row | undefined): Set<string> {
  return new Set(Object.keys(r?.values ?? {}));
}

/** Returns when the first event of a tab has come. */
function appears(selector: string, signal: AbortSignal): Promise<void> {
  const control = new AbortController();
  signal.addEventListener("abort", () => control.abort(), { once: true });
  return new Promise((resolve) => watch(selector, control.signal, {
    answer: (a) => {
      if (a.rows.length === 0) return;
      control.abort();
      resolve();
    },
    lost: () => undefined,
  }));
}

function heading(name: string, where: [string, string][], last: string, type: HTMLElement, windows: HTMLElement): HTMLElement {
  const t = tagged(name);
  return h("header", { class: "title" },
    h("p", {}, h("a", { href: link("tabs") }, "Tab"), " · ", type, " · ", h("a", { href: toExplain(name) }, "explain")),
    h("div", {}, h("h1", { title: name }, t.tags.length > 0 ? t.name : name), windows),
    h("ul", { class: "chips", "aria-label": "Tags" },
      t.tags.length > 0 && h("li", {}, h("a", { href: link("tab", { name: t.name, last }) }, "all of " + t.name)),
      ...t.tags.map(([k, v]) => h("li", {}, k, h("span", {}, v))),
      ...where.map(([k, v], i) => h("li", {}, k, h("span", {}, v),
        h("a", { href: toWhere(name, where.filter((_, j) => j !== i), last), "aria-label": `Without ${k} = ${v}` }, "×")))));
}

/** The address of a tab restricted to some tags. */
export function toWhere(name: string, where: [string, string][], last: string): string {
  const params = new URLSearchParams({ name, last });
  for (const [k, v] of where) params.append("where", k + "=" + v);
  return "/ui/tab?" + params.toString();
}

/** Shows what the tab's Type tells, and keeps it fresh. */
function begin(c: Context, s: Subject, panel: Panel, rest: HTMLElement): void {
  const windows = new Windows(c, s, panel);
  const window = s.tells.window;
  const quantiles = window.has("p50") || s.tells.ever.has("p50");
  const sections: Section[] = [windows];
  if (window.size > 0) sections.push(...Charts(c, s));
  if (quantiles) sections.push(new Shape(c, s));
  if (!window.has("count") && !s.tells.ever.has("total") && !window.has("distinct")) sections.push(new Values(c, s));
  sections.push(new Clients(c, s), new Groups(c, s));
  fill(rest, ...sections.filter((x) => x !== windows).map((x) => x.el));
  for (const x of sections) x.poke();
  watch(s.selector + (window.size > 0 ? " last 1m" : ""), c.signal, {
    answer: (a) => {
      c.fresh({ ...a, complete: (a.missing ?? []).every((m) => m.reason === "no_windows") });
      windows.live(a);
      for (const x of sections) x.poke();
    },
    lost: (why) => c.stale(why),
  });
}
