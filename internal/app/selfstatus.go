package app

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/tabaproject/taba/internal/ingest"
	"github.com/tabaproject/taba/internal/query"
	"github.com/tabaproject/taba/internal/statsd"
	"github.com/tabaproject/taba/internal/store/redisstore"
	"github.com/tabaproject/taba/internal/trail"
)

// told is what servers and agents tell of themselves alike, to package query.
type told struct {
	opts    Options
	started time.Time
	front   *front
	counts  *ingest.Metrics
	statsd  atomic.Pointer[statsd.Door] // nil if it is not listened for
	meter   *meter
	trail   *trail.Trail
	stages  []stage
}

// stage is one whose durations are told.
type stage struct {
	name    string
	latency *Latency
}

// newTold returns what tells of a process.
func newTold(opts Options, f *front, counts *ingest.Metrics, stages ...stage) *told {
	t := &told{opts: opts, started: opts.Now(), front: f, counts: counts, stages: stages}
	t.trail = trail.New(trail.Options{Now: opts.Now})
	t.counts.Trail = t.trail
	t.meter = newMeter(t.read)
	return t
}

// read reads the counters of all doors.
func (t *told) read() reading {
	r := reading{at: time.Now(), copied: t.counts.Copied.Get(), costs: readCosts()}
	for _, d := range t.counts.Doors() {
		r.doors = append(r.doors, doorReading{d.Name, d.Events.Get(), d.Bytes.Get()})
	}
	if d := t.statsd.Load(); d != nil {
		lines, bytes := d.Received()
		r.doors = append(r.doors, doorReading{trail.DoorStatsd, lines, bytes})
	}
	return r
}

// fill adds what all processes tell.
func (t *told) fill(st *query.Status) {
	st.Version = t.opts.Version
	st.Started = unixSeconds(t.started)
	st.Uptime = t.opts.Now().Sub(t.started).Seconds()
	rates, cost := t.meter.rates()
	st.Rates, st.Cost = append(st.Rates, rates...), cost
	t.refused(st)
	for _, s := range t.stages {
		p := query.Percentile{Stage: s.name, Count: s.latency.Count()}
		for q, to := range map[float64]*float64{0.5: &p.P50, 0.9: &p.P90, 0.99: &p.P99, 1: &p.Max} {
			*to = s.latency.Quantile(q) * 1e3
		}
		st.Latency = append(st.Latency, p)
	}
	t.health(st)
}

// refused adds what was refused, by door and reason.
func (t *told) refused(st *query.Status) {
	add := func(door string) func(unit, reason string, n uint64) {
		return func(unit, reason string, n uint64) {
			word := reason
			if unit == "requests" && reason == "name" {
				word = "name_long" // for any other name events are refused
			}
			st.Refused = append(st.Refused, query.Count{Door: door, Reason: reason, Unit: unit, N: n, What: trail.What(door, word).What})
		}
	}
	t.counts.EachRefused(add("http"))
	if d := t.statsd.Load(); d != nil {
		d.EachRefused(add(trail.DoorStatsd))
	}
}

// health adds whether the process does its work.
func (t *told) health(st *query.Status) {
	if err := t.front.health(); err != nil {
		st.Health.State = query.HealthPartial
		st.Health.Reasons = append(st.Health.Reasons, query.Reason{Code: "not_ready", What: err.Error()})
	}
	if t.front.drains.Load() {
		st.Health.State = query.HealthDraining
		st.Health.Reasons = append(st.Health.Reasons, query.Reason{Code: "draining", What: "the process is stopping and takes nothing new"})
	}
}

func unixSeconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

// fill tells of the server.
func (s *server) fill(ctx context.Context, st *query.Status) {
	s.teller.fill(st)
	if err := s.view.CatchUp(ctx); err != nil {
		st.Health.State = worse(st.Health.State)
		st.Health.Reasons = append(st.Health.Reasons, query.Reason{Code: "store", What: "the store cannot be read: " + err.Error()})
	}
	st.Tabs, st.States = s.view.TabCount(), s.view.StateCount()
	if clients, err := s.view.ClientCount(ctx); err == nil {
		st.Clients = &clients
	}
	st.Store = s.storeState(ctx)
	if n := s.view.Stats().SetAside; n > 0 {
		st.Health.State = worse(st.Health.State)
		st.Health.Reasons = append(st.Health.Reasons, query.Reason{Code: "set_aside",
			What: fmt.Sprintf("%d events are in States that cannot be decoded, and no answer has them; /check tells which", n)})
	}
	if n := s.view.Stats().Conflicts; n > 0 {
		st.Health.Notices = append(st.Health.Notices, query.Reason{Code: "type_conflict",
			What: fmt.Sprintf("%d events were of another Type than their tab; they are kept apart", n)})
	}
	s.notice(st, s.quota)
	st.Agents = agentStates(s.agents.Seen())
	s.delivered(st)
	st.Servers = s.seen(st.AsOf)
}

// seen is the servers that share the store.
func (s *server) seen(now float64) (list []query.ServerSeen) {
	if !s.shared() {
		return []query.ServerSeen{{ID: s.name, Name: s.name, Address: s.address(), Roles: s.cfg.Roles, Version: s.opts.Version, Seen: now, Self: true}}
	}
	for _, o := range s.servers() {
		list = append(list, query.ServerSeen{
			ID: o.Name, Name: o.Name, Address: o.Address, Roles: append([]string{}, o.Roles...), Version: o.Version, Seen: now - o.Silent, Self: o.Name == s.name,
		})
	}
	return append([]query.ServerSeen{}, list...)
}

// worse is the health of a process of which something is missing.
func worse(state string) string {
	if state == query.HealthOK {
		return query.HealthPartial
	}
	return state
}

func (s *server) notice(st *query.Status, q *ingest.Quota) {
	if what := q.Last(); what != "" {
		st.Health.Notices = append(st.Health.Notices, query.Reason{Code: "limit", What: what})
	}
}

func (s *server) storeState(ctx context.Context) *query.StoreState {
	kind := s.cfg.Store
	if redisstore.IsURL(kind) {
		kind = "redis"
	}
	st := &query.StoreState{Kind: kind, VBuckets: max(1, s.store.Meta().Partition.VBuckets), Commits: s.committer.Commits()}
	for vb := range st.VBuckets {
		v, err := s.store.Stats(ctx, vb)
		if err != nil {
			continue // health says why
		}
		st.Log += v.LogBytes
		st.Records += v.RecordBytes
		st.Events += v.Appended
	}
	return st
}

// fill tells of the agent.
func (a *agent) fill(_ context.Context, st *query.Status) {
	a.teller.fill(st)
	st.Tabs, st.States = a.types.TabCount(), a.types.StateCount()
	mine := a.self()
	mine.Seen = st.AsOf
	st.Spool, st.Agents = &mine, append(st.Agents, mine)
	if what := a.quota.Last(); what != "" {
		st.Health.Notices = append(st.Health.Notices, query.Reason{Code: "limit", What: what})
	}
	fw := a.forwarder.Status()
	st.Delivery.Sum([]query.AgentState{mine})
	for _, r := range losses(&fw) {
		st.Health.State = worse(st.Health.State)
		st.Health.Reasons = append(st.Health.Reasons, r)
	}
	for _, text := range fw.Errors {
		st.Health.Notices = append(st.Health.Notices, query.Reason{Code: "server", What: text})
	}
}

// self is what the agent tells of itself.
func (a *agent) self() query.AgentState {
	st := a.forwarder.Status()
	return query.AgentState{
		ID: st.Source, Name: a.name(), Address: a.cfg.Listen, Version: a.opts.Version,
		SpoolBytes: st.Spool.Bytes, SpoolQuota: int64(a.cfg.SpoolQuota), Oldest: st.Oldest.Seconds(),
		BacklogBytes: st.BacklogBytes, BacklogEvents: st.BacklogEvents,
		Resent: st.Counts.Resent, ResentAt: sinceUnix(st.ResentAt), Restored: st.Counts.Restored,
		Lost: st.Losses.Total(), LostWhere: where(&st.Losses), InDoubt: st.Losses.InDoubt, LossAt: sinceUnix(st.LossAt),
		Damaged: damaged(&st.Spool), Quarantine: st.Spool.QuarantineBytes,
		Refused: a.teller.refusedEvents(), LastError: st.LastError,
	}
}

// refusedEvents is how many events were refused, by all doors.
func (t *told) refusedEvents() (sum uint64) {
	add := func(unit, _ string, n uint64) {
		if unit != "requests" {
			sum += n
		}
	}
	t.counts.EachRefused(add)
	if d := t.statsd.Load(); d != nil {
		d.EachRefused(add)
	}
	return sum
}

// observed is a Handler whose durations are observed.
func observed(l *Latency, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		h.ServeHTTP(w, r)
		l.Observe(time.Since(start))
	})
}
