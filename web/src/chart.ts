// Lines over time, with uPlot. Colours are those of Okabe and Ito, which those
// who confuse red and green tell apart; strokes differ in their dashes, too.
import uPlot from "uplot";
import type { Told } from "./api";
import { fill, h, say } from "./dom";
import * as format from "./format";

const dashes = [[], [7, 4], [2, 3], [10, 3, 2, 3], [1, 4]];

export interface Line {
  key: string; // which value of a point
  label: string;
}

/** Whether there are so few points that lines alone would not show them. */
const sparse = (list: ArrayLike<number | null | undefined>) =>
  Array.prototype.filter.call(list, (v: number | null | undefined) => v !== null && v !== undefined).length < 3;

export class Chart {
  readonly el: HTMLElement;
  private readonly canvas = h("div", { class: "canvas" });
  private readonly legend = h("ul", { class: "legend", "aria-hidden": "true" });
  private readonly figures: HTMLElement[] = [];
  private readonly clock = h("li", { class: "clock" });
  private plot: uPlot | null = null;
  private data: uPlot.AlignedData = [[]];

  constructor(
    private readonly label: string,
    private readonly lines: Line[],
    private readonly text: (v: number | null | undefined) => string,
    signal: AbortSignal,
  ) {
    this.el = h("figure", { class: "chart", role: "img", "aria-label": label }, this.legend, this.canvas);
    fill(this.legend, ...lines.map((l, i) => {
      const figure = h("b");
      this.figures.push(figure);
      return h("li", { class: "line" + i }, h("i", { class: "swatch" }), l.label + " ", figure);
    }), this.clock);
    const sized = new ResizeObserver(() => this.resize());
    sized.observe(this.canvas);
    const themed = () => this.draw();
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", themed);
    document.addEventListener("taba:theme", themed);
    signal.addEventListener("abort", () => {
      sized.disconnect();
      dark.removeEventListener("change", themed);
      document.removeEventListener("taba:theme", themed);
      this.plot?.destroy();
    }, { once: true });
  }

  /** Shows points; times are those of the ends of their intervals. */
  update(points: Told[]): void {
    this.data = [
      points.map((p) => p.to),
      ...this.lines.map((l) => points.map((p) => p.values?.[l.key] ?? null)),
    ];
    if (this.plot) this.plot.setData(this.data);
    else this.draw();
    this.read(null);
    const told = this.lines.map((l, i) => `${l.label} ${this.text(this.last(i))}`).join(", ");
    this.el.setAttribute("aria-label", `${this.label}. Latest: ${told}.`);
  }

  private last(i: number): number | null {
    const list = this.data[i + 1] ?? [];
    for (let k = list.length - 1; k >= 0; k--) if (list[k] !== null && list[k] !== undefined) return list[k]!;
    return null;
  }

  /** Writes the values at the cursor, or the latest, into the legend. */
  private read(at: number | null): void {
    this.figures.forEach((f, i) => say(f, this.text(at === null ? this.last(i) : this.data[i + 1]?.[at])));
    const t = at === null ? undefined : this.data[0][at];
    say(this.clock, t === undefined ? "" : format.clock(t));
  }

  private resize(): void {
    const width = this.canvas.clientWidth;
    if (this.plot && width > 0 && width !== this.plot.width) this.plot.setSize({ width, height: this.plot.height });
    else if (!this.plot && width > 0 && this.data[0].length > 0) this.draw();
  }

  private draw(): void {
    const width = this.canvas.clientWidth;
    if (width === 0) return; // until it is in the page
    this.plot?.destroy();
    const style = getComputedStyle(document.documentElement);
    const color = (name: string) => style.getPropertyValue(name).trim();
    const axis = { stroke: color("--muted"), font: "11px system-ui, sans-serif", grid: { stroke: color("--line"), width: 1 }, ticks: { show: false } };
    this.plot = new uPlot({
      width,
      height: 200,
      legend: { show: false },
      cursor: { y: false, points: { size: 6 } },
      hooks: { setCursor: [(u) => this.read(u.cursor.idx ?? null)] },
      scales: { y: { range: (_u, low, high) => (high === null ? [0, 1] : [Math.min(0, low), high > 0 ? high * 1.08 : 1]) } },
      axes: [
        { ...axis, space: 70, size: 26, values: (_u, ticks, _i, _s, step) => ticks.map((t) => (step < 60 ? format.clock(t) : format.clock(t).slice(0, 5))) },
        { ...axis, size: 46, values: (_u, ticks) => ticks.map(format.short) },
      ],
      series: [{}, ...this.lines.map((_l, i) => ({
        stroke: color("--line-" + i), width: 1.75, dash: dashes[i % dashes.length]!, spanGaps: false,
        points: { size: 5, fill: color("--line-" + i), show: (u: uPlot, k: number) => sparse(u.data[k] ?? []) },
      }))],
    }, this.data, this.canvas);
  }
}
