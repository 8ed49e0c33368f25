// The list of tabs, as the server pages it.
import { names, type Named } from "../api";
import { fill, h } from "../dom";
import type { Context, Page } from "../page";
import { empty, Panel, within } from "../panel";
import { Table } from "../table";
import { containing, link, toExplain, toTab } from "../words";

const size = 100;

export function tabsPage(c: Context): Page {
  const find = c.params.get("find") ?? "";
  const after = c.params.get("after") ?? "";
  const panel = new Panel(find ? "Tabs with “" + find + "”" : "Tabs");
  const field = h("input", { type: "search", name: "find", value: find, "aria-label": "Tabs that have", placeholder: "Any part of a name, or a glob such as bid*", spellcheck: "false" });
  const form = h("form", { class: "finder", role: "search", onsubmit: (e: Event) => (e.preventDefault(), c.change({ find: field.value.trim(), after: "" })) },
    field, h("button", { class: "main" }, "Find"));
  const table = new Table<Named>("Tabs", [
    { label: "Tab", cell: (n) => n.name || "(no name)" },
    { label: "Type", cell: (n) => n.type },
  ], (n) => n.name + " " + n.type, (n) => toTab(n.name));
  const el = h("div", { class: "page" }, h("h1", { class: "quiet" }, "Tabs"), form, panel.el);
  return {
    title: "Tabs",
    el,
    begin() {
      void within(panel, c.signal, async () => {
        const params: Record<string, string> = { limit: String(size) };
        if (after) params["after"] = after;
        if (find) params["match"] = /[*?]/.test(find) ? find : containing(find);
        const a = await names(params, c.signal);
        c.fresh(a);
        if (a.names.length === 0) {
          panel.show(empty("There is none. ", find && h("a", { href: toExplain(find) }, "Ask what became of “" + find + "”")));
          return;
        }
        fill(panel.body, table.el, pager(link("tabs", { find }), after, a.next && link("tabs", { find, after: a.next })));
        table.update(a.names);
      });
    },
  };
}

/** Links to the first and the next page of a list. */
export function pager(first: string, after: string, next: string | undefined): HTMLElement {
  return h("p", { class: "pager" },
    after !== "" && h("a", { href: first, rel: "first" }, "First page"),
    next && h("a", { href: next, rel: "next" }, "Next page"));
}
