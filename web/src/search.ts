// Search as you type: the server searches, one request at a time, and what was
// typed meanwhile is the next. First what begins with the text, then what has
// it somewhere.
import { clients, names, Refused, type Named } from "./api";
import { fill, h } from "./dom";
import { containing, link, toClient, toExplain, toTab } from "./words";

const most = 8; // of each kind

interface Hit {
  text: string;
  what: string;
  href: string;
}

export function search(go: (to: string) => void): { el: HTMLElement; focus(): void } {
  const input = h("input", {
    type: "search", placeholder: "Search tabs and clients", "aria-label": "Search tabs and clients", role: "combobox",
    "aria-expanded": "false", "aria-controls": "hits", "aria-autocomplete": "list", autocomplete: "off", spellcheck: "false",
  });
  const list = h("ul", { id: "hits", role: "listbox", "aria-label": "Found", hidden: true });
  const el = h("search", { class: "search" }, input, h("kbd", { "aria-hidden": "true" }, "/"), list);
  const control = new AbortController();
  let hits: Hit[] = [];
  let chosen = 0;
  let running = false;
  let shown = ""; // what was searched for

  const close = () => {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  const choose = (i: number) => {
    chosen = hits.length ? (i + hits.length) % hits.length : 0;
    [...list.children].forEach((li, k) => li.setAttribute("aria-selected", String(k === chosen)));
    list.children[chosen]?.scrollIntoView({ block: "nearest" });
    if (hits.length) input.setAttribute("aria-activedescendant", "hit" + chosen);
  };
  const open = (hit: Hit) => {
    input.value = "";
    input.blur();
    close();
    go(hit.href);
  };
  const show = (found: Hit[]) => {
    hits = found;
    fill(list, ...hits.map((hit, i) =>
      h("li", { id: "hit" + i, role: "option", onmousedown: (e: MouseEvent) => (e.preventDefault(), open(hit)) },
        h("span", {}, hit.text), h("small", {}, hit.what))));
    list.hidden = document.activeElement !== input;
    input.setAttribute("aria-expanded", String(!list.hidden));
    choose(0);
  };
  const run = async () => {
    if (running) return;
    running = true;
    while (input.value.trim() !== shown) {
      const text = input.value.trim();
      try {
        const found = text ? await find(text, control.signal) : [];
        shown = text;
        if (text) show(found);
        else close();
      } catch (e) {
        shown = text;
        show([{ text: e instanceof Refused ? e.message : String(e), what: "", href: link("tabs") }]);
      }
    }
    running = false;
  };

  input.addEventListener("input", () => void run());
  input.addEventListener("focus", () => {
    shown = "";
    void run();
  });
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (e) => {
    if (e.key === "ArrowDown") choose(chosen + 1);
    else if (e.key === "ArrowUp") choose(chosen - 1);
    else if (e.key === "Escape") input.blur();
    else if (e.key === "Enter" && shown === input.value.trim() && hits[chosen]) open(hits[chosen]!);
    else if (e.key === "Enter" && input.value.trim()) go(link("tabs", { find: input.value.trim() }));
    else return;
    e.preventDefault();
  });
  return { el, focus: () => (input.focus(), input.select()) };
}

async function find(text: string, signal: AbortSignal): Promise<Hit[]> {
  const limit = String(most);
  const [first, whose] = await Promise.all([names({ prefix: text, limit }, signal), clients({ prefix: text, limit: "4" }, signal)]);
  const tabs = first.names;
  if (tabs.length < most) {
    const more = await names({ match: containing(text), limit: String(2 * most) }, signal);
    for (const n of more.names) if (tabs.length < most && !tabs.some((t) => t.name === n.name)) tabs.push(n);
  }
  const hits: Hit[] = tabs.map((n: Named) => ({ text: n.name, what: n.type, href: toTab(n.name) }));
  for (const c of whose.clients) hits.push({ text: c, what: "client", href: toClient(c) });
  if (tabs.length === most) hits.push({ text: text, what: "all tabs with it", href: link("tabs", { find: text }) });
  hits.push({ text: text, what: tabs.some((t) => t.name === text) ? "explain" : "not there? explain", href: toExplain(text) });
  return hits;
}
