// Package scale runs many agents in one process against servers on a real Redis:
// what agents and servers do is what ships, in the bytes that travel, on disks in
// memory and without sockets. It shows that an agent's work does not grow with the
// number of agents, and what a part costs servers and Redis, which docs/capacity.md
// reckons with.
package scale

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tabaproject/taba/internal/capacity"
	"github.com/tabaproject/taba/internal/child"
	"github.com/tabaproject/taba/internal/commit"
	"github.com/tabaproject/taba/internal/fold"
	"github.com/tabaproject/taba/internal/forward"
	"github.com/tabaproject/taba/internal/ingest"
	"github.com/tabaproject/taba/internal/redisrun"
	"github.com/tabaproject/taba/internal/spool"
	"github.com/tabaproject/taba/internal/store/redisstore"
	"github.com/tabaproject/taba/internal/wire"
	"github.com/tabaproject/taba/state"
	"github.com/tabaproject/taba/state/builtin"
)

var (
	crowds = flag.String("agents", "20,200", "how many agents there are, in turn")
	rounds = flag.Int("rounds", 5, "Batches of each agent")
	tabs   = flag.Int("tabs", 20, "of each agent, in each Batch")
)

// What an agent's Batch holds, and who takes it.
const (
	events   = 10 // of each tab
	vbuckets = 16
	servers  = 3
)

var registry = builtin.Registry()

// used is the processor time of this process.
func used() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // it does not fail
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// server is the way from the door to the store.
type server struct {
	store   *redisstore.Store
	commits *commit.Server
	door    *ingest.Batches
}

// cluster is servers on one Redis.
type cluster struct {
	redis   *redisrun.Server
	servers map[string]*server
	urls    []string
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	port, err := child.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{servers: map[string]*server{}}
	if c.redis, err = redisrun.New("redis", t.TempDir(), redisrun.Loopback, port, "--auto-aof-rewrite-percentage", "0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.redis.Close() })
	if err := c.redis.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range servers {
		quiet := slog.New(slog.DiscardHandler)
		st, err := redisstore.Open(t.Context(), redisstore.Options{Addrs: []string{c.redis.Addr}, VBuckets: vbuckets, Logger: quiet, Timeout: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		s := &server{store: st, commits: commit.NewServer(commit.ServerOptions{Store: st, Registry: registry})}
		s.door = ingest.NewBatches(st, s.commits, registry, ingest.Options{Budget: ingest.NewBudget(1 << 30), Metrics: ingest.NewMetrics()})
		t.Cleanup(func() {
			s.commits.Stop()
			if err := st.Shutdown(); err != nil {
				t.Error(err)
			}
		})
		url := fmt.Sprintf("http://server-%d:8300", i)
		c.servers[url], c.urls = s, append(c.urls, url)
	}
	return c
}

// redisCPU is the processor time of Redis.
func (c *cluster) redisCPU(t *testing.T) (cpu time.Duration) {
	t.Helper()
	info, err := c.redis.Ask("INFO", "cpu")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name == "used_cpu_sys" || name == "used_cpu_user" {
			seconds, err := strconv.ParseFloat(value, 64)
			if err != nil {
				t.Fatal(err)
			}
			cpu += time.Duration(seconds * float64(time.Second))
		}
	}
	return cpu
}

// answer has a server answer a request, in the bytes that travel.
func (c *cluster) answer(q *forward.Request) (r forward.Reply) {
	var path string
	var body []byte
	var decode func([]byte) error
	switch {
	case q.Open != nil:
		path, body, decode = "/v2/source/open", wire.AppendOpenRequest(nil, q.Open), func(m []byte) error { return wire.DecodeOpenReply(m, &r.Open) }
	case q.Close != nil:
		path, body, decode = "/v2/source/close", wire.AppendCloseRequest(nil, q.Close), func(m []byte) error { return wire.DecodeCloseReply(m, &r.Close) }
	case q.Heads != nil:
		path, body, decode = "/v2/source/heads", wire.AppendHeadsRequest(nil, q.Heads), func(m []byte) error { return wire.DecodeHeadsReply(m, &r.Heads) }
	default:
		path, body, decode = "/v2/batch", wire.AppendBatch(nil, q.Send), func(m []byte) error { return wire.DecodeBatchReply(m, &r.Send) }
	}
	rec := httptest.NewRecorder()
	c.servers[q.Server].door.ServeHTTP(rec, &http.Request{
		Method: http.MethodPost, URL: &url.URL{Path: path}, Header: http.Header{},
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	})
	if rec.Header().Get("Content-Type") != wire.ContentType {
		return forward.Reply{Err: &forward.StatusError{Code: rec.Code, Message: rec.Body.String()}}
	}
	if err := decode(rec.Body.Bytes()); err != nil {
		r.Err = err
	}
	return r
}

// agent is an agent without a process of its own.
type agent struct {
	name   string
	step   *forward.Stepper
	commit *commit.Agent
}

// crowd is agents, and what they and the others have used.
type crowd struct {
	*cluster
	agents []*agent
	now    time.Duration

	agentCPU, serverCPU time.Duration
	parts, requests     int
}

func (c *cluster) gather(t *testing.T, n int) *crowd {
	t.Helper()
	k := &crowd{cluster: c}
	merger := fold.NewMerger(registry) // they work one after the other
	for i := range n {
		a := &agent{name: fmt.Sprintf("agent-%05d", i)}
		var err error
		a.step, err = forward.OpenStepper(vfs.NewMem(), "spool", spool.Options{}, forward.Options{
			Servers: c.urls, Fold: merger,
		}, func() time.Duration { return k.now })
		if err != nil {
			t.Fatal(err)
		}
		a.commit = commit.NewAgent(a.step, registry, nil)
		k.agents = append(k.agents, a)
	}
	return k
}

// post has every agent take events of its applications.
func (k *crowd) post(t *testing.T) {
	t.Helper()
	before := used()
	for _, a := range k.agents {
		acc := fold.New(registry)
		for tab := range *tabs {
			b := state.Bundle{Tab: fmt.Sprintf("tab-%02d", tab), Client: a.name}
			for e := range events {
				b.Events = append(b.Events, state.Event{Time: 1e9, Value: float64(e), Number: true})
			}
			acc.Fold(1e9, "", "CounterGroup", &b, nil)
		}
		if err := a.commit.Commit(context.Background(), acc, nil); err != nil {
			t.Fatal(err)
		}
	}
	k.agentCPU += used() - before
}

// call is a request of an agent.
type call struct {
	of    *agent
	q     *forward.Request
	reply forward.Reply
}

// steps lets every agent do what it can, and returns what it asks.
func (k *crowd) steps() (calls []*call) {
	before := used()
	for _, a := range k.agents {
		for worked := true; worked; {
			var q *forward.Request
			if q, worked = a.step.Step(); q != nil {
				calls = append(calls, &call{of: a, q: q})
			}
		}
	}
	k.agentCPU += used() - before
	return calls
}

// answers has servers answer calls, many at a time.
func (k *crowd) answers(t *testing.T, calls []*call) {
	t.Helper()
	const atOnce = 256
	before := used()
	var work sync.WaitGroup
	next := make(chan *call)
	for range atOnce {
		work.Go(func() {
			for c := range next {
				c.reply = k.answer(c.q)
			}
		})
	}
	for _, c := range calls {
		next <- c
	}
	close(next)
	work.Wait()
	k.serverCPU += used() - before
	before = used()
	for _, c := range calls {
		if c.reply.Err != nil {
			t.Fatalf("%s: %v", c.of.name, c.reply.Err)
		}
		if c.q.Send != nil {
			k.requests++
			k.parts += len(c.q.Send.Parts)
		}
		c.of.step.Answer(c.q, c.reply)
	}
	k.agentCPU += used() - before
}

// settle goes on until nobody has anything to send.
func (k *crowd) settle(t *testing.T) {
	t.Helper()
	for calls := k.steps(); len(calls) > 0; calls = k.steps() {
		k.answers(t, calls)
		k.now += 10 * time.Millisecond
	}
}

// cost is what a run came to.
type cost struct {
	agents                  int
	agent, server, redis    time.Duration // agent: of a Batch; the others: of a part
	parts, requests, merged float64       // of a Batch; parts of a commit
}

// measure runs a number of agents.
func measure(t *testing.T, n int) cost {
	t.Helper()
	c := newCluster(t)
	k := c.gather(t, n)
	k.settle(t) // everybody gets an id
	k.agentCPU, k.serverCPU = 0, 0
	before, commits := c.redisCPU(t), c.commits()
	for range *rounds {
		k.post(t)
		k.settle(t)
	}
	batches := n * *rounds
	want := uint64(batches * *tabs * events)
	got := uint64(0)
	for vb := range vbuckets {
		st, err := c.servers[c.urls[0]].store.Audit(t.Context(), vb)
		if err != nil {
			t.Fatal(err)
		}
		got += st.Appended
	}
	if got != want {
		t.Errorf("%d agents: %d events are counted, want %d", n, got, want)
	}
	per := func(d time.Duration, n int) time.Duration { return (d / time.Duration(n)).Round(100 * time.Nanosecond) }
	return cost{
		agents: n, agent: per(k.agentCPU, batches), server: per(k.serverCPU, k.parts), redis: per(c.redisCPU(t)-before, k.parts),
		parts: float64(k.parts) / float64(batches), requests: float64(k.requests) / float64(batches),
		merged: float64(k.parts) / float64(c.commits()-commits),
	}
}

func (c *cluster) commits() (n uint64) {
	for _, s := range c.servers {
		n += s.commits.Commits()
	}
	return n
}

// TestAgentsDoNotFeelEachOther: what an agent has to do for a Batch is the same
// however many there are, and so is what a part costs servers and Redis.
func TestAgentsDoNotFeelEachOther(t *testing.T) {
	var costs []cost
	for text := range strings.SplitSeq(*crowds, ",") {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(text, func(t *testing.T) {
			c := measure(t, n)
			costs = append(costs, c)
			t.Logf("%6d agents: agent %v a Batch of %.1f parts in %.1f requests; server %v, Redis %v a part; %.1f parts a commit",
				c.agents, c.agent, c.parts, c.requests, c.server, c.redis, c.merged)
			if c.parts > vbuckets || c.requests > servers {
				t.Errorf("a Batch has %.1f parts in %.1f requests, want at most one for each of %d vbuckets and %d servers", c.parts, c.requests, vbuckets, servers)
			}
		})
	}
	reckoned(t, costs)
	few, many := costs[0], costs[len(costs)-1]
	const most = 3 // caches hold less of many, and machines are busy
	for _, c := range []struct {
		what      string
		few, many time.Duration
	}{{"an agent pays for a Batch", few.agent, many.agent}, {"servers pay for a part", few.server, many.server}, {"Redis pays for a part", few.redis, many.redis}} {
		if float64(c.many) > most*float64(c.few) {
			t.Errorf("of %d agents %s %v, of %d %v", few.agents, c.what, c.few, many.agents, c.many)
		}
	}
}

// reckoned compares what was measured with what docs/capacity.md reckons with.
// Race detectors and busy machines make everything dearer; what is cheaper by far
// than it is said to be is as wrong.
func reckoned(t *testing.T, costs []cost) {
	t.Helper()
	const off = 3
	if raceEnabled {
		return
	}
	for _, c := range costs {
		for _, f := range []struct {
			what string
			got  time.Duration
			want float64 // microseconds
		}{
			{"an agent's Batch", c.agent, capacity.AgentBatch + capacity.AgentPartial*float64(*tabs)},
			{"a part at a server", c.server, capacity.ServerPart},
			{"a part at Redis", c.redis, capacity.RedisPart},
		} {
			if got := float64(f.got) / float64(time.Microsecond); got > off*f.want || got < f.want/off {
				t.Errorf("%d agents: %s costs %.1f µs, docs/capacity.md reckons with %.1f", c.agents, f.what, got, f.want)
			}
		}
	}
}
