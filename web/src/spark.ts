// Small pictures of numbers: lines beside a row, bars in a table, a histogram.
import * as format from "./format";
import { h, svg } from "./dom";

const width = 96;
const height = 22;

/** A line of values, from the oldest on; gaps where there are none. */
export function sparkline(values: (number | null)[], label: string): SVGElement {
  const top = Math.max(...values.map((v) => v ?? 0), 0) || 1;
  const step = (width - 2) / Math.max(1, values.length - 1);
  let path = "";
  let pen = false;
  values.forEach((v, i) => {
    if (v === null) {
      pen = false;
      return;
    }
    path += `${pen ? "L" : "M"}${(1 + i * step).toFixed(1)} ${(height - 2 - (v / top) * (height - 4)).toFixed(1)}`;
    pen = true;
  });
  return svg("svg", { class: "spark", width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label },
    svg("path", { d: path }));
}

/** A bar for a part of the largest. */
export function bar(part: number, text: string): HTMLElement {
  const share = Math.max(0, Math.min(1, Number.isFinite(part) ? part : 0));
  return h("span", { class: "barred" },
    svg("svg", { class: "bar", viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" },
      svg("rect", { width: (share * 100).toFixed(2), height: 8, rx: 1 })),
    h("span", {}, text));
}

/** One stretch of values and the part of all events that are in it. */
export interface Bin {
  low: number;
  high: number;
  part: number;
}

/** Spreads what quantiles say, in ascending order of q, over bins of equal width. */
export function binned(quantiles: { q: number; value: number }[], bins: number): Bin[] {
  const first = quantiles[0];
  const last = quantiles[quantiles.length - 1];
  if (!first || !last) return [];
  const low = first.value;
  const span = last.value - low || 1;
  const parts = new Array<number>(bins).fill(0);
  const at = (v: number) => Math.min(bins - 1, Math.max(0, Math.floor(((v - low) / span) * bins)));
  for (let i = 1; i < quantiles.length; i++) {
    const a = quantiles[i - 1]!;
    const b = quantiles[i]!;
    const mass = b.q - a.q;
    const from = at(a.value);
    const to = at(b.value);
    for (let k = from; k <= to; k++) {
      const left = Math.max(a.value, low + (k / bins) * span);
      const right = Math.min(b.value, low + ((k + 1) / bins) * span);
      const share = b.value > a.value ? Math.max(0, right - left) / (b.value - a.value) : 1 / (to - from + 1);
      parts[k]! += mass * share;
    }
  }
  return parts.map((part, k) => ({ low: low + (k / bins) * span, high: low + ((k + 1) / bins) * span, part }));
}

/** A histogram with the given quantiles marked below it. */
export function histogram(bins: Bin[], label: string): SVGElement {
  const w = 600;
  const hgt = 280;
  const top = Math.max(...bins.map((b) => b.part)) || 1;
  const step = w / bins.length;
  const bars = bins.map((b, i) => {
    const size = (b.part / top) * (hgt - 26);
    return svg("rect", { x: (i * step + 0.5).toFixed(1), y: (hgt - 20 - size).toFixed(1), width: (step - 1).toFixed(1), height: size.toFixed(1) },
      svg("title", {}, `${format.value(b.low)} to ${format.value(b.high)}: ${(b.part * 100).toFixed(1)} %`));
  });
  const marks = [0, 0.25, 0.5, 0.75, 1].map((f) => {
    const at = bins[0]!.low + f * (bins[bins.length - 1]!.high - bins[0]!.low);
    const anchor = f === 0 ? "start" : f === 1 ? "end" : "middle";
    return svg("text", { x: f * w, y: hgt - 5, "text-anchor": anchor }, format.value(at));
  });
  return svg("svg", { class: "histogram", viewBox: `0 0 ${w} ${hgt}`, role: "img", "aria-label": label },
    svg("line", { x1: 0, x2: w, y1: hgt - 20, y2: hgt - 20 }), ...bars, ...marks);
}
