// Where did my metric go? What became of a name, step by step.
import { fill, h, type Child } from "../dom";
import * as format from "../format";
import type { Context, Page } from "../page";
import { paced, repeatedly } from "../paced";
import { empty, Panel, within } from "../panel";
import { explain, type Explanation, type Step, type Trace } from "../status";
import { Table } from "../table";
import { link, toClient, toExplain, toTab } from "../words";

/** Verdicts and states in words, and whether they are good news. */
const verdicts: Record<string, [string, string]> = {
  served: ["ok", "It counts"],
  partly_refused: ["notice", "Some of it is refused"],
  refused: ["bad", "It is refused"],
  moved: ["notice", "It counts under another name"],
  near: ["notice", "Not this name, but others like it"],
  unknown: ["bad", "Never seen"],
};
const states: Record<string, string> = { ok: "✓", bad: "✕", none: "–", unknown: "?" };
const stateWords: Record<string, string> = { ok: "in order", bad: "something was stopped here", none: "nothing happened", unknown: "not counted by name" };

export function explainPage(c: Context): Page {
  const name = c.params.get("name") ?? "";
  const field = h("input", { type: "search", value: name, "aria-label": "Name of the tab", placeholder: "The name as you send it", spellcheck: "false", autocomplete: "off" });
  const form = h("form", { class: "finder", role: "search", onsubmit: (e: Event) => (e.preventDefault(), c.change({ name: field.value })) },
    field, h("button", { class: "main" }, "Explain"));
  const panel = new Panel(name ? "What became of “" + name + "”" : "Where did my metric go?");
  const load = paced(c.signal, () => within(panel, c.signal, async () => {
    const x = await explain(name, c.signal);
    c.fresh(x);
    const focused = panel.body.contains(document.activeElement) ? document.activeElement?.getAttribute("href") : null;
    fill(panel.body, ...told(x));
    if (focused) panel.body.querySelector<HTMLElement>(`a[href="${CSS.escape(focused)}"]`)?.focus();
  }));
  return {
    title: name ? "Explain " + name : "Explain",
    el: h("div", { class: "page" }, h("h1", { class: "quiet" }, "Explain"), form, panel.el),
    begin() {
      if (name) {
        repeatedly(5000, c.signal, load);
        return;
      }
      panel.show(empty("Give a name, and this says what became of its events: whether they came, were refused and why, and who sends them. In a terminal: ", h("code", {}, "taba explain NAME"), "."));
      field.focus();
    },
  };
}

function told(x: Explanation): Child[] {
  const [sign, words] = verdicts[x.verdict] ?? ["notice", x.verdict];
  return [
    h("p", { class: "verdict", "data-sign": sign }, h("b", {}, words)),
    h("p", { class: "summary" }, x.summary),
    x.tab && h("p", {}, h("a", { href: toTab(x.name) }, "Its numbers"), ` ${x.tab.type}, ${format.plural(x.tab.clients, "client")}`,
      x.tab.events_per_second !== null && `, ${format.rate(x.tab.events_per_second)} events/s`),
    part("Steps", x.steps, steps),
    part("What did not simply count", x.traces, traces),
    part("Names like it", x.near, near),
    part("Who sends it", x.clients, senders),
    part("Agents that know of it", x.agents, agents),
  ];
}

function part<T>(title: string, list: T[] | null, show: (list: T[]) => HTMLElement): Child {
  return list && list.length > 0 ? h("section", { class: "inner" }, h("h3", {}, title), show(list)) : null;
}

function steps(list: Step[]): HTMLElement {
  return h("ol", { class: "steps" }, ...list.map((s) =>
    h("li", { "data-step": s.state },
      h("i", { role: "img", "aria-label": stateWords[s.state] ?? s.state }, states[s.state] ?? "?"),
      h("b", {}, s.step),
      h("span", {}, s.what),
      h("small", {}, [
        s.events !== null && format.plural(s.events, "event"),
        s.events_per_second !== null && format.rate(s.events_per_second) + "/s",
        s.last !== null && "last at " + format.when(s.last),
      ].filter(Boolean).join(" · ")))));
}

function traces(list: Trace[]): HTMLElement {
  return h("ul", { class: "traces" }, ...list.map((t) => h("li", {},
    h("p", {}, h("b", {}, t.kind), ` at ${format.when(t.last)}: ${t.what}.`),
    t.detail && h("p", { class: "detail" }, t.detail),
    t.remedy && h("p", {}, "What to do: " + t.remedy, t.limit && " (", t.limit && h("code", {}, t.limit), t.limit && ")", "."),
    h("p", { class: "small" }, [
      t.name !== "" && "sent as " + t.name, t.type && "as a " + t.type, t.client && "by " + t.client, t.sender && "from " + t.sender,
      t.agent && "through the agent " + t.agent, "door " + t.door, "reason " + t.reason,
      t.events > 0 && format.plural(t.events, "event"), format.plural(t.times, "time"),
    ].filter(Boolean).join(" · ")))));
}

function near(list: NonNullable<Explanation["near"]>): HTMLElement {
  const table = new Table<(typeof list)[number]>("Names like it", [
    { label: "Name", cell: (n) => n.name },
    { label: "Type", cell: (n) => n.type || "–" },
    { label: "What became of it", cell: (n) => n.state + (n.reason ? ": " + n.reason : "") },
  ], (n) => n.name + n.state + n.reason, (n) => (n.state === "served" ? toTab(n.name) : toExplain(n.name)));
  table.update(list);
  return table.el;
}

function senders(list: NonNullable<Explanation["clients"]>): HTMLElement {
  const table = new Table<(typeof list)[number]>("Who sends it", [
    { label: "Client", cell: (s) => s.client || "(no name)" },
    { label: "Events", number: true, cell: (s) => format.count(s.events) },
    { label: "Events/s", number: true, cell: (s) => format.rate(s.events_per_second) },
  ], (s) => s.client, (s) => toClient(s.client));
  table.update(list);
  return table.el;
}

function agents(list: NonNullable<Explanation["agents"]>): HTMLElement {
  const table = new Table<(typeof list)[number]>("Agents that know of it", [
    { label: "Agent", cell: (a) => a.agent || a.address },
    { label: "Refused events", number: true, cell: (a) => format.count(a.refused_events) },
    { label: "Waiting events", number: true, cell: (a) => format.count(a.backlog_events) },
    { label: "Seen", number: true, cell: (a) => format.when(a.last_seen) },
  ], (a) => a.agent + a.address, () => link("cluster"));
  table.update(list);
  return table.el;
}
