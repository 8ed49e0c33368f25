package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/tabaproject/taba/internal/commit"
	"github.com/tabaproject/taba/internal/fold"
	"github.com/tabaproject/taba/internal/ingest"
	"github.com/tabaproject/taba/internal/member"
	"github.com/tabaproject/taba/internal/promapi"
	"github.com/tabaproject/taba/internal/query"
	"github.com/tabaproject/taba/internal/statsd"
	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/store/pebblestore"
	"github.com/tabaproject/taba/internal/store/redisstore"
	"github.com/tabaproject/taba/internal/view"
	"github.com/tabaproject/taba/internal/wire"
	"github.com/tabaproject/taba/state"
	"github.com/tabaproject/taba/state/builtin"
)

// RunServer runs a server until ctx ends; then it drains: new requests are
// refused, those in progress are committed and answered, the store is closed.
func RunServer(ctx context.Context, cfg ServerConfig, opts Options) error {
	s, err := newServer(cfg, opts.withDefaults())
	if err != nil {
		return err
	}
	return s.run(ctx)
}

// server is the wiring of one server, from the store outwards.
type server struct {
	cfg       ServerConfig
	opts      Options
	store     store.Store
	view      *view.View
	compactor *view.Compactor
	committer *commit.Server
	counts    *ingest.Metrics
	budget    *ingest.Budget
	quota     *ingest.Quota
	query     *query.Handler
	prom      *promapi.API
	front     *front
	statsd    *statsd.Door // nil if it is not listened for
	latency   Latency
	ingesting Latency // of requests
	asking    Latency // of questions
	rest      *rest
	teller    *told
	agents    *ingest.Agents
	group     *member.Group // of the servers that share the store
	name      string
	sayer     sayer
	events    atomic.Uint64 // taken
	listening atomic.Pointer[string]

	recomputes, renews atomic.Uint64 // how often it was asked here
	elsewhere          atomic.Uint64 // requests for what it does not do
}

func newServer(cfg ServerConfig, opts Options) (*server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	counts := ingest.NewMetrics()
	auth, err := ingest.NewAuth(cfg.TokensFile, counts)
	if err != nil {
		return nil, err
	}
	st, err := openStore(cfg, opts)
	if err != nil {
		return nil, err
	}
	s := &server{cfg: cfg, opts: opts, store: st, counts: counts, budget: ingest.NewBudget(int64(cfg.Limits.InFlightBytes)), rest: newRest(), name: serverName(cfg)}
	s.wire(builtin.Registry(), auth)
	return s, nil
}

func openStore(cfg ServerConfig, opts Options) (store.Store, error) {
	if cfg.Store == "memory" {
		return store.NewMem(store.MemOptions{Now: opts.Now}), nil
	}
	if redisstore.IsURL(cfg.Store) {
		return openRedis(cfg.Store, opts)
	}
	st, err := pebblestore.Open(pebblestore.Options{Dir: cfg.Data, FS: opts.FS, Logger: opts.Logger})
	if err != nil {
		return nil, fmt.Errorf("open the store in %s: %w", cfg.Data, err)
	}
	return st, nil
}

func openRedis(url string, opts Options) (store.Store, error) {
	o, err := redisstore.Parse(url)
	if err != nil {
		return nil, err
	}
	o.Logger, o.Now = opts.Logger, opts.Now
	st, err := redisstore.Open(context.Background(), o)
	if err != nil {
		return nil, fmt.Errorf("open the store that server.store names: %w", err)
	}
	return st, nil
}

// wire builds every stage on the one before it: the store, what reads it, what
// writes it, the doors.
func (s *server) wire(reg *state.Registry, auth *ingest.Auth) {
	log := s.opts.Logger
	s.view = view.New(s.store, reg, view.Options{Budget: int64(s.cfg.ViewBudget), Log: log})
	s.quota = quota(s.cfg.Limits, s.view)
	s.compactor = view.NewCompactor(s.store, reg, view.CompactorOptions{View: s.view, Mine: func(vb int) bool { return s.group.Mine(vb) }, Level: s.level, Log: log})
	s.committer = commit.NewServer(commit.ServerOptions{
		Store: s.store, Registry: reg, Level: s.level, Now: s.opts.Now,
		Committed: func(vb int, bytes int64) {
			s.compactor.Appended(vb, bytes)
			s.query.Committed()
			s.rest.worked()
		},
	})
	s.group = s.newGroup()
	o := query.Options{
		View: s.view, Compactor: s.compactor, Now: s.opts.Now, Latency: s.lag,
		Name: s.name, Roles: s.cfg.Roles, Notice: s.quota.Last, Compact: s.recompute, Log: log,
	}
	if s.shared() {
		o.Servers = s.servers
	}
	front := s.opts
	front.Ready = func(addr string) {
		s.listening.Store(&addr)
		s.opts.Ready(addr)
	}
	s.front = newFront(front, auth, s.healthy)
	s.teller = newTold(s.opts, s.front, s.counts,
		stage{"ingest", &s.ingesting}, stage{"commit", &s.latency}, stage{"query", &s.asking})
	s.agents = ingest.NewAgents(s.doorOptions())
	o.Self = query.SelfOptions{Trail: s.teller.trail, Fill: s.fill, Agents: agentsOf(s.agents)}
	s.query = query.New(o)
	s.prom = promapi.New(promapi.Options{
		View: s.view, Registry: reg, Now: s.opts.Now, Version: s.opts.Version, Log: log,
		Latency: func() float64 {
			enqueue, processed := s.lag()
			return enqueue + processed
		},
		Own: func(w io.Writer) {
			s.counts.WritePrometheus(w)
			s.writeMetrics(w)
		},
	})
	s.front.slow = newSlow(s.cfg.Data, s.cfg.Limits, s.opts)
	s.front.draining = s.query.EndLive
	s.routes(reg)
	s.front.metrics = append(s.front.metrics, s.counts.WritePrometheus, s.query.WritePrometheus, s.prom.WritePrometheus, s.writeMetrics)
}

// doorOptions are what all doors have in common.
func (s *server) doorOptions() ingest.Options {
	o := ingestOptions(s.cfg.Limits, s.opts)
	o.Metrics, o.Budget, o.Quota, o.Level = s.counts, s.budget, s.quota, s.level
	return o
}

func (s *server) routes(reg *state.Registry) {
	o := s.doorOptions()
	o.Gather, o.Pace = s.front.slow.file, pace(&s.latency)
	post := ingest.New(reg, timed{s}, s.view, o)
	s.handle(member.Front, "/post", ingest.Write, observed(&s.ingesting, post))
	s.handle(member.Front, "/post_zip", ingest.Write, observed(&s.ingesting, post))
	s.front.handle("/v2/agent", ingest.Write, s.agents)
	batches := ingest.NewBatches(s.store, counted{s}, reg, o)
	for _, path := range []string{"/v2/source/open", "/v2/source/close", "/v2/source/heads"} {
		s.handle(member.Front, path, ingest.Write, batches)
	}
	if s.has(member.Front) {
		s.front.events(ingest.NewEvents(reg, timed{s}, s.view, batches, o), &s.ingesting)
	} else {
		s.handle(member.Front, "/v2/batch", ingest.Write, nil)
		s.handle(member.Front, "/v2/stream", ingest.Write, nil)
	}
	for _, r := range s.query.Routes() {
		h := r.Handler
		if r.Scope == query.Read && !r.Endless {
			h = observed(&s.asking, h)
		}
		if role := roleOf(r.Pattern); role != "" {
			s.handle(role, r.Pattern, scopes[r.Scope], h)
		} else {
			s.front.handle(r.Pattern, scopes[r.Scope], h)
		}
	}
	for _, pattern := range s.prom.Patterns() {
		s.handle(member.Control, pattern, ingest.Read, s.prom)
	}
}

// scopes are what the routes of package query ask for, as tokens grant it.
var scopes = map[query.Scope]ingest.Scope{query.Open: 0, query.Read: ingest.Read, query.Admin: ingest.Admin}

// quota is what the limits say about names.
func quota(l Limits, d ingest.Directory) *ingest.Quota {
	return ingest.NewQuota(ingest.QuotaOptions{Tabs: l.Tabs, States: l.States, NewTabs: l.NewTabs, Directory: d})
}

func ingestOptions(l Limits, opts Options) ingest.Options {
	return ingest.Options{
		Limits: ingest.Limits{
			Body: int64(l.BodyBytes), Decompressed: int64(l.DecompressedBytes), Ratio: int64(l.Ratio),
			Text: wire.Limits{Name: l.NameBytes},
		},
		FutureTolerance: l.FutureTolerance,
		Timeouts:        timeouts(l),
		Now:             opts.Now,
	}
}

// run serves until ctx ends and stops in the direction of the data: refuse at
// the door, drain, commit, close the store.
func (s *server) run(ctx context.Context) error {
	behind, stop := context.WithCancel(context.Background())
	work := s.work(behind)
	err := s.listenStatsd(builtin.Registry())
	if err == nil {
		err = s.front.serve(ctx, listener{
			addr: s.cfg.Listen, cert: s.cfg.TLSCert, key: s.cfg.TLSKey,
			limits: s.cfg.Limits, drain: s.cfg.DrainTimeout,
		})
	}
	s.statsd.Stop()
	s.committer.Stop()
	stop()
	work.Wait()
	s.query.Close()
	return errors.Join(err, s.store.Shutdown())
}

// collectSources lets the store forget Sources that are past their age. The
// time between passes is measured by the monotonic clock: a clock that jumps
// must not raise a horizon.
func (s *server) collectSources(ctx context.Context) {
	tick := time.NewTicker(s.cfg.GCEvery)
	defer tick.Stop()
	for last := time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !s.group.Leads() {
			continue // another server measures the time
		}
		elapsed := time.Since(last)
		n, err := s.store.GC(ctx, elapsed, s.opts.Now())
		if err != nil {
			s.opts.Logger.Warn("old sources could not be forgotten; tried again at the next pass", "error", err)
			continue
		}
		last = last.Add(elapsed)
		s.opts.Logger.Debug("forgot old sources", "rows", n)
	}
}

// timed commits and measures how long a request takes from its last byte to
// its visibility: what is committed is visible.
type timed struct{ s *server }

func (t timed) Commit(ctx context.Context, acc *fold.Accumulator, taken func()) error {
	start := time.Now()
	events := acc.Events()
	err := t.s.committer.Commit(ctx, acc, taken)
	if err == nil {
		t.s.latency.Observe(time.Since(start))
		t.s.events.Add(events)
	}
	return err
}

// counted appends what agents sealed and counts its events.
type counted struct{ s *server }

func (c counted) Append(ctx context.Context, parts []store.Part) ([]store.PartResult, error) {
	results, err := c.s.committer.Append(ctx, parts)
	for i := range results {
		if results[i].Err == nil && results[i].Verdict == store.Applied {
			c.s.events.Add(parts[i].Events)
		}
	}
	return results, err
}

func (s *server) writeMetrics(w io.Writer) {
	v := s.view.Stats()
	gauge := func(name string, v float64) { metrics.WriteGaugeFloat64(w, name, v) }
	gauge("taba_budget_used_bytes", float64(s.budget.Used()))
	gauge("taba_budget_max_bytes", float64(s.budget.Max()))
	gauge("taba_tabs", float64(s.view.TabCount()))
	gauge("taba_states", float64(s.view.StateCount()))
	gauge("taba_commit_median_seconds", s.latency.Median())
	gauge("taba_view_tabs", float64(v.HotTabs))
	gauge("taba_view_bytes", float64(v.HotBytes))
	s.writeMembers(w)
	metrics.WriteCounterUint64(w, "taba_commits_total", s.committer.Commits())
	metrics.WriteCounterUint64(w, "taba_view_restarts_total", v.Restarts)
	metrics.WriteCounterUint64(w, "taba_conflicting_events_total", v.Conflicts)
	metrics.WriteCounterUint64(w, "taba_set_aside_events_total", v.SetAside)
	s.writeLog(w)
}

// writeLog writes the sizes of the log and the ledger.
func (s *server) writeLog(w io.Writer) {
	for vb := range s.store.Meta().Partition.VBuckets {
		st, err := s.store.Stats(context.Background(), vb)
		if err != nil {
			continue // the probe of readiness says why
		}
		label := fmt.Sprintf(`{vbucket="%d"}`, vb)
		metrics.WriteGaugeUint64(w, "taba_log_bytes"+label, uint64(st.LogBytes))
		metrics.WriteGaugeUint64(w, "taba_record_bytes"+label, uint64(st.RecordBytes))
		metrics.WriteCounterUint64(w, "taba_events_appended_total"+label, st.Appended)
	}
}

// serverName is the name the original gave its servers.
func serverName(cfg ServerConfig) string {
	if cfg.Name != "" {
		return cfg.Name
	}
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	_, port, _ := net.SplitHostPort(cfg.Listen)
	return "taba_server." + host + "." + port
}
