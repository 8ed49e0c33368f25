// A tab over time: how often, and how much.
import { series, type Told } from "../api";
import { Chart, type Line } from "../chart";
import { fill } from "../dom";
import * as format from "../format";
import type { Context } from "../page";
import { paced } from "../paced";
import { Panel, within } from "../panel";
import type { Section, Subject } from "./tab";

/** The charts that the tab's Type has numbers for. */
export function Charts(c: Context, s: Subject): Section[] {
  const has = s.tells.window;
  const charts: Section[] = [];
  if (has.has("p50")) {
    charts.push(chart(c, s, "Percentiles", ["p50", "p90", "p99"].map((key) => ({ key, label: key })), format.value));
  }
  if (has.has("rate")) charts.push(chart(c, s, "Events per second", [{ key: "rate", label: "events/s" }], format.rate));
  if (has.has("average") && !has.has("p50")) charts.push(chart(c, s, "Average", [{ key: "average", label: "average" }], format.value));
  return charts;
}

function chart(c: Context, s: Subject, title: string, lines: Line[], text: (v: number | null | undefined) => string): Section {
  const panel = new Panel(title);
  const drawn = new Chart(`${title} of ${s.name} over the last ${s.last}`, lines, text, c.signal);
  fill(panel.body, drawn.el);
  const q = `${lines.map((l) => l.key).join(", ")}(${s.selector}) last ${s.last} step auto`;
  const poke = paced(c.signal, () => within(panel, c.signal, async () => {
    const a = await series(q, c.signal);
    const points = a.rows.find((r) => r.type === s.tells.type)?.points ?? [];
    const [first, second] = points.length > 2 ? [points[1], points[2]] : [];
    const width = first && second ? second.to - first.to : 0;
    drawn.update(settled(points, width));
    panel.note(width > 0 ? `Each point is ${format.duration(width)}; the newest may not be over yet.` : "");
  }));
  return { el: panel.el, poke };
}

/** Points without a newest one that has hardly begun: what it has of events says nothing. */
function settled(points: Told[], width: number): Told[] {
  const newest = points[points.length - 1];
  return newest && newest.from !== null && newest.to - newest.from < width / 2 ? points.slice(0, -1) : points;
}
