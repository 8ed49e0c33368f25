// What a server tells of itself and of those it knows: /v2/status, /v2/explain.
import { get } from "./api";

export interface Status {
  kind: string;
  name: string;
  version: string;
  as_of: number;
  lag_ms: number;
  started: number;
  uptime_seconds: number;
  health: { state: string; reasons: Reason[] | null; notices: Reason[] | null };
  store?: { kind: string; vbuckets: number; log_bytes: number; record_bytes: number; events: number; commits: number };
  tabs: number;
  states: number;
  clients: number | null;
  rates: DoorRate[] | null;
  refused: Count[] | null;
  servers: ServerSeen[] | null;
  agents: AgentState[] | null;
  delivery: Delivery;
  latency: Percentile[] | null;
  cost: Cost;
}

export interface Reason {
  code: string;
  what: string;
}

export interface DoorRate {
  door: string;
  events: number;
  events_per_second: number;
  bytes: number;
  bytes_per_second: number;
}

export interface Count {
  door: string;
  reason: string;
  unit: string;
  n: number;
  what: string;
}

export interface ServerSeen {
  id: string;
  name: string;
  address: string;
  roles: string[] | null;
  version: string;
  last_heartbeat: number;
  self: boolean;
}

export interface AgentState {
  id: string;
  name: string;
  address: string;
  version: string;
  last_seen: number;
  spool_bytes: number;
  spool_quota_bytes: number;
  oldest_seconds: number;
  backlog_bytes: number;
  backlog_events: number;
  resent_parts: number;
  resent_at: number;
  restored_events: number;
  lost_events: number;
  lost_vbuckets: string;
  in_doubt_events: number;
  loss_at: number;
  damaged_records: number;
  quarantine_bytes: number;
  refused_events: number;
  last_error: string;
}

/** What had to be sent again, and what is lost or in doubt, of all agents and servers. */
export interface Delivery {
  resent_parts: number;
  resent_at: number;
  restored_events: number;
  lost_events: number;
  in_doubt_events: number;
  loss_at: number;
  damaged_records: number;
  posted_lost_events: number;
}

export interface Percentile {
  stage: string;
  count: number;
  p50_ms: number;
  p90_ms: number;
  p99_ms: number;
  max_ms: number;
}

export interface Cost {
  events: number;
  seconds: number;
  copied_bytes_per_event: number | null;
  context_switches_per_1000_events: number | null;
  allocations_per_1000_events: number | null;
  lock_wait_ns_per_event: number | null;
}

export const status = (signal: AbortSignal) => get<Status>("/v2/status", {}, signal);

/** Events per second over all doors. */
export const rateOf = (s: Status) => (s.rates ?? []).reduce((sum, r) => sum + r.events_per_second, 0);

export interface Explanation {
  name: string;
  kind: string;
  server: string;
  as_of: number;
  lag_ms: number;
  complete: boolean;
  verdict: string;
  summary: string;
  tab: { type: string; other_types: string[] | null; clients: number; events: number | null; events_per_second: number | null } | null;
  steps: Step[] | null;
  traces: Trace[] | null;
  near: Near[] | null;
  clients: { client: string; events: number | null; events_per_second: number | null }[] | null;
  agents: { agent: string; address: string; last_seen: number; refused_events: number; backlog_events: number }[] | null;
}

export interface Step {
  step: string;
  state: string;
  events: number | null;
  events_per_second: number | null;
  last: number | null;
  what: string;
}

export interface Trace {
  name: string;
  kind: string;
  door: string;
  step: string;
  reason: string;
  what: string;
  remedy: string;
  limit: string;
  detail: string;
  type: string;
  events: number;
  times: number;
  first: number;
  last: number;
  client: string;
  sender: string;
  agent: string;
}

export interface Near {
  name: string;
  type: string;
  state: string;
  reason: string;
}

export const explain = (name: string, signal: AbortSignal) => get<Explanation>("/v2/explain", { name }, signal);
