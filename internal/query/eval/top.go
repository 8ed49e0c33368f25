package eval

import (
	"context"
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"

	"github.com/tabaproject/taba/internal/query/lang"
	"github.com/tabaproject/taba/internal/view"
	"github.com/tabaproject/taba/state"
)

// Ranked is what one name, client or value of a tag has and takes.
type Ranked struct {
	Key    string
	Types  []string
	Tabs   int
	States int      // clients of tabs
	Bytes  int64    // that the States take from which answers about it are made
	Events *float64 // of the last minute; nil: its Types keep no times
	Rate   *float64 // a second
}

// TopSeconds is over how long Top tells rates.
const TopSeconds = 60

// Top tells what each group of the tabs that m chooses has and takes, in no order,
// as of when, in UTC seconds.
func (e *Evaluator) Top(ctx context.Context, m lang.Matcher, by lang.Key) (rows []Ranked, asOf float64, err error) {
	select {
	case e.slots <- struct{}{}:
		defer func() { <-e.slots }()
	case <-ctx.Done():
		return nil, 0, fmt.Errorf("waiting for other queries: %w", ctx.Err())
	}
	q := &lang.Query{
		Select: []lang.Matcher{m}, By: []lang.Key{by}, Last: TopSeconds,
		Values: []lang.Value{{Name: "count", Func: lang.Count}, {Name: "rate", Func: lang.Rate}},
	}
	asOf = float64(e.o.Now().UnixMicro()) / 1e6
	chosen, err := e.o.View.Choose(ctx, e.look(q))
	if err != nil {
		return nil, 0, tooMany(err, q)
	}
	r := &run{e: e, q: q, chosen: chosen, at: asOf - e.o.Latency()}
	r.plan()
	r.group()
	t := ranking{r: r, perClient: q.PerClient()}
	if err := t.visit(ctx); err != nil {
		return nil, 0, err
	}
	return t.rows(), asOf, nil
}

// ranking adds up what groups have.
type ranking struct {
	r         *run
	perClient bool
	sums      map[sumKey]*ranked
}

// ranked is one group of one Type.
type ranked struct {
	slices state.Slices // nil: the Type keeps no times
	tabs   int
	states int
	bytes  int64
	last   int // the tab that was added last
}

func (t *ranking) visit(ctx context.Context) error {
	workers := make([]map[sumKey]*ranked, runtime.GOMAXPROCS(0))
	visitors := make([]view.Visitor, len(workers))
	for i := range workers {
		sums := map[sumKey]*ranked{}
		workers[i] = sums
		visitors[i] = func(tab int, client string, st state.State) { t.add(sums, tab, client, st) }
	}
	if err := t.r.chosen.Visit(ctx, visitors, func(tab int) bool { return t.r.planOf[tab] != nil }); err != nil {
		return err
	}
	t.sums = workers[0]
	for _, sums := range workers[1:] {
		for k, s := range sums {
			if mine := t.sums[k]; mine != nil {
				mine.merge(s)
			} else {
				t.sums[k] = s
			}
		}
	}
	return t.r.tooManyGroups(len(t.sums))
}

// add is a view.Visitor.
func (t *ranking) add(sums map[sumKey]*ranked, tab int, client string, st state.State) {
	if st == nil {
		return
	}
	k := sumKey{key: t.r.keyOf[tab]}
	if t.perClient {
		k.client = client
	}
	s := sums[k]
	if s == nil {
		s = &ranked{last: -1}
		if p := t.r.planOf[tab]; p.what == "" {
			s.slices = p.handler.NewSlices(p.window)
		}
		sums[k] = s
	}
	if s.last != tab {
		s.last = tab
		s.tabs++
		if !t.perClient {
			s.states += t.r.chosen.Tabs[tab].Clients
		}
	}
	if t.perClient {
		s.states++
	}
	s.bytes += int64(st.Size())
	if s.slices != nil {
		s.slices.Add(st) // what does not reach back, after an event from ahead of the clock, has no rate
	}
}

func (s *ranked) merge(o *ranked) {
	s.tabs += o.tabs
	s.states += o.states
	s.bytes += o.bytes
	if s.slices != nil && o.slices != nil {
		s.slices.Merge(o.slices)
	}
}

// rows joins the Types of each key.
func (t *ranking) rows() []Ranked {
	byKey := map[string]*Ranked{}
	for k, s := range t.sums {
		g := &t.r.keys[k.key]
		key := g.parts[0]
		if t.perClient {
			key = k.client
		}
		row := byKey[key]
		if row == nil {
			row = &Ranked{Key: key}
			byKey[key] = row
		}
		row.Types = append(row.Types, g.plan.handler.Type())
		row.Tabs += s.tabs
		row.States += s.states
		row.Bytes += s.bytes
		t.told(row, g.plan, s)
	}
	list := make([]Ranked, 0, len(byKey))
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		row := byKey[key]
		slices.Sort(row.Types)
		row.Types = slices.Compact(row.Types)
		list = append(list, *row)
	}
	return list
}

// told adds the events of a group's window to a row.
func (t *ranking) told(row *Ranked, p *plan, s *ranked) {
	if s.slices == nil {
		return
	}
	n := 0.0
	if s.slices.Len() > 0 {
		n = float64(s.slices.At(0).Count())
	}
	from, to := p.interval(s.slices, t.r.at)
	seconds := math.Max(to-*from, shortest)
	add := func(to **float64, v float64) {
		if *to == nil {
			*to = new(float64)
		}
		**to += v
	}
	add(&row.Events, n)
	add(&row.Rate, n/seconds)
}
