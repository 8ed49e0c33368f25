package ingest

import (
	"cmp"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/tabaproject/taba/internal/trail"
	"github.com/tabaproject/taba/internal/wire"
)

// Agents keeps what agents tell of themselves, the latest of each: POST /v2/agent.
// It is safe for concurrent use. It holds a bounded number of bytes and forgets
// agents that have told nothing for long.
type Agents struct {
	o        Options
	inflater *inflater

	mu    sync.Mutex
	known map[string]*AgentSeen
	bytes int
}

// AgentSeen is what an agent has told, when, and from where.
type AgentSeen struct {
	wire.AgentReport
	At   time.Time
	From string // its address as it was seen

	bytes int
}

const (
	maxReport   = 64 << 10 // bytes of one report
	maxReports  = 8 << 20  // and of all that are kept
	agentIsGone = 10 * time.Minute
)

// NewAgents returns Agents that know none.
func NewAgents(o Options) *Agents {
	o.Limits.Body = maxReport
	a := &Agents{o: o.withDefaults(), inflater: newInflater(), known: map[string]*AgentSeen{}}
	a.o.door = a.o.Metrics.parts
	return a
}

// ServeHTTP implements http.Handler.
func (a *Agents) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		a.o.Metrics.refusedRequest(reasonMethod)
		methodNotAllowed(w, r, http.MethodPost)
		return
	}
	if err := a.take(r); err != nil {
		e := asRefusal(err)
		a.o.Metrics.refusedRequest(e.reason)
		a.o.noteRequest(e, r.RemoteAddr)
		e.answer(w, r, e.text)
		return
	}
	w.Header().Set("Content-Type", wire.ContentType)
}

func (a *Agents) take(r *http.Request) error {
	lease := lease{of: a.o.Budget}
	defer lease.free()
	body, err := readAll(r, &a.o, a.inflater, &lease)
	if err != nil {
		return err
	}
	seen := &AgentSeen{At: a.o.Now(), bytes: len(body) + reportOverhead}
	if err := wire.DecodeAgentReport(body, &seen.AgentReport); err != nil {
		return err
	}
	seen.From, _, _ = net.SplitHostPort(r.RemoteAddr)
	a.keep(seen)
	return nil
}

const reportOverhead = 1 << 10 // bytes, about

// keep takes a report over and forgets what is too old, or too much.
func (a *Agents) keep(seen *AgentSeen) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forget(a.known[seen.Name])
	a.known[seen.Name] = seen
	a.bytes += seen.bytes
	if a.bytes <= maxReports {
		return
	}
	for _, s := range a.sorted() {
		if a.bytes <= maxReports {
			return
		}
		a.forget(s)
	}
}

func (a *Agents) forget(s *AgentSeen) {
	if s != nil {
		a.bytes -= s.bytes
		delete(a.known, s.Name)
	}
}

// sorted returns agents, those that have told nothing for longest first.
func (a *Agents) sorted() []*AgentSeen {
	list := make([]*AgentSeen, 0, len(a.known))
	for _, s := range a.known {
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b *AgentSeen) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Name, b.Name)) })
	return list
}

// Seen returns the agents that have told of themselves lately, sorted by name.
func (a *Agents) Seen() []*AgentSeen {
	a.mu.Lock()
	defer a.mu.Unlock()
	var list []*AgentSeen
	for _, s := range a.sorted() {
		if a.o.Now().Sub(s.At) > agentIsGone {
			a.forget(s)
			continue
		}
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b *AgentSeen) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// Traces returns what an agent has told of names, as a Trail has it.
func (s *AgentSeen) Traces() []trail.Trace {
	var list []trail.Trace
	for i := range s.AgentReport.Traces {
		t := &s.AgentReport.Traces[i]
		list = append(list, trail.Trace{
			Note: trail.Note{
				Kind: trail.Kind(t.Kind), Door: t.Door, Reason: t.Reason, Name: t.Name, Type: t.Type, Client: t.Client, Sender: t.Sender,
				Detail: t.Detail, Events: t.Events,
			},
			Length: int(min(t.Length, 1<<30)), Times: t.Times, First: fromUnix(t.First), Last: fromUnix(t.Last),
		})
	}
	return list
}

// fromUnix is a time in UTC seconds, of those that can be told.
func fromUnix(seconds float64) time.Time {
	const most = 1 << 40
	return time.UnixMicro(int64(min(max(seconds, 0), most) * 1e6))
}
