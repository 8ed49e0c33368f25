// The cluster, as the server that answers knows it.
import { fill, h } from "../dom";
import * as format from "../format";
import type { Context, Page } from "../page";
import { paced, repeatedly } from "../paced";
import { empty, Panel, within } from "../panel";
import { bar } from "../spark";
import { status, type AgentState, type Count, type Delivery, type DoorRate, type Percentile, type ServerSeen, type Status } from "../status";
import { Table } from "../table";

/** One table of the page: its panel, and what it shows of the status. */
interface Part {
  panel: Panel;
  show(s: Status): void;
}

function listed<R>(title: string, none: string, table: Table<R>, rows: (s: Status) => R[]): Part {
  const panel = new Panel(title);
  let shown: boolean | undefined;
  return {
    panel,
    show(s) {
      const list = rows(s);
      if (shown !== list.length > 0) fill(panel.body, list.length > 0 ? table.el : empty(none));
      shown = list.length > 0;
      table.update(list);
    },
  };
}

export function clusterPage(c: Context): Page {
  let asOf = 0;
  const ago = (t: number) => (t > 0 ? format.duration(Math.max(0, asOf - t)) + " ago" : "–");
  const servers = listed<ServerSeen>("Servers", "None is known.", new Table("Servers", [
    { label: "Name", cell: (s) => s.name + (s.self ? " (this one)" : "") },
    { label: "Roles", cell: (s) => (s.roles ?? []).join(", ") },
    { label: "Address", cell: (s) => s.address || "–", wide: true },
    { label: "Version", cell: (s) => s.version || "–", wide: true },
    { label: "Last heartbeat", number: true, cell: (s) => ago(s.last_heartbeat) },
  ], (s) => s.id + s.name), (s) => s.servers ?? []);

  const agents = listed<AgentState>("Agents and their spools", "No agent has reported to this server.", new Table("Agents", [
    { label: "Agent", cell: (a) => a.name || a.address },
    { label: "Spool", number: true, cell: (a) => bar(a.spool_bytes / (a.spool_quota_bytes || Infinity), format.bytes(a.spool_bytes)) },
    { label: "Waiting events", number: true, cell: (a) => format.count(a.backlog_events) },
    { label: "Oldest", number: true, wide: true, cell: (a) => (a.oldest_seconds > 0 ? format.duration(a.oldest_seconds) : "–") },
    { label: "Sent again", number: true, wide: true, cell: (a) => format.count(a.resent_parts), title: "Parts that were sent more than once, for any reason" },
    { label: "Restored", number: true, wide: true, cell: (a) => format.count(a.restored_events), title: "Events that the store had lost, and that the agent sent again" },
    { label: "Refused", number: true, wide: true, cell: (a) => format.count(a.refused_events) },
    { label: "Lost", number: true, cell: (a) => format.count(a.lost_events), title: "Events that are lost for certain" },
    { label: "In doubt", number: true, wide: true, cell: (a) => format.count(a.in_doubt_events), title: "Events in quarantine: they may be counted or not" },
    { label: "Last error", cell: (a) => a.last_error || "–", wide: true },
    { label: "Seen", number: true, cell: (a) => ago(a.last_seen) },
  ], (a) => a.id + a.name), (s) => s.agents ?? []);

  const doors = listed<DoorRate>("What comes in", "Nothing comes in.", new Table("What comes in", [
    { label: "Door", cell: (d) => d.door },
    { label: "Events/s", number: true, cell: (d) => format.rate(d.events_per_second) },
    { label: "Bytes/s", number: true, cell: (d) => format.bytes(d.bytes_per_second) },
    { label: "Events", number: true, cell: (d) => format.count(d.events), wide: true },
    { label: "Bytes", number: true, cell: (d) => format.bytes(d.bytes), wide: true },
  ], (d) => d.door), (s) => s.rates ?? []);

  const refused = listed<Count>("Refused", "Nothing was refused.", new Table("Refused, by reason", [
    { label: "Why", cell: (r) => r.what || r.reason },
    { label: "Door", cell: (r) => r.door, wide: true },
    { label: "Reason", cell: (r) => r.reason, wide: true },
    { label: "How many", number: true, cell: (r) => format.plural(r.n, r.unit.replace(/s$/, ""), r.unit) },
  ], (r) => r.door + r.reason + r.unit), (s) => (s.refused ?? []).filter((r) => r.n > 0).sort((a, b) => b.n - a.n));

  const latency = listed<Percentile>("How long work takes", "Nothing was measured yet.", new Table("How long work takes", [
    { label: "Stage", cell: (l) => l.stage },
    { label: "p50", number: true, cell: (l) => format.millis(l.p50_ms) },
    { label: "p90", number: true, wide: true, cell: (l) => format.millis(l.p90_ms) },
    { label: "p99", number: true, cell: (l) => format.millis(l.p99_ms) },
    { label: "Max", number: true, cell: (l) => format.millis(l.max_ms) },
    { label: "Of", number: true, wide: true, cell: (l) => format.count(l.count) },
  ], (l) => l.stage), (s) => s.latency ?? []);

  const store = facts("Store", (s) => s.store && [
    ["Kind", s.store.kind],
    ["Shards (vbuckets)", format.count(s.store.vbuckets)],
    ["Log", format.bytes(s.store.log_bytes)],
    ["Records", format.bytes(s.store.record_bytes)],
    ["Events ever", format.count(s.store.events)],
    ["Commits", format.count(s.store.commits)],
  ]);
  const delivery = facts("Sent again, and lost", (s) => [
    ["Lost for certain", format.plural(s.delivery.lost_events + s.delivery.posted_lost_events, "event") + lostWhere(s.agents)],
    ["In doubt", format.plural(s.delivery.in_doubt_events, "event")],
    ...(s.delivery.damaged_records > 0 ? [["Damaged", format.plural(s.delivery.damaged_records, "record") + " of spools"] as [string, string]] : []),
    ["Lost by the store, sent again", format.plural(s.delivery.restored_events, "event")],
    ["Sent again", format.plural(s.delivery.resent_parts, "part") + (s.delivery.resent_at > 0 ? ", last " + ago(s.delivery.resent_at) : "")],
  ], (s) => sentence(s.delivery, ago));
  const horsemen = facts("What an event costs", (s) => [
    ["Copies", unit(s.cost.copied_bytes_per_event, "bytes per event")],
    ["Context switches", unit(s.cost.context_switches_per_1000_events, "per 1,000 events")],
    ["Allocations", unit(s.cost.allocations_per_1000_events, "per 1,000 events")],
    ["Lock contention", unit(s.cost.lock_wait_ns_per_event, "ns per event")],
  ], (s) => (s.cost.events > 0 ? `Over ${format.plural(s.cost.events, "event")} in ${format.duration(s.cost.seconds)}; the whole process, queries and this page included.` : "Of late there were no events."));

  const parts = [servers, delivery, agents, doors, horsemen, refused, latency, store];
  const heading = h("p", { class: "lead" });
  const signs = h("ul", { class: "signs" });
  const load = paced(c.signal, () => within(servers.panel, c.signal, async () => {
    const s = await status(c.signal);
    asOf = s.as_of;
    c.fresh({ as_of: s.as_of, lag_ms: s.lag_ms, complete: s.health.state !== "partial" });
    fill(heading, `${s.name}, version ${s.version}, up ${format.duration(s.uptime_seconds)}: `, h("b", { "data-health": s.health.state }, s.health.state));
    fill(signs, ...(s.health.reasons ?? []).map((r) => h("li", { "data-sign": "bad" }, r.what)),
      ...(s.health.notices ?? []).map((r) => h("li", { "data-sign": "notice" }, r.what)));
    for (const p of parts) p.show(s);
  }));
  return {
    title: "Cluster",
    el: h("div", { class: "page" }, h("h1", {}, "Cluster"), heading, signs, servers.panel.el, delivery.panel.el, agents.panel.el,
      h("div", { class: "pair" }, doors.panel.el, horsemen.panel.el),
      refused.panel.el,
      h("div", { class: "pair" }, latency.panel.el, store.panel.el)),
    begin: () => repeatedly(1000, c.signal, load),
  };
}

/** Whether an operator has to do something. */
function sentence(d: Delivery, ago: (t: number) => string): string {
  const when = d.loss_at > 0 ? `, last ${ago(d.loss_at)}` : "";
  if (d.lost_events + d.posted_lost_events > 0) return `Acknowledged events are lost${when}: the store lost them, and nobody holds them any more. Totals are too low by so many.`;
  if (d.in_doubt_events > 0) return `No event is lost for certain. Events in doubt${when} may be counted or not, and are not sent: the agents' logs say why.`;
  if (d.damaged_records > 0) return "Records of an agent's spool cannot be read: how many events they held is not known.";
  if (d.restored_events > 0) return "The store had lost acknowledged events; agents sent them again, and nothing is lost.";
  return "Nothing that was acknowledged is lost.";
}

function lostWhere(agents: AgentState[] | null): string {
  const list = (agents ?? []).filter((a) => a.lost_vbuckets !== "");
  return list.length > 0 ? ": " + list.map((a) => `${a.name}, ${a.lost_vbuckets}`).join("; ") : "";
}

function unit(n: number | null, of: string): string {
  return n === null ? "not measured" : format.value(n) + " " + of;
}

/** A panel with names and values. */
function facts(title: string, of: (s: Status) => [string, string][] | undefined, note: (s: Status) => string = () => ""): Part {
  const panel = new Panel(title);
  return {
    panel,
    show(s) {
      const list = of(s);
      panel.show(list ? h("dl", { class: "facts" }, ...list.flatMap(([k, v]) => [h("dt", {}, k), h("dd", {}, v)])) : empty("There is none."));
      panel.note(note(s));
    },
  };
}
