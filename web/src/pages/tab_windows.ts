// The numbers of a tab in a table: what is told, window by window.
import { query, type Answer, type Row } from "../api";
import { fill, h } from "../dom";
import * as format from "../format";
import type { Context } from "../page";
import { paced } from "../paced";
import { within, type Panel } from "../panel";
import { Table } from "../table";
import type { Section, Subject } from "./tab";

const labels: Record<string, string> = {
  count: "Count", total: "Total", average: "Average", rate: "Events/s", min: "Min", max: "Max", distinct: "Different values",
};
const order = ["count", "rate", "distinct", "total", "average", "min", "p50", "p90", "p99", "max"];
const lasts = ["1m", "10m", "1h", "1d"];
const ever = "ever";

interface Line {
  type: string;
  value: string;
}

export class Windows implements Section {
  readonly el: HTMLElement;
  readonly poke: () => void;
  private answers = new Map<string, Answer>();
  private tables = new Map<string, Table<Line>>();
  private made = ""; // the Types and windows that the tables are for

  constructor(private readonly c: Context, private readonly s: Subject, private readonly panel: Panel) {
    this.el = panel.el;
    this.poke = paced(c.signal, () => within(panel, c.signal, () => this.load()));
  }

  /** Takes what the live query said of the shortest window, or of ever if there are none. */
  live(a: Answer): void {
    this.answers.set(this.s.tells.window.size > 0 ? lasts[0]! : ever, a);
    this.draw();
  }

  private async load(): Promise<void> {
    const windowed = this.s.tells.window.size > 0;
    const ask = [...(windowed ? lasts : []), ever];
    const answers = await Promise.all(ask.map((l) => query(this.s.selector + (l === ever ? "" : " last " + l), this.c.signal)));
    ask.forEach((l, i) => this.answers.set(l, answers[i]!));
    this.draw();
  }

  private draw(): void {
    const byType = new Map<string, Map<string, Row>>();
    for (const [l, a] of this.answers) {
      for (const r of a.rows) {
        if (l === ever && r.from !== null) continue; // it is the last day over again
        if (!byType.has(r.type)) byType.set(r.type, new Map());
        byType.get(r.type)!.set(l, r);
      }
    }
    const shape = [...byType].map(([type, rows]) => type + this.columns(type, rows).join()).join();
    if (shape !== this.made) this.make(byType);
    this.made = shape;
    for (const [type, table] of this.tables) {
      const rows = byType.get(type)!;
      const values = new Set([...rows.values()].flatMap((r) => Object.keys(r.values ?? {})));
      const lines = [...values].sort((a, b) => order.indexOf(a) - order.indexOf(b)).map((value) => ({ type, value }));
      table.update(lines);
    }
    this.note(byType);
  }

  private note(byType: Map<string, Map<string, Row>>): void {
    const rows = [...byType.values()].flatMap((m) => [...m.values()]);
    const worst = Math.max(0, ...rows.flatMap((r) => Object.values(r.errors ?? {})));
    const missing = [...this.answers.values()].flatMap((a) => a.missing ?? []).filter((m) => m.reason !== "no_windows");
    const onlyEver = this.s.tells.window.size > 0 && this.s.tells.ever.has("p50") && !this.s.tells.window.has("p50");
    const parts = [
      worst > 0 && `Counts and totals are exact, percentiles are within ${format.value(worst * 100)} %.`,
      worst === 0 && rows.length > 0 && "All of it is exact.",
      onlyEver && `Least, greatest and percentiles of a ${this.s.tells.type} are of all time.`,
      missing[0] && "Missing: " + missing[0].what + ".",
    ];
    this.panel.note(parts.filter(Boolean).join(" "));
  }

  /** Makes a table for each Type: tabs of one name may have several. */
  private make(byType: Map<string, Map<string, Row>>): void {
    this.tables.clear();
    const shown: HTMLElement[] = [];
    for (const [type, rows] of byType) {
      const columns = this.columns(type, rows);
      const table = new Table<Line>("Numbers of a " + type, [
        { label: "", cell: (l) => labels[l.value] ?? l.value },
        ...columns.map((l) => ({ label: l, number: true, cell: (line: Line) => this.cell(line, l) })),
      ], (l) => l.value);
      this.tables.set(type, table);
      if (byType.size > 1) shown.push(h("h3", {}, type));
      shown.push(table.el);
    }
    fill(this.panel.body, ...shown);
  }

  /** The windows of a Type's table: those that are told, or will be when their answer has come. */
  private columns(type: string, rows: Map<string, Row>): string[] {
    const windowed = this.s.tells.window.size > 0 && type === this.s.tells.type;
    return [...lasts, ever].filter((l) => rows.has(l) || (windowed && l !== ever));
  }

  private cell(line: Line, last: string): string {
    const row = this.answers.get(last)?.rows.find((r) => r.type === line.type);
    const v = row?.values?.[line.value];
    if (v === undefined) return "";
    if (line.value === "count" || line.value === "distinct") return format.count(v);
    return line.value === "rate" ? format.rate(v) : format.value(v);
  }
}
