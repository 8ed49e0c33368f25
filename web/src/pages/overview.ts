// The overview: how much comes in, how it goes, and which tabs get most of it.
import { Refused, series, types, type Row } from "../api";
import { fill, h, say } from "../dom";
import * as format from "../format";
import { watch } from "../live";
import type { Context, Page } from "../page";
import { paced, repeatedly } from "../paced";
import { empty, Panel, within } from "../panel";
import { bar, sparkline } from "../spark";
import { rateOf, status, type Status } from "../status";
import { Table } from "../table";
import { link, quoted, toTab } from "../words";

const most = 20;

/** What the busiest are told of: tabs, or where there are too many, what they have in common. */
const keys = ["tab", "name", "prefix(1)"];

export function overviewPage(c: Context): Page {
  const shown = new Set<string>();
  const tiles = new Tiles();
  const top = new Top(c, () => first(shown, "top"));
  const kinds = new Panel("Tabs by Type");
  const health = new Panel("Health");
  const el = h("div", { class: "page" },
    h("h1", { class: "quiet" }, "Overview"), tiles.el,
    h("div", { class: "columns" }, top.panel.el, h("div", { class: "aside" }, health.el, kinds.el)));

  const load = paced(c.signal, async () => {
    await within(health, c.signal, async () => {
      const s = await status(c.signal);
      tiles.show(s);
      first(shown, "tiles");
      health.show(...healthOf(s));
      c.fresh({ as_of: s.as_of, lag_ms: s.lag_ms, complete: s.health.state !== "partial" });
    });
  });
  const loadTypes = paced(c.signal, () => within(kinds, c.signal, async () => {
    const list = (await types(c.signal)).types;
    kinds.show(list.length === 0 ? empty("Nothing was recorded yet.") : typesTable(list));
  }));
  return {
    title: "",
    el,
    begin() {
      repeatedly(1000, c.signal, load);
      top.begin();
      repeatedly(10_000, c.signal, loadTypes);
    },
  };
}

/** Marks in the browser's timeline when all kinds of first numbers are shown. */
function first(shown: Set<string>, what: string): void {
  if (shown.has(what)) return;
  shown.add(what);
  if (shown.size === 2) performance.mark("taba:numbers");
}

class Tiles {
  private readonly figures: Record<string, [HTMLElement, HTMLElement]> = {};
  readonly el = h("div", { class: "tiles" });

  constructor() {
    for (const label of ["Events per second", "Tabs", "Clients", "Lag", "Health"]) {
      const figure = h("b", {}, "–");
      const more = h("small", {}, "\u00a0");
      this.figures[label] = [figure, more];
      this.el.append(h("div", { class: "tile" }, h("span", {}, label), figure, more));
    }
  }

  show(s: Status): void {
    const commit = (s.latency ?? []).find((l) => l.stage === "commit");
    const bad = s.health.state !== "ok";
    this.set("Events per second", format.rate(rateOf(s)), s.store ? format.count(s.store.events) + " so far" : "");
    this.set("Tabs", format.count(s.tabs), format.count(s.states) + " clients of tabs");
    this.set("Clients", format.count(s.clients), (s.agents ?? []).length ? format.plural(s.agents!.length, "agent") : "");
    this.set("Lag", format.millis(s.lag_ms), commit?.count ? "commit p99 " + format.millis(commit.p99_ms) : "from receipt to visible");
    this.set("Health", s.health.state, bad ? (s.health.reasons?.[0]?.what ?? "") : "up " + format.duration(s.uptime_seconds));
    this.figures["Health"]![0].dataset["health"] = s.health.state;
  }

  private set(label: string, figure: string, more: string): void {
    const [f, m] = this.figures[label]!;
    say(f, figure);
    say(m, more || "\u00a0");
  }
}

function healthOf(s: Status): HTMLElement[] {
  const list: (readonly [string, string])[] = [
    ...(s.health.reasons ?? []).map((r) => ["bad", r.what] as const),
    ...(s.health.notices ?? []).map((r) => ["notice", r.what] as const),
  ];
  const refused = (s.refused ?? []).filter((r) => r.n > 0);
  if (refused.length > 0) list.push(["notice", `Some of what was sent was refused, most of it because ${largest(refused).what}.`]);
  if (list.length === 0) list.push(["ok", `${s.name} works, nothing was refused.`]);
  return [
    h("ul", { class: "signs" }, ...list.map(([kind, text]) => h("li", { "data-sign": kind }, text))),
    h("p", {}, h("a", { href: link("cluster") }, "The cluster")),
  ];
}

const largest = <T extends { n: number }>(list: T[]): T => list.reduce((a, b) => (b.n > a.n ? b : a));

function typesTable(list: { name: string; tabs: number }[]): HTMLElement {
  const sum = list.reduce((n, t) => n + t.tabs, 0);
  const table = new Table<{ name: string; tabs: number }>("Tabs by Type", [
    { label: "Type", cell: (t) => t.name },
    { label: "Tabs", number: true, cell: (t) => bar(t.tabs / sum, format.count(t.tabs)) },
  ], (t) => t.name);
  table.update([...list].sort((a, b) => b.tabs - a.tabs));
  return table.el;
}

/** The busiest tabs, live. */
class Top {
  readonly panel = new Panel("Busiest in the last minute");
  private readonly sparks = new Map<string, (number | null)[]>();
  private readonly table: Table<Row>;
  private readonly poke: () => void;
  private rows: Row[] = [];
  private key = 0; // of keys
  private shown = false;

  constructor(private readonly c: Context, private readonly told: () => void) {
    this.table = new Table<Row>("Busiest tabs", [
      { label: "Tab", cell: (r) => this.name(r) || "(no name)" },
      { label: "Type", cell: (r) => r.type, wide: true },
      { label: "Last 10 minutes", wide: true, cell: (r) => sparkline(this.sparks.get(this.name(r)) ?? [], "Rate over the last ten minutes") },
      { label: "Events/s", number: true, cell: (r) => bar((r.values?.["rate"] ?? 0) / (this.rows[0]?.values?.["rate"] || 1), format.rate(r.values?.["rate"])) },
    ], (r) => this.name(r) + " " + r.type, (r) => this.href(r));
    this.poke = paced(c.signal, () => this.draw());
  }

  private name(r: Row): string {
    return r.by[keys[this.key]!] ?? "";
  }

  private href(r: Row): string {
    return keys[this.key] === "prefix(1)" ? link("tabs", { find: this.name(r) }) : toTab(this.name(r));
  }

  begin(): void {
    watch(`top ${most} rate(*) by (${keys[this.key]}) last 1m`, this.c.signal, {
      answer: (a) => {
        this.panel.fail("");
        this.rows = a.rows;
        if (a.rows.length === 0) {
          this.panel.show(empty("No events came in the last minute. Try ", h("code", {}, "taba send bids_won 1"), "."));
          this.shown = false;
          return;
        }
        if (!this.shown) fill(this.panel.body, this.table.el);
        this.shown = true;
        this.table.update(a.rows);
        this.told();
        const untimed = (a.missing ?? []).filter((m) => m.reason === "no_windows").reduce((n, m) => n + m.tabs, 0);
        this.panel.note(untimed > 0 ? `Without ${format.plural(untimed, "tab")} whose Types keep no times.` : "");
        this.poke();
      },
      lost: (why) => {
        if (why.includes("group") && this.key < keys.length - 1) {
          this.key++;
          this.panel.note("");
          this.begin();
          return;
        }
        this.panel.fail(this.shown ? "" : why);
        if (this.shown) this.c.stale(why);
      },
    });
  }

  /** Asks for the lines beside the rows. */
  private async draw(): Promise<void> {
    const names = this.rows.map((r) => this.name(r)).filter((n) => n !== "");
    if (keys[this.key] === "prefix(1)" || names.length === 0) return;
    try {
      const q = `rate(${names.map(quoted).join(", ")}) by (${keys[this.key]}) last 10m step 30s`;
      for (const r of (await series(q, this.c.signal)).rows) {
        this.sparks.set(this.name(r), (r.points ?? []).map((p) => p.values?.["rate"] ?? null));
      }
      this.table.update(this.rows);
    } catch (e) {
      if (!(e instanceof Refused) && !this.c.signal.aborted) console.error(e);
    }
  }
}
