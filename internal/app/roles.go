package app

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/tabaproject/taba/internal/ingest"
	"github.com/tabaproject/taba/internal/member"
	"github.com/tabaproject/taba/internal/query"
	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/store/redisstore"
	"github.com/tabaproject/taba/state"
)

// What routes of a role are for, in the sentence that says that they are
// elsewhere.
var deeds = map[string]string{
	member.Front:   "take events",
	member.Control: "answer questions",
}

// everywhere are the routes of package query that every server answers: they
// are about the servers.
var everywhere = []string{"/status", "/servers", "/latency", "/v2/status", "/v2/explain", "/v2/tail", "/v2/openapi.json", "/"}

// has reports whether the server has a role.
func (s *server) has(role string) bool { return slices.Contains(s.cfg.Roles, role) }

// handle serves a route of a role, or says where it is served.
func (s *server) handle(role, pattern string, scope ingest.Scope, h http.Handler) {
	if s.has(role) {
		s.front.handle(pattern, scope, h)
		return
	}
	elsewhere, count := s.query.Elsewhere(role, deeds[role]), &s.elsewhere
	s.front.handle(pattern, scope, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		count.Add(1)
		elsewhere.ServeHTTP(w, r)
	}))
	s.front.writes[pattern] = false // nothing is read
}

// roleOf is the role that answers a route of package query; empty: all.
func roleOf(pattern string) string {
	if slices.Contains(everywhere, pattern) {
		return ""
	}
	return member.Control
}

// healthy reports why the server cannot do its work, if so: why the store takes
// nothing. A server that takes no events is ready as long as it runs, since its
// answers say what they lack.
func (s *server) healthy() error {
	if !s.has(member.Front) {
		return nil
	}
	return s.store.Writable(context.Background())
}

// sayer tells what the server does, with the rate since it was asked last.
type sayer struct {
	mu     sync.Mutex
	at     time.Time
	events uint64
	rate   float64
}

// say is what the server says of itself to the others.
func (s *server) say() member.Info {
	t := s.committer.Tally()
	i := member.Info{
		Name: s.name, Address: s.address(), Version: cmp.Or(s.opts.Version, "unknown"), Roles: s.cfg.Roles,
		Encodings: int(state.Newest),
		Events:    s.events.Load(), Backlog: s.budget.Used(), Commits: s.committer.Commits(),
		Processed: s.latency.Median(),
		Recompute: s.recomputes.Load(), Renew: s.renews.Load(),
		Sent: member.Reconciliation{
			Applied: t.Applied, Duplicates: t.Duplicates, Gaps: t.Gaps, Forked: t.Forked, Gone: t.Gone, Unknown: t.Unknown, Lost: t.LostEvents,
		},
	}
	if s.opts.instant {
		i.Processed = 0
	}
	i.Rate = s.sayer.of(i.Events)
	return i
}

// of returns how many events a second there were lately.
func (r *sayer) of(events uint64) float64 {
	const least = 500 * time.Millisecond // else it is noise
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if passed := now.Sub(r.at); r.at.IsZero() {
		r.at, r.events = now, events
	} else if passed >= least {
		r.rate = float64(events-r.events) / passed.Seconds()
		r.at, r.events = now, events
	}
	return r.rate
}

// address is the URL under which others reach the server.
func (s *server) address() string {
	if s.cfg.Address != "" {
		return s.cfg.Address
	}
	listen := s.cfg.Listen
	if at := s.listening.Load(); at != nil {
		listen = *at
	}
	host, port, _ := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		if name, err := os.Hostname(); err == nil {
			host = name
		}
	}
	scheme := "http://"
	if s.cfg.TLSCert != "" {
		scheme = "https://"
	}
	return scheme + net.JoinHostPort(host, port)
}

// newGroup makes the server known to those that share its store.
func (s *server) newGroup() *member.Group {
	return member.New(member.Options{
		Members: s.store.(store.Members), VBuckets: max(s.store.Meta().Partition.VBuckets, 1),
		Unsaid: int(state.Unsaid), Oldest: int(state.Oldest),
		Say: s.say, Told: s.told, Changed: func() { s.compactor.Kick() }, Log: s.opts.Logger,
	})
}

// level is that of the encodings which every server reads that shares the store.
func (s *server) level() state.Level {
	if !s.shared() {
		return state.Newest
	}
	return min(state.Level(s.group.Encodings()), state.Newest)
}

// told takes what another server says: whoever compacts what it wrote has to
// know that it did.
func (s *server) told(before, after member.Info) {
	if before.Commits != after.Commits {
		s.compactor.Kick()
		s.query.Committed()
	}
	if after.Recompute > before.Recompute {
		s.compactor.AskCompact()
	}
	if after.Renew > before.Renew {
		s.compactor.AskRenew()
	}
}

// recompute lets every server compact what is its own: the others hear of it
// when this one says next what it is.
func (s *server) recompute(renew bool) {
	if renew {
		s.renews.Add(1)
		s.compactor.AskRenew()
		return
	}
	s.recomputes.Add(1)
	s.compactor.AskCompact()
}

// shared reports whether other servers may share the store.
func (s *server) shared() bool { return redisstore.IsURL(s.cfg.Store) }

// servers is what package query tells of all servers.
func (s *server) servers() []query.Server {
	var list []query.Server
	for _, p := range s.group.Live() {
		i := &p.Info
		list = append(list, query.Server{
			Name: i.Name, Address: i.Address, Version: i.Version, Roles: i.Roles,
			VBuckets: s.group.Share(i.Name), EventsPerSecond: i.Rate, BacklogBytes: i.Backlog,
			Silent: p.Age.Seconds(), Sent: query.Sent(i.Sent), Enqueue: i.Enqueue, Processed: i.Processed,
		})
	}
	return list
}

// lag is the median from a request to its commit, on the average over all
// servers that have committed any; nothing queues before it.
func (s *server) lag() (enqueue, processed float64) {
	n := 0.0
	add := func(i *member.Info) {
		if i.Enqueue+i.Processed > 0 {
			n++
			enqueue += i.Enqueue
			processed += i.Processed
		}
	}
	own := member.Info{Processed: s.latency.Median()}
	if s.opts.instant {
		own.Processed = 0
	}
	add(&own)
	s.group.Others(func(p *member.Peer) { add(&p.Info) })
	if n == 0 {
		return 0, 0
	}
	return enqueue / n, processed / n
}

// work does what the server's roles and its share demand, until ctx ends.
func (s *server) work(ctx context.Context) *sync.WaitGroup {
	var work sync.WaitGroup
	work.Go(func() { s.group.Run(ctx) })
	if s.has(member.Back) {
		work.Go(func() { s.compactor.Run(ctx) })
		work.Go(func() { s.query.PruneEvery(ctx, s.cfg.GCEvery) })
		work.Go(func() { s.collectSources(ctx) })
	}
	work.Go(func() { s.rest.run(ctx, releaseMemory) })
	work.Go(func() { s.teller.meter.run(ctx) })
	return &work
}

// unknownRole says what is wrong with roles, nothing if they are good.
func unknownRole(roles []string) string {
	if len(roles) == 0 {
		return "is empty; name at least one of " + strings.Join(member.Roles, ", ")
	}
	for i, r := range roles {
		if !slices.Contains(member.Roles, r) {
			return "knows no role \"" + r + "\"; there are " + strings.Join(member.Roles, ", ") + didYouMean(r, member.Roles)
		}
		if slices.Contains(roles[:i], r) {
			return "names " + r + " twice"
		}
	}
	return ""
}

// writeMembers writes what became of what was sent, and who is there.
func (s *server) writeMembers(w io.Writer) {
	t := s.committer.Tally()
	counter := func(verdict string, n uint64) {
		metrics.WriteCounterUint64(w, fmt.Sprintf("taba_parts_total{verdict=%q}", verdict), n)
	}
	counter("applied", t.Applied)
	counter("duplicate", t.Duplicates)
	counter("gap", t.Gaps)
	counter("forked", t.Forked)
	counter("gone", t.Gone)
	counter("unknown", t.Unknown)
	metrics.WriteCounterUint64(w, "taba_lost_events_total", t.LostEvents)
	metrics.WriteCounterUint64(w, "taba_elsewhere_requests_total", s.elsewhere.Load())
	metrics.WriteGaugeUint64(w, "taba_encodings_level", uint64(s.level()))
	servers := 1.0
	s.group.Others(func(*member.Peer) { servers++ })
	metrics.WriteGaugeFloat64(w, "taba_servers", servers)
	metrics.WriteGaugeFloat64(w, "taba_vbuckets_looked_after", float64(s.group.Share(s.name)))
}
