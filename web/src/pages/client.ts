// Clients: the list of them, and what one recorded, tab by tab.
import { clients, query, type Row } from "../api";
import { fill, h } from "../dom";
import * as format from "../format";
import type { Context, Page } from "../page";
import { paced, repeatedly } from "../paced";
import { empty, Panel, within } from "../panel";
import { Table } from "../table";
import { link, quoted, toClient, toTab } from "../words";
import { pager } from "./tabs";

const size = 100;

export function clientsPage(c: Context): Page {
  const prefix = c.params.get("find") ?? "";
  const after = c.params.get("after") ?? "";
  const panel = new Panel("Clients");
  const field = h("input", { type: "search", value: prefix, "aria-label": "Clients that begin with", placeholder: "How the client's name begins", spellcheck: "false" });
  const form = h("form", { class: "finder", role: "search", onsubmit: (e: Event) => (e.preventDefault(), c.change({ find: field.value.trim(), after: "" })) },
    field, h("button", { class: "main" }, "Find"));
  const table = new Table<string>("Clients", [{ label: "Client", cell: (n) => n || "(no name)" }], (n) => n, toClient);
  return {
    title: "Clients",
    el: h("div", { class: "page" }, h("h1", { class: "quiet" }, "Clients"), form, panel.el),
    begin() {
      void within(panel, c.signal, async () => {
        const a = await clients({ prefix, after, limit: String(size) }, c.signal);
        c.fresh(a);
        if (a.clients.length === 0) {
          panel.show(empty(prefix ? "No client begins with that." : "Nobody has recorded anything yet."));
          return;
        }
        fill(panel.body, table.el, pager(link("clients", { find: prefix }), after, a.next && link("clients", { find: prefix, after: a.next })));
        table.update(a.clients);
      });
    },
  };
}

const lasts = ["1m", "10m", "1h", "1d", ""] as const;

export function clientPage(c: Context): Page {
  const name = c.params.get("name") ?? "";
  const last = c.params.get("last") ?? "10m";
  const after = c.params.get("after") ?? "";
  const panel = new Panel("What it recorded", h("div", { class: "choice", role: "group", "aria-label": "Window" },
    ...lasts.map((l) => h("button", { type: "button", "aria-pressed": String(l === (last === "ever" ? "" : last)), onclick: () => c.change({ last: l || "ever", after: "" }) }, l || "ever"))));
  const value = (key: string) => (r: Row) => format.value(r.values?.[key]);
  const table = new Table<Row>("What the client recorded", [
    { label: "Tab", cell: (r) => r.by["tab"] ?? "" },
    { label: "Type", cell: (r) => r.type, wide: true },
    { label: "Count", number: true, cell: (r) => format.count(r.values?.["count"] ?? r.values?.["distinct"]) },
    { label: "Events/s", number: true, wide: true, cell: (r) => format.rate(r.values?.["rate"]) },
    { label: "Average", number: true, cell: value("average") },
    { label: "p50", number: true, wide: true, cell: value("p50") },
    { label: "p99", number: true, wide: true, cell: value("p99") },
    { label: "Max", number: true, wide: true, cell: value("max") },
  ], (r) => r.by["tab"] + " " + r.type, (r) => toTab(r.by["tab"] ?? ""));
  let shown = false;
  const load = paced(c.signal, () => within(panel, c.signal, async () => {
    const q = `* client ${quoted(name)} by (tab)` + (last === "ever" ? "" : " last " + last);
    const params: Record<string, string> = { limit: String(size) };
    if (after) params["after"] = after;
    const a = await query(q, c.signal, params);
    c.fresh({ ...a, complete: true });
    const untimed = (a.missing ?? []).filter((m) => m.reason === "no_windows").reduce((n, m) => n + m.tabs, 0);
    panel.note(untimed > 0 ? `Without ${format.plural(untimed, "tab")} whose Types keep no times: see “ever”.` : "");
    if (a.rows.length === 0) {
      panel.show(empty("Nothing" + (last === "ever" ? ". Is the name right? " : " in this window. "), h("a", { href: link("clients", { find: name }) }, "Clients with such a name")));
      shown = false;
      return;
    }
    if (!shown) fill(panel.body, table.el, pager(link("client", { name, last }), after, a.next && link("client", { name, last, after: a.next })));
    shown = true;
    table.update(a.rows);
  }));
  return {
    title: name,
    el: h("div", { class: "page" }, h("header", { class: "title" }, h("p", {}, h("a", { href: link("clients") }, "Client")), h("h1", {}, name)), panel.el),
    begin: () => repeatedly(1000, c.signal, load),
  };
}
