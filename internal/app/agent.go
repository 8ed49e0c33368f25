package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/tabaproject/taba/internal/commit"
	"github.com/tabaproject/taba/internal/fold"
	"github.com/tabaproject/taba/internal/forward"
	"github.com/tabaproject/taba/internal/ingest"
	"github.com/tabaproject/taba/internal/query"
	"github.com/tabaproject/taba/internal/spool"
	"github.com/tabaproject/taba/internal/statsd"
	"github.com/tabaproject/taba/state/builtin"
)

// RunAgent runs an agent until ctx ends; then it drains: new requests are
// refused, what it acknowledged is forwarded as far as DrainTimeout allows.
// The rest stays in the spool for the next start.
func RunAgent(ctx context.Context, cfg AgentConfig, opts Options) error {
	a, err := newAgent(cfg, opts.withDefaults())
	if err != nil {
		return err
	}
	return a.run(ctx)
}

// agent is the wiring of one agent, from the spool outwards.
type agent struct {
	cfg       AgentConfig
	opts      Options
	forwarder *forward.Forwarder
	level     *toldLevel
	committer *commit.Agent
	types     *learned
	counts    *ingest.Metrics
	budget    *ingest.Budget
	quota     *ingest.Quota
	front     *front
	statsd    *statsd.Door // nil if it is not listened for
	latency   Latency
	ingesting Latency // of requests
	rest      *rest
	teller    *told
	started   time.Time
}

func newAgent(cfg AgentConfig, opts Options) (*agent, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	counts := ingest.NewMetrics()
	auth, err := ingest.NewAuth(cfg.TokensFile, counts)
	if err != nil {
		return nil, err
	}
	reg := builtin.Registry()
	servers := cfg.Servers
	if named(servers) {
		// What cannot be looked up yet is looked up again.
		servers, _ = resolved(context.Background(), servers, net.DefaultResolver.LookupHost)
	}
	told := newToldLevel()
	forwarder, err := openForwarder(cfg, opts, servers, &levelled{fold.NewMerger(reg), told}, told)
	if err != nil {
		return nil, err
	}
	a := &agent{
		cfg: cfg, opts: opts, forwarder: forwarder, level: told, counts: counts, rest: newRest(), started: time.Now(),
		types: newLearned(), budget: ingest.NewBudget(int64(cfg.Limits.InFlightBytes)),
	}
	a.committer = commit.NewAgent(forwarder, reg, told.get)
	a.front = newFront(opts, auth, a.healthy)
	a.teller = newTold(opts, a.front, counts,
		stage{"ingest", &a.ingesting}, stage{"commit", &a.latency})
	a.front.slow = newSlow(cfg.Spool, cfg.Limits, opts)
	o := ingestOptions(cfg.Limits, opts)
	o.Agent, o.Metrics, o.Budget = true, counts, a.budget
	a.quota = quota(cfg.Limits, a.types)
	o.Quota = a.quota
	o.Gather, o.Pace = a.front.slow.file, pace(&a.latency)
	a.front.handle("/post", ingest.Write, observed(&a.ingesting, ingest.New(reg, learning{a}, a.types, o)))
	a.front.events(ingest.NewEvents(reg, learning{a}, a.types, nil, o), &a.ingesting)
	self := query.NewSelf(query.SelfOptions{
		Kind: "agent", Name: a.name(), Trail: a.teller.trail, Known: a.types, Fill: a.fill, Now: opts.Now, Log: opts.Logger,
	})
	for _, r := range self.Routes() {
		a.front.handle(r.Pattern, scopes[r.Scope], r.Handler)
	}
	a.front.draining = self.End
	a.front.handle("/status", ingest.Read, getOnly(a.status))
	a.front.handle("/", 0, http.HandlerFunc(ingest.NotFound))
	a.front.metrics = append(a.front.metrics, counts.WritePrometheus, a.writeMetrics)
	return a, nil
}

// name is by which the agent is known.
func (a *agent) name() string {
	if a.cfg.Name != "" {
		return a.cfg.Name
	}
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	_, port, _ := net.SplitHostPort(a.cfg.Listen)
	return net.JoinHostPort(host, port)
}

func openForwarder(cfg AgentConfig, opts Options, servers []string, folder forward.Folder, level *toldLevel) (*forward.Forwarder, error) {
	so := spool.Options{QuotaBytes: int64(cfg.SpoolQuota), Sync: syncPolicies[cfg.Sync], Logger: opts.Logger}
	f, err := forward.Open(opts.FS, cfg.Spool, so, forward.Options{
		Servers:   servers,
		Transport: forward.NewHTTP(forward.HTTPOptions{Token: cfg.Token, Level: level.set}),
		Fold:      folder,
		Config:    forward.Config{Retain: cfg.RetainFor, RetainBytes: int64(cfg.RetainBytes), RetainStable: cfg.KeepStable},
		Logger:    opts.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("open the spool in %s: %w", cfg.Spool, err)
	}
	return f, nil
}

var syncPolicies = map[string]spool.Sync{"always": spool.Always, "interval": spool.Interval, "never": spool.Never}

// run serves until ctx ends and stops in the direction of the data: refuse at
// the door, commit to the spool, forward, close the spool.
func (a *agent) run(ctx context.Context) error {
	behind, stop := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { a.rest.run(behind, releaseMemory) })
	work.Go(func() { a.teller.meter.run(behind) })
	work.Go(func() { newReporter(a).run(behind) })
	work.Go(func() { a.discover(behind, net.DefaultResolver.LookupHost) })
	err := a.listenStatsd(builtin.Registry())
	if err == nil {
		err = a.front.serve(ctx, listener{
			addr: a.cfg.Listen, unix: a.cfg.ListenUnix, cert: a.cfg.TLSCert, key: a.cfg.TLSKey,
			limits: a.cfg.Limits, drain: a.cfg.DrainTimeout,
		})
	}
	a.statsd.Stop()
	a.committer.Stop()
	stop()
	work.Wait()
	deadline, cancel := context.WithTimeout(context.Background(), a.cfg.DrainTimeout)
	defer cancel()
	return errors.Join(err, a.close(deadline))
}

func (a *agent) close(ctx context.Context) error {
	err := a.forwarder.Close(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		a.opts.Logger.Warn("stopped before everything was forwarded; the spool keeps it for the next start",
			"spool", a.cfg.Spool, "records", a.forwarder.Status().Backlog)
		return nil
	}
	return err
}

// learning commits and remembers the Types of what was committed.
type learning struct{ a *agent }

func (l learning) Commit(ctx context.Context, acc *fold.Accumulator, taken func()) error {
	l.a.types.learn(acc)
	l.a.rest.worked()
	start := time.Now()
	err := l.a.committer.Commit(ctx, acc, taken)
	if err == nil {
		l.a.latency.Observe(time.Since(start))
	}
	return err
}

// healthy reports whether the spool takes records. A server that is away does
// not make an agent unready: that is what the spool is for.
func (a *agent) healthy() error { return a.forwarder.Status().Spool.Err }

// status is always text, as the original's agent answered.
func (a *agent) status(w http.ResponseWriter, _ *http.Request) {
	st := a.forwarder.Status()
	var b bytes.Buffer
	line := func(key, format string, args ...any) {
		fmt.Fprintf(&b, "%-18s %s\n", key+":", fmt.Sprintf(format, args...))
	}
	line("Up", "%s", time.Since(a.started).Round(time.Second))
	line("Server", "%s", st.Server)
	for _, s := range st.Servers {
		line("- "+s.URL, "%d vbuckets, share %g, answers in %s%s", s.VBuckets, s.Share, s.Took.Round(10*time.Microsecond), leftAlone(s))
	}
	line("Source", "%s", orNone(st.Source))
	line("Events posted", "%d", a.counts.Events.Get())
	line("Names", "%d tabs, %d states; over a limit last: %s", a.types.TabCount(), a.types.StateCount(), orNone(a.quota.Last()))
	line("Backlog", "%d events in %d records, %d bytes, oldest %s", st.BacklogEvents, st.Backlog, st.BacklogBytes, st.Oldest.Round(time.Millisecond))
	line("In flight", "%d batches, %d bytes", st.InFlight, st.InFlightBytes)
	line("Held", "%d vbuckets that the store cannot commit to, %d events sealed for them", st.Held, st.HeldEvents)
	line("Retained", "%d batches, %d bytes", st.Retained, st.RetainedBytes)
	line("Parts", "%d sent, %d acknowledged, %d sent again", st.Counts.Sent, st.Counts.Acked, st.Counts.Resent)
	line("Store lost", "%d events, which were sent again; last sent again: %s", st.Counts.Restored, sometime(st.ResentAt))
	line("Lost", "%d events for certain; %d in doubt", st.Losses.Total(), st.Losses.InDoubt)
	line("Quarantined", "%d sources (%d forks, %d too old)", st.Counts.Quarantined, st.Counts.Forks, st.Counts.Gone)
	line("Spool", "%d bytes of %d in %d segments", st.Spool.Bytes, int64(a.cfg.SpoolQuota), st.Spool.Segments)
	line("Damage", "%d records in %d places, %d bytes of torn tails cut", damaged(&st.Spool), len(st.Spool.Damaged), st.Spool.CutBytes)
	line("Last error", "%s", orNone(st.LastError))
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write(b.Bytes())
}

func leftAlone(s forward.ServerStatus) string {
	if s.Away == 0 {
		return ""
	}
	return ", left alone for " + s.Away.Round(time.Millisecond).String()
}

func sometime(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format(time.RFC3339)
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func (a *agent) writeMetrics(w io.Writer) {
	st := a.forwarder.Status()
	gauge := func(name string, v float64) { metrics.WriteGaugeFloat64(w, name, v) }
	gauge("taba_budget_used_bytes", float64(a.budget.Used()))
	gauge("taba_budget_max_bytes", float64(a.budget.Max()))
	gauge("taba_tabs", float64(a.types.TabCount()))
	gauge("taba_states", float64(a.types.StateCount()))
	gauge("taba_encodings_level", float64(a.level.get()))
	gauge("taba_agent_backlog_records", float64(st.Backlog))
	gauge("taba_agent_backlog_bytes", float64(st.BacklogBytes))
	gauge("taba_agent_backlog_events", float64(st.BacklogEvents))
	gauge("taba_agent_oldest_record_seconds", st.Oldest.Seconds())
	gauge("taba_agent_in_flight_bytes", float64(st.InFlightBytes))
	gauge("taba_agent_held_vbuckets", float64(st.Held))
	gauge("taba_agent_held_events", float64(st.HeldEvents))
	gauge("taba_agent_retained_bytes", float64(st.RetainedBytes))
	gauge("taba_spool_bytes", float64(st.Spool.Bytes))
	gauge("taba_spool_max_bytes", float64(a.cfg.SpoolQuota))
	gauge("taba_spool_quarantine_bytes", float64(st.Spool.QuarantineBytes))
	gauge("taba_spool_damaged_places", float64(len(st.Spool.Damaged)))
	counter := func(name string, v uint64) { metrics.WriteCounterUint64(w, name, v) }
	counter("taba_agent_batches_sealed_total", st.Counts.Sealed)
	counter("taba_agent_parts_sent_total", st.Counts.Sent)
	counter("taba_agent_parts_acknowledged_total", st.Counts.Acked)
	counter("taba_agent_parts_resent_total", st.Counts.Resent)
	counter("taba_agent_parts_refused_total", st.Counts.Refused)
	counter("taba_agent_sources_quarantined_total", st.Counts.Quarantined)
	counter("taba_agent_forks_total", st.Counts.Forks)
	counter("taba_agent_sources_gone_total", st.Counts.Gone)
	writeLosses(w, &st)
	counter("taba_spool_syncs_total", st.Spool.Syncs)
	counter("taba_spool_failures_total", st.Spool.Failures)
}
