// Package promapi is the HTTP API of Prometheus over a View, so that Grafana and
// whatever else asks a Prometheus can ask a Taba server. Queries are evaluated by
// Prometheus's own engine; this package makes series of the States' rings for it.
// docs/prometheus.md says which, and what their samples mean.
//
// A metric is a tab, or what is told of one: families (family.go) say which
// metrics a Type has, naming (name.go) how they are called. A querier (select.go)
// chooses tabs and makes their series: counters are made of the rings' buckets
// (counter.go), windows are added up as v1 and v2 do (window.go), what is held is
// told as it is (held.go), distributions become native histograms (histogram.go).
// Rates of these, and quantiles of the rates, are answered without the engine
// (direct.go).
//
// # Concurrency and back-pressure
//
// An API is safe for concurrent use and keeps nothing between requests; the
// engine is made when it is first asked. It evaluates as many queries at once as
// there are processors, the others wait. A query may take so long, read so many
// States, hold so many bytes of series and so many samples (Options), and is
// answered with what to do about it otherwise. Answers are held in memory until
// they are sent.
package promapi

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/tabaproject/taba/internal/view"
	"github.com/tabaproject/taba/state"
)

// Options of an API. View and Registry are needed.
type Options struct {
	View     *view.View
	Registry *state.Registry  // of the View
	Now      func() time.Time // nil: time.Now
	// Latency returns the seconds from receipt to visibility; nil: none is known.
	Latency func() float64
	// Own writes the server's own metrics in Prometheus's text format; nil: there
	// are none.
	Own     func(io.Writer)
	Version string       // of Taba
	Log     *slog.Logger // told of failures; nil: nobody is

	MaxStates  int           // that one selector may read; 0: 100,000
	MaxSeries  int           // that one selector may make, and elements of a list; 0: 100,000
	MaxBytes   int64         // that one query's series may take; 0: 256 MiB
	MaxSamples int           // that the engine may hold for one query; 0: 10,000,000
	MaxBody    int64         // bytes of a request's body; 0: 1 MiB
	Timeout    time.Duration // of a query; 0: 30 s
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Latency == nil {
		o.Latency = func() float64 { return 0 }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.MaxStates <= 0 {
		o.MaxStates = 100_000
	}
	if o.MaxSeries <= 0 {
		o.MaxSeries = 100_000
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = 256 << 20
	}
	if o.MaxSamples <= 0 {
		o.MaxSamples = 10_000_000
	}
	if o.MaxBody <= 0 {
		o.MaxBody = 1 << 20
	}
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	return o
}

const (
	// lookback is how old a sample may be that an instant is answered with: the
	// widest buckets are as long.
	lookback = 15 * time.Minute
	// subqueryStep is the step of a subquery that does not say any.
	subqueryStep = time.Minute
)

// API answers requests.
type API struct {
	o      Options
	mux    *http.ServeMux
	engine func() *promql.Engine
	parser parser.Parser
	slots  chan struct{} // of queries that run

	requests, refused atomic.Uint64
}

// New returns an API. It costs nothing until it is asked.
func New(o Options) *API {
	a := &API{o: o.withDefaults(), mux: http.NewServeMux(), slots: make(chan struct{}, runtime.GOMAXPROCS(0))}
	a.parser = parser.NewParser(parser.Options{})
	a.engine = sync.OnceValue(a.newEngine)
	for _, r := range a.routes() {
		a.mux.Handle(r.pattern, a.endpoint(r.answer))
	}
	return a
}

func (a *API) newEngine() *promql.Engine {
	return promql.NewEngine(promql.EngineOpts{
		Logger:                   a.o.Log,
		MaxSamples:               a.o.MaxSamples,
		Timeout:                  a.o.Timeout,
		LookbackDelta:            lookback,
		NoStepSubqueryIntervalFn: func(int64) int64 { return subqueryStep.Milliseconds() },
		EnableAtModifier:         true,
		EnableNegativeOffset:     true,
		Parser:                   a.parser,
	})
}

type route struct {
	pattern string
	answer  func(context.Context, params) (*answer, error)
}

func (a *API) routes() []route {
	return []route{
		{"/api/v1/query", a.query},
		{"/api/v1/query_range", a.queryRange},
		{"/api/v1/labels", a.labels},
		{"/api/v1/label/{name}/values", a.labelValues},
		{"/api/v1/series", a.series},
		{"/api/v1/metadata", a.metadata},
		{"/api/v1/query_exemplars", nothing},
		{"/api/v1/rules", noRules},
		{"/api/v1/alerts", noAlerts},
		{"/api/v1/format_query", a.formatQuery},
		{"/api/v1/status/buildinfo", a.buildInfo},
		{"/api/v1/status/flags", a.flags},
		{"/api/v1/", notFound},
	}
}

// Patterns returns the routes, as http.ServeMux takes them. All of them only
// read.
func (a *API) Patterns() (list []string) {
	for _, r := range a.routes() {
		list = append(list, r.pattern)
	}
	return list
}

// ServeHTTP answers without asking who is calling.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

// WritePrometheus writes what was asked and refused.
func (a *API) WritePrometheus(w io.Writer) {
	metrics.WriteCounterUint64(w, "taba_prometheus_requests_total", a.requests.Load())
	metrics.WriteCounterUint64(w, "taba_prometheus_refused_requests_total", a.refused.Load())
}
