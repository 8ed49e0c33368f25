// The page of a Taba server: which page an address means, links, keys.
import { fill, h } from "./dom";
import type { Context, Maker, Page } from "./page";
import { clientPage, clientsPage } from "./pages/client";
import { clusterPage } from "./pages/cluster";
import { explainPage } from "./pages/explain";
import { overviewPage } from "./pages/overview";
import { tabPage } from "./pages/tab";
import { tabsPage } from "./pages/tabs";
import { goKeys, Shell } from "./shell";
import { theme, useTheme } from "./theme";

const makers: Record<string, Maker> = {
  "": overviewPage, tabs: tabsPage, tab: tabPage, clients: clientsPage, client: clientPage, cluster: clusterPage, explain: explainPage,
};

/** Which of the links in the heading a page belongs to. */
const parents: Record<string, string> = { tab: "tabs", client: "clients" };

useTheme(theme());
const shell = new Shell(go, show);
let left = new AbortController();
let page: Page | undefined;

function go(to: string, replace = false): void {
  if (replace) history.replaceState(null, "", to);
  else history.pushState(null, "", to);
  show();
  if (!replace) scrollTo(0, 0);
}

/** Makes the page that the address means. */
function show(): void {
  left.abort();
  left = new AbortController();
  const signal = left.signal;
  const name = location.pathname.replace(/^\/(ui\/?)?/, "").replace(/\/$/, "");
  const make = makers[name];
  const context: Context = {
    params: new URLSearchParams(location.search),
    signal,
    fresh: (a) => signal.aborted || shell.fresh(a),
    stale: (why) => signal.aborted || shell.stale(why),
    change: (params) => {
      const all = new URLSearchParams(location.search);
      for (const [k, v] of Object.entries(params)) v ? all.set(k, v) : all.delete(k);
      const query = all.toString();
      go(location.pathname + (query ? "?" + query : ""), true);
    },
  };
  page = make ? make(context) : missing();
  shell.at(parents[name] ?? name, page.title);
  fill(shell.main, page.el);
  page.begin();
}

function missing(): Page {
  return {
    title: "Not found",
    el: h("div", { class: "page" }, h("h1", {}, "There is no such page"), h("p", {}, h("a", { href: "/" }, "To the overview"))),
    begin: () => undefined,
  };
}

document.addEventListener("click", (e) => {
  const a = (e.target as Element).closest("a");
  if (!a || e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
  if (a.origin !== location.origin || a.target || a.hasAttribute("download")) return;
  if (a.pathname !== "/" && !a.pathname.startsWith("/ui/")) return;
  if (a.hash) return;
  e.preventDefault();
  go(a.pathname + a.search);
});
addEventListener("popstate", show);

let prefix = ""; // a key that waits for another one

document.addEventListener("keydown", (e) => {
  if (e.metaKey || e.ctrlKey || e.altKey || document.querySelector("dialog[open]")) return;
  const target = e.target as HTMLElement;
  if (target.matches("input, textarea, select")) {
    if (e.key === "Escape") target.blur();
    return;
  }
  const was = prefix;
  prefix = "";
  if (was === "g" && goKeys.has(e.key)) go(goKeys.get(e.key)!);
  else if (e.key === "g") prefix = "g";
  else if (e.key === "j" || e.key === "k") step(e.key === "j" ? 1 : -1);
  else if (page?.keys?.[e.key]) page.keys[e.key]!();
  else if (shell.keys()[e.key]) shell.keys()[e.key]!();
  else return;
  e.preventDefault();
});

/** Moves the focus among the rows of the page. */
function step(by: number): void {
  const rows = [...shell.main.querySelectorAll<HTMLElement>("a[data-row]")];
  const at = rows.indexOf(document.activeElement as HTMLElement);
  const to = rows[at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.max(0, Math.min(rows.length - 1, at + by))];
  to?.focus();
  to?.scrollIntoView({ block: "nearest" });
}

show();
