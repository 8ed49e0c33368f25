package query

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/tabaproject/taba/internal/query/lang"
	"github.com/tabaproject/taba/internal/trail"
)

// Self tells how a process is, what became of a name, and shows events as they
// come: /v2/status, /v2/explain and /v2/tail, of servers and agents alike.
type Self struct {
	api
	o     SelfOptions
	end   sync.Once
	ended chan struct{} // closed when streams have to end
}

// SelfOptions are what a Self tells of.
type SelfOptions struct {
	Kind string // server or agent
	Name string // of the process
	// Trail is what became of names; nil: nothing is known of that.
	Trail *trail.Trail
	// Agents returns what agents have told of names; nil: none do.
	Agents func() []AgentTraces
	// Known knows the names that were taken.
	Known Known
	// Fill adds to a Status what the process knows of itself; nil: nothing.
	Fill func(context.Context, *Status)
	// Latency is as of Options.
	Latency func() (enqueue, processed float64)
	Now     func() time.Time // nil: time.Now
	MaxBody int64            // of parameters; 0: 1 MiB
	Log     *slog.Logger     // nil: nobody is told
}

// AgentTraces is what an agent has told of itself and of names.
type AgentTraces struct {
	AgentState
	Traces []trail.Trace
}

// Known knows the names that a process took.
type Known interface {
	// Tab tells of a tab and of those who send it, nil if there is none.
	Tab(ctx context.Context, name string) (*ExplainedTab, []Sending, error)
	// Names returns names that are like one, for which like says so, the nearest first.
	Names(ctx context.Context, name string) ([]Near, error)
}

// NewSelf returns the Self of a process that is asked nothing else.
func NewSelf(o SelfOptions) *Self {
	if o.MaxBody <= 0 {
		o.MaxBody = 1 << 20
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return newSelf(o, api{maxBody: o.MaxBody, log: o.Log, refused: newRefused(metrics.NewSet())})
}

func newSelf(o SelfOptions, a api) *Self {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Latency == nil {
		o.Latency = func() (float64, float64) { return 0, 0 }
	}
	return &Self{api: a, o: o, ended: make(chan struct{})}
}

// End ends the streams of events, so that a process that drains need not wait for
// them.
func (s *Self) End() { s.end.Do(func() { close(s.ended) }) }

// Routes returns all routes.
func (s *Self) Routes() []Route {
	return []Route{
		{Pattern: "/v2/status", Scope: Read, Handler: s.v2(s.status, nil)},
		{Pattern: "/v2/explain", Scope: Read, Handler: s.v2(s.explain, []string{"name", "watch"})},
		{Pattern: "/v2/tail", Scope: Read, Handler: http.HandlerFunc(s.tail), Endless: true},
	}
}

// status tells how the process is.
func (s *Self) status(r *http.Request, _ args) (any, error) {
	st := &Status{
		Kind: s.o.Kind, Name: s.o.Name, AsOf: s.asOf(), LagMS: s.lag(), Health: Health{State: HealthOK, Reasons: []Reason{}, Notices: []Reason{}},
		Rates: []DoorRate{}, Refused: []Count{}, Servers: []ServerSeen{}, Agents: []AgentState{}, Latency: []Percentile{},
	}
	if s.o.Fill != nil {
		s.o.Fill(r.Context(), st)
	}
	return st, nil
}

func (s *Self) asOf() float64 { return seconds(s.o.Now().Truncate(time.Microsecond)) }

func (s *Self) lag() float64 {
	enqueue, processed := s.o.Latency()
	return milliseconds(enqueue + processed)
}

// explain tells what became of a name.
func (s *Self) explain(r *http.Request, a args) (any, error) {
	name := a.get("name")
	if name == "" {
		return nil, badParameter("no name is given; give one as name, for example name=bids_won")
	}
	if err := s.watch(name, a.get("watch")); err != nil {
		return nil, err
	}
	return s.explanation(r.Context(), name)
}

// maxWatch is how many seconds a name may be watched without being asked for again.
const maxWatch = 600

// watch counts the steps of a name for as long as text says.
func (s *Self) watch(name, text string) error {
	if text == "" {
		return nil
	}
	long, err := lang.ParseDuration("watch", text)
	if err != nil || long < 1 || long > maxWatch {
		return badParameter("watch must be a duration from 1s to 10m, such as 30s")
	}
	if s.o.Trail == nil || !s.o.Trail.Watch(name, time.Duration(long)*time.Second) {
		return tooManyLook()
	}
	return nil
}
