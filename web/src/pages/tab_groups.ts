// Who records a tab, and its numbers tag by tag.
import { names, query, type Row } from "../api";
import { fill, h } from "../dom";
import * as format from "../format";
import type { Context } from "../page";
import { paced } from "../paced";
import { empty, Panel, within } from "../panel";
import { bar } from "../spark";
import { Table, type Column } from "../table";
import { quoted, tagged, toClient } from "../words";
import { toWhere, type Section, type Subject } from "./tab";

const most = 20;

/** The values that tell groups apart, the first of which ranks them, and the clause of their window. */
function ranking(s: Subject): { values: string[]; last: string } {
  const windowed = s.tells.window.size > 0;
  const has = windowed ? s.tells.window : s.tells.ever;
  const values = ["count", "distinct", "rate", "average", "p50", "p99"].filter((v) => has.has(v));
  if (values[0] === "count" && has.has("distinct")) values.shift();
  return { values, last: windowed ? " last " + s.last : "" };
}

const columnLabels: Record<string, string> = { count: "Count", distinct: "Different values", rate: "Events/s", average: "Average" };

/** Columns for the values, the first with bars. */
function columns(values: string[], largest: () => number): Column<Row>[] {
  return values.map((v, i) => ({
    label: columnLabels[v] ?? v,
    number: true,
    wide: i > 0 && v !== "p99" && v !== "average",
    cell: (r: Row) => {
      const n = r.values?.[v];
      if (i === 0) return bar((n ?? 0) / (largest() || 1), format.count(n));
      return v === "rate" ? format.rate(n) : format.value(n);
    },
  }));
}

export class Clients implements Section {
  readonly el: HTMLElement;
  readonly poke: () => void;

  constructor(c: Context, s: Subject) {
    const { values, last } = ranking(s);
    const panel = new Panel(last ? `Clients, last ${s.last}` : "Clients, of all time");
    this.el = panel.el;
    let rows: Row[] = [];
    const table = new Table<Row>("Clients by count", [
      { label: "Client", cell: (r) => r.by["client"] || "(no name)" },
      ...columns(values, () => rows[0]?.values?.[values[0]!] ?? 0),
    ], (r) => r.by["client"] + " " + r.type, (r) => toClient(r.by["client"] ?? ""));
    this.poke = paced(c.signal, () => within(panel, c.signal, async () => {
      rows = (await query(`top ${most} ${values.join(", ")}(${s.selector}) by (client)${last}`, c.signal)).rows;
      if (rows.length === 0) panel.show(empty("Nobody recorded it in this window."));
      else if (!panel.body.contains(table.el)) fill(panel.body, table.el);
      table.update(rows);
      panel.note(rows.length === most ? `The ${most} with most.` : "");
    }));
  }
}

export class Groups implements Section {
  readonly el: HTMLElement;
  readonly poke: () => void;
  private readonly chips = h("div", { class: "choice", role: "group", "aria-label": "Tag to group by" });
  private readonly panel: Panel;
  private tags: string[] | undefined;
  private tag: string;
  private rows: Row[] = [];
  private readonly table: Table<Row>;

  constructor(private readonly c: Context, private readonly s: Subject) {
    const { values } = ranking(s);
    this.tag = c.params.get("by") ?? "";
    this.panel = new Panel("By tag", this.chips);
    this.el = this.panel.el;
    this.el.hidden = true; // until there is a tag
    const where = c.params.getAll("where").map((w): [string, string] => [w.slice(0, w.indexOf("=")), w.slice(w.indexOf("=") + 1)]);
    this.table = new Table<Row>("By tag", [
      { label: "Value", cell: (r) => r.by[this.tag] || "(without)" },
      { label: "Tabs", number: true, wide: true, cell: (r) => format.count(r.tabs) },
      ...columns(values, () => Math.max(...this.rows.map((r) => r.values?.[values[0]!] ?? 0))),
    ], (r) => this.tag + "=" + r.by[this.tag] + " " + r.type, (r) => toWhere(s.name, [...where.filter(([k]) => k !== this.tag), [this.tag, r.by[this.tag] ?? ""]], s.last));
    this.poke = paced(c.signal, () => within(this.panel, c.signal, () => this.load()));
  }

  private async load(): Promise<void> {
    if (this.s.name.includes(";")) return; // it is one tab
    if (!this.tags) {
      this.tags = await tagsOf(this.s.name, this.c.signal);
      this.tag = this.tags.includes(this.tag) ? this.tag : (this.tags[0] ?? "");
      this.el.hidden = this.tags.length === 0;
      fill(this.chips, ...this.tags.map((t) =>
        h("button", { type: "button", "aria-pressed": String(t === this.tag), onclick: () => this.c.change({ by: t }) }, t)));
    }
    if (this.tags.length === 0) return;
    const { values, last } = ranking(this.s);
    const a = await query(`top 100 ${values.join(", ")}(${this.s.selector}) by (${quoted(this.tag)})${last}`, this.c.signal);
    this.rows = a.rows;
    if (!this.panel.body.contains(this.table.el)) fill(this.panel.body, this.table.el);
    this.table.update(a.rows);
    this.panel.note(last ? `In the last ${this.s.last}.` : "");
  }
}

/** The tags that tabs of a name have, as some of them show. */
async function tagsOf(name: string, signal: AbortSignal): Promise<string[]> {
  const found = new Set<string>();
  const a = await names({ prefix: name + ";", match: quoted(name), limit: "1000" }, signal);
  for (const n of a.names) for (const [k] of tagged(n.name).tags) found.add(k);
  return [...found].sort();
}
