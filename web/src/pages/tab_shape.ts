// How the values of a tab are distributed: a histogram and a ladder of
// percentiles, any of which can be asked for.
import { query } from "../api";
import { fill, h } from "../dom";
import * as format from "../format";
import type { Context } from "../page";
import { paced } from "../paced";
import { empty, Panel, within } from "../panel";
import { binned, histogram } from "../spark";
import { Table } from "../table";
import type { Section, Subject } from "./tab";

const slices = 50; // of the histogram's quantiles, each of equal mass
const ladder = [1, 10, 25, 50, 75, 90, 95, 99, 99.9, 99.99];

/** How much of the upper end the histogram leaves out, so that one value does not squeeze the rest. */
const cut = 99.5;

export class Shape implements Section {
  readonly el: HTMLElement;
  readonly poke: () => void;
  private readonly panel: Panel;
  private readonly picture = h("div");
  private readonly figures = h("div");
  private readonly table: Table<number>;
  private readonly own: number[] = [];
  private values: Record<string, number | null> = {};
  private errors: Record<string, number> = {};

  constructor(private readonly c: Context, private readonly s: Subject) {
    const windowed = s.tells.window.has("p50");
    this.panel = new Panel(windowed ? `Distribution, last ${s.last}` : "Distribution, of all time");
    this.el = this.panel.el;
    this.table = new Table<number>("Percentiles", [
      { label: "Percentile", cell: (p) => "p" + p },
      { label: "Value", number: true, cell: (p) => format.value(this.values["p" + p]) },
      { label: "Within", number: true, cell: (p) => (this.errors["p" + p] ? `± ${format.value(this.errors["p" + p]! * 100)} %` : "exact") },
    ], String);
    fill(this.figures, this.table.el, this.form());
    fill(this.panel.body, h("div", { class: "shape" }, this.picture, this.figures));
    this.poke = paced(c.signal, () => within(this.panel, c.signal, () => this.load(windowed)));
  }

  /** The field for a percentile of one's own. */
  private form(): HTMLElement {
    const field = h("input", { type: "number", min: 0, max: 100, step: "any", required: true, placeholder: "97.5", "aria-label": "Another percentile, from 0 to 100" });
    return h("form", { class: "own", onsubmit: (e: Event) => {
      e.preventDefault();
      const p = Number(field.value);
      if (!this.own.includes(p) && !ladder.includes(p)) this.own.push(p);
      field.value = "";
      this.poke();
    } }, "p ", field, h("button", {}, "Add"));
  }

  private async load(windowed: boolean): Promise<void> {
    const even = Array.from({ length: slices }, (_, i) => (cut * i) / slices).concat(cut);
    const rungs = [...ladder, ...this.own].sort((a, b) => a - b);
    const wanted = [...new Set([...even, ...rungs])].map((p) => "p" + Number(p.toFixed(6)));
    const q = `count, min, max, ${[...new Set(wanted)].join(", ")}(${this.s.selector})` + (windowed ? " last " + this.s.last : "");
    const row = (await query(q, this.c.signal)).rows.find((r) => r.type === this.s.tells.type);
    this.values = row?.values ?? {};
    this.errors = row?.errors ?? {};
    this.figures.hidden = !this.values["count"] || this.values["min"] === this.values["max"];
    if (!this.values["count"]) {
      fill(this.picture, empty("No values in this window."));
    } else if (this.values["min"] === this.values["max"]) {
      fill(this.picture, empty(`Every value is ${format.value(this.values["max"])}.`));
    } else {
      const known = even.map((p) => ({ q: p / cut, value: this.values["p" + Number(p.toFixed(6))] ?? 0 }));
      const bins = binned(known, 40);
      fill(this.picture, histogram(bins, `Histogram from ${format.value(bins[0]?.low)} to ${format.value(bins[bins.length - 1]?.high)}; the median is ${format.value(this.values["p50"])}`));
    }
    this.panel.note(this.figures.hidden ? "" : `${format.plural(this.values["count"] ?? 0, "value")} from ${format.value(this.values["min"])} to ${format.value(this.values["max"])}. The picture is drawn from ${slices} quantiles and leaves out the largest ${100 - cut} %.`);
    this.table.update(rungs);
  }
}
