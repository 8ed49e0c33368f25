// The values of a Gauge, an ExpiryGauge or a Buffer, which version 1 of the API
// tells.
import { get } from "../api";
import { fill } from "../dom";
import * as format from "../format";
import type { Context } from "../page";
import { paced } from "../paced";
import { empty, Panel, within } from "../panel";
import { bar } from "../spark";
import { Table } from "../table";
import type { Section, Subject } from "./tab";

const most = 100; // that are shown

interface Held {
  value: string;
  clients: number | null; // how many hold it
  until: number | null; // when it expires
}

export class Values implements Section {
  readonly el: HTMLElement;
  readonly poke: () => void;

  constructor(c: Context, s: Subject) {
    const buffer = s.tells.type === "Buffer";
    const panel = new Panel(buffer ? "Latest values" : "Values");
    this.el = panel.el;
    let sum = 0;
    const table = new Table<Held>("Values", [
      { label: "Value", cell: (v) => v.value },
      buffer
        ? { label: "Expires", number: true, cell: (v) => (v.until === null ? "–" : format.when(v.until)) }
        : { label: "Clients", number: true, cell: (v) => bar((v.clients ?? 0) / (sum || 1), format.count(v.clients)) },
    ], (v) => v.value + " " + (v.until ?? ""));
    this.poke = paced(c.signal, () => within(panel, c.signal, async () => {
      // Version 1 separates names by commas, and reads those within one as %2C.
      const answer = await get<Record<string, unknown>>("/tabs", { name: s.name.replaceAll("%", "%25").replaceAll(",", "%2C") }, c.signal);
      const held = heldOf(answer[s.name]);
      sum = held.reduce((n, v) => n + (v.clients ?? 0), 0);
      if (held.length === 0) panel.show(empty("Nobody holds a value at present."));
      else if (!panel.body.contains(table.el)) fill(panel.body, table.el);
      table.update(held.slice(0, most));
      panel.note(held.length > most ? `${most} of ${format.count(held.length)}.` : "");
    }));
  }
}

function heldOf(answer: unknown): Held[] {
  if (Array.isArray(answer)) {
    return (answer as [unknown, unknown][]).map(([value, until]) => ({ value: text(value), clients: null, until: typeof until === "number" ? until : null }));
  }
  if (typeof answer !== "object" || answer === null) return [];
  return Object.entries(answer)
    .map(([value, n]) => ({ value, clients: typeof n === "number" ? n : null, until: null }))
    .sort((a, b) => (b.clients ?? 0) - (a.clients ?? 0));
}

const text = (v: unknown) => (typeof v === "string" ? v : JSON.stringify(v));
