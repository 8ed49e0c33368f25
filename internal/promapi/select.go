package promapi

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/tabaproject/taba/internal/view"
	"github.com/tabaproject/taba/state"
)

// A limitError says which limit a query is over, and how to ask for less.
type limitError struct{ message string }

func (e *limitError) Error() string { return e.message }

// querier makes series for one query. It is a storage.Queryable and its Querier.
type querier struct {
	a      *API
	at     float64 // where windows end, in seconds
	nested bool    // there are subqueries: moments of evaluation are not known
	// lookback is how old a sample may be that an instant is answered with.
	lookback time.Duration
	held     atomic.Bool // series of single clients were told without a matcher that demands one
	bytes    atomic.Int64
	series   atomic.Int64

	directs map[*labels.Matcher]direct // by the first matcher of the selector in their place
}

func (a *API) newQuerier(nested bool) *querier {
	return &querier{a: a, at: float64(a.o.Now().UnixMicro())/1e6 - a.o.Latency(), nested: nested, lookback: lookback}
}

// Querier implements storage.Queryable.
func (q *querier) Querier(int64, int64) (storage.Querier, error) { return q, nil }

// Close implements storage.Querier.
func (q *querier) Close() error { return nil }

// Select implements storage.Querier.
func (q *querier) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	if d, ok := q.directFor(matchers); ok {
		list, s, err := q.selectDirect(ctx, d, hints, matchers)
		if err != nil {
			return storage.ErrSeriesSet(ofStore(err))
		}
		return &set{list: list, warnings: s.warnings}
	}
	s := newSelection(q, hints, matchers)
	if err := s.series(ctx, matchers); err != nil {
		return storage.ErrSeriesSet(ofStore(err))
	}
	if sorted {
		slices.SortFunc(s.found, func(x, y *oneSeries) int { return labels.Compare(x.labels, y.labels) })
	}
	list := make([]storage.Series, len(s.found))
	for i, x := range s.found {
		list[i] = x
	}
	return &set{list: list, warnings: s.warnings}
}

// series makes all series that there are.
func (s *selection) series(ctx context.Context, matchers []*labels.Matcher) error {
	if err := s.run(ctx); err != nil {
		return err
	}
	return s.own(matchers)
}

// ofStore tells errors of the view from those that a query is to blame for.
func ofStore(err error) error {
	var limit *limitError
	if err == nil || errors.As(err, &limit) || errors.Is(err, errIndirect) {
		return err
	}
	return &storeError{err}
}

// set is a storage.SeriesSet.
type set struct {
	list     []storage.Series
	i        int
	warnings annotations.Annotations
}

func (s *set) Next() bool                        { s.i++; return s.i <= len(s.list) }
func (s *set) At() storage.Series                { return s.list[s.i-1] }
func (s *set) Err() error                        { return nil }
func (s *set) Warnings() annotations.Annotations { return s.warnings }

// A selection is one selector of a query.
type selection struct {
	*selector
	q         *querier
	labelsFor bool // only the labels are asked for
	span      span
	grid      grid // of numbers
	even      grid // of histograms
	windows   []string
	quantiles []string
	kinds     map[state.Handler]*kind
	tabs      []chosenTab
	found     []*oneSeries
	warnings  annotations.Annotations
}

// chosenTab is a tab with the metrics of it that are asked for.
type chosenTab struct {
	name    string
	kind    *kind
	metrics []metric
	labels  []labels.Label
}

func newSelection(q *querier, hints *storage.SelectHints, matchers []*labels.Matcher) *selection {
	s := &selection{selector: newSelector(matchers), q: q, kinds: map[state.Handler]*kind{}, grid: newGrid(hints), even: newEvenGrid(hints)}
	if q.nested {
		s.grid = s.even
	}
	s.windows = choices(s.selector.windows, usualWindows)
	s.quantiles = choices(s.selector.quantiles, usualQuantiles)
	if hints != nil {
		s.labelsFor = hints.Func == "series"
		s.span = span{start: hints.Start, end: hints.End, newest: hints.Step <= 0 && hints.Range == 0 && !q.nested}
	}
	return s
}

func (s *selection) run(ctx context.Context) error {
	if s.impossible() {
		return nil
	}
	chosen, err := s.q.a.o.View.Choose(ctx, s.look(s.q.a.o.MaxStates))
	if err != nil {
		return tooMany(err)
	}
	s.plan(chosen)
	needed := func(t *chosenTab) bool { return len(t.metrics) > 0 }
	if s.labelsFor && !s.perClient {
		w := &worker{}
		for i := range s.tabs {
			if err := s.tell(w, &s.tabs[i], "", nil); err != nil {
				return err
			}
		}
		s.found = w.found
		needed = (*chosenTab).holds
	}
	if err := s.visit(ctx, chosen, needed); err != nil {
		return err
	}
	s.tellApart()
	return nil
}

// holds reports whether what its series are called depends on what is held.
func (t *chosenTab) holds() bool {
	return slices.ContainsFunc(t.metrics, func(x metric) bool { return x.fact == factValue })
}

// plan finds out what each tab tells, and what is left out.
func (s *selection) plan(chosen *view.Chosen) {
	s.tabs = make([]chosenTab, len(chosen.Tabs))
	for i, t := range chosen.Tabs {
		if t.Handler == nil {
			s.warn(fmt.Errorf("%s: the Type %s is not known here", t.Name, t.Type))
			continue
		}
		k := s.kinds[t.Handler]
		if k == nil {
			k = kindOf(t.Handler)
			s.kinds[t.Handler] = k
		}
		c := &s.tabs[i]
		*c = chosenTab{name: t.Name, kind: k, metrics: s.metrics(t.Name, k)}
		if len(c.metrics) == 0 {
			continue
		}
		eachLabel(t.Name, func(key, value string) { c.labels = append(c.labels, labels.Label{Name: key, Value: value}) })
		if len(t.Others) > 0 {
			s.warn(fmt.Errorf("%s is a %s; its events as %s are left out", t.Name, t.Type, strings.Join(t.Others, ", ")))
		}
	}
}

func (s *selection) warn(err error) { s.warnings.Add(err) }

// visit makes series of the States of those tabs that are needed.
func (s *selection) visit(ctx context.Context, chosen *view.Chosen, needed func(*chosenTab) bool) error {
	workers := make([]worker, runtime.GOMAXPROCS(0))
	visitors := make([]view.Visitor, len(workers))
	var failed atomic.Bool
	for i := range workers {
		w := &workers[i]
		visitors[i] = func(tab int, client string, st state.State) {
			switch {
			case failed.Load():
			case st == nil:
				w.broken = append(w.broken, s.tabs[tab].name)
			default:
				if w.err = s.tell(w, &s.tabs[tab], client, st); w.err != nil {
					failed.Store(true)
				}
			}
		}
	}
	err := chosen.Visit(ctx, visitors, func(tab int) bool { return needed(&s.tabs[tab]) })
	for i := range workers {
		w := &workers[i]
		if err = errors.Join(w.err, err); err != nil {
			return err
		}
		s.found = append(s.found, w.found...)
		for _, name := range w.broken {
			s.warn(fmt.Errorf("%s: States that cannot be decoded are left out; the server's log says more", name))
		}
		for _, name := range w.leftOut {
			s.warn(fmt.Errorf("%s: values that are no numbers are left out", name))
		}
	}
	return nil
}

// worker makes series of its own tabs.
type worker struct {
	found   []*oneSeries
	broken  []string
	leftOut []string // tabs with values that are no numbers
	err     error
}

// weigh counts what a series takes.
func (q *querier) weigh(s *oneSeries) error {
	size := int64(16*len(s.times)) + 200
	if s.spread != nil {
		size += s.spread.size()
	}
	if n := q.series.Add(1); n > int64(q.a.o.MaxSeries) {
		return &limitError{fmt.Sprintf("the query reads more than %d series; name the metric or more labels, or no single clients", q.a.o.MaxSeries)}
	}
	return q.take(size)
}

// take counts memory that the query takes.
func (q *querier) take(bytes int64) error {
	if q.bytes.Add(bytes) > q.a.o.MaxBytes {
		return &limitError{fmt.Sprintf("the query's series take more than %d bytes; name the metric or more labels, or ask for a shorter time", q.a.o.MaxBytes)}
	}
	return nil
}

// tellApart gives series that would be called the same a label with the tab's
// name, and keeps those whose tab is asked for.
func (s *selection) tellApart() {
	twice := map[uint64]int{}
	for _, x := range s.found {
		twice[x.labels.Hash()]++
	}
	kept := s.found[:0]
	for _, x := range s.found {
		tab := ""
		if twice[x.labels.Hash()] > 1 {
			tab = text(x.tab)
			b := labels.NewBuilder(x.labels)
			x.labels = b.Set(labelTab, tab).Labels()
		}
		if matchAll(s.selector.tabs, tab) {
			kept = append(kept, x)
		}
	}
	s.found = kept
}

// tooMany says how to ask for fewer States.
func tooMany(err error) error {
	var many *view.TooManyError
	if !errors.As(err, &many) {
		return err
	}
	return &limitError{"the selector would read " + strconv.Itoa(many.States) + " States of " + strconv.Itoa(many.Tabs) + " tabs, at most " +
		strconv.Itoa(many.Most) + " are read; name the metric or more labels, or fewer clients"}
}
