package eval

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"

	"github.com/tabaproject/taba/internal/query/lang"
	"github.com/tabaproject/taba/internal/view"
	"github.com/tabaproject/taba/state"
)

// run is one evaluation.
type run struct {
	e      *Evaluator
	q      *lang.Query
	page   Page
	at     float64 // where windows end
	chosen *view.Chosen

	values []lang.Value
	plans  map[string]*plan // by Type
	order  []*plan          // as their Types are met
	planOf []*plan          // of each tab; nil: its Type is not registered
	keys   []groupKey       // the groups that tabs make, without clients
	keyOf  []int            // of each tab
	sums   map[sumKey]*sum
	broken map[int]int // States that cannot be decoded, by tab
	stop   atomic.Bool // a worker has failed
	flat   *run        // of a series that is picked: the window as one
}

// groupKey is what a group's tabs have in common.
type groupKey struct {
	parts []string // as Query.By; of clients empty
	plan  *plan
}

// sumKey is one group: of keys, and its client if groups are made by clients.
type sumKey struct {
	key    int
	client string
}

// sum is what is known of a group.
type sum struct {
	slices state.Slices
	tabs   int
	last   int // the tab that was added last
	adds   int
	size   int
}

// anything is what is told if no values are asked for, as far as it is known.
var anything = func() (list []lang.Value) {
	for _, name := range []string{"count", "total", "average", "rate", "min", "max", "p50", "p90", "p99", "distinct"} {
		v, err := lang.ParseValue(name)
		if err != nil {
			panic(err) // it is a constant
		}
		list = append(list, v)
	}
	return list
}()

func (r *run) evaluate(ctx context.Context) error {
	if r.q.Pick != 0 && r.q.Step != 0 {
		q := *r.q
		q.Step = 0
		r.flat = &run{e: r.e, q: &q, chosen: r.chosen, at: r.at}
		if err := r.flat.evaluate(ctx); err != nil {
			return err
		}
	}
	r.plan()
	if err := r.check(); err != nil {
		return err
	}
	r.group()
	r.sums, r.broken = map[sumKey]*sum{}, map[int]int{}
	pending := map[*plan]bool{}
	for _, p := range r.order {
		pending[p] = p.what == ""
	}
	for {
		again, err := r.visit(ctx, pending)
		if err != nil || len(again) == 0 {
			return err
		}
		// Events ahead of the clock have moved a ring on: a coarser one reaches
		// further back.
		clear(pending)
		for p, reach := range again {
			p.coarser(reach, r.at)
			pending[p] = true
		}
		for k := range r.sums {
			if pending[r.keys[k.key].plan] {
				delete(r.sums, k)
			}
		}
	}
}

// plan decides how the Types that were chosen are asked, and for what.
func (r *run) plan() {
	asked := r.q.Values
	if len(asked) == 0 {
		asked = anything
	}
	r.plans = map[string]*plan{}
	r.planOf = make([]*plan, len(r.chosen.Tabs))
	for i, t := range r.chosen.Tabs {
		if t.Handler == nil {
			continue
		}
		p := r.plans[t.Type]
		if p == nil {
			p = newPlan(t.Handler, r.q, asked, r.at)
			r.plans[t.Type] = p
			r.order = append(r.order, p)
		}
		r.planOf[i] = p
	}
	for _, v := range asked {
		if len(r.q.Values) > 0 || r.anyKnows(v) {
			r.values = append(r.values, v)
		}
	}
}

// until is when the first bucket leaves a window.
func (r *run) until() (at float64) {
	for _, p := range r.order {
		if p.what != "" || p.window.Ring == state.Ever {
			continue
		}
		if next := float64((p.newest + 1) * p.width()); at == 0 || next < at {
			at = next
		}
	}
	return at
}

func (r *run) anyKnows(v lang.Value) bool {
	for _, p := range r.order {
		if p.knows(v) {
			return true
		}
	}
	return false
}

// check refuses a Query of which nothing can be told.
func (r *run) check() error {
	if len(r.order) == 0 {
		return nil
	}
	for _, v := range r.values {
		if r.anyKnows(v) {
			return nil
		}
	}
	values := r.values
	if len(values) == 0 {
		values = anything
	}
	_, what := r.order[0].unknown(values[0])
	return &CannotError{what}
}

// group finds out which tabs belong together.
func (r *run) group() {
	r.keyOf = make([]int, len(r.chosen.Tabs))
	known := map[string]int{}
	var text []byte
	for i, t := range r.chosen.Tabs {
		text = append(text[:0], t.Type...)
		for _, k := range r.q.By {
			text = append(append(text, 0), part(k, t.Name)...)
		}
		key, ok := known[string(text)]
		if !ok {
			key = len(r.keys)
			known[string(text)] = key
			g := groupKey{plan: r.planOf[i]}
			for _, k := range r.q.By {
				g.parts = append(g.parts, part(k, t.Name))
			}
			r.keys = append(r.keys, g)
		}
		r.keyOf[i] = key
	}
}

// part is what a key says of a tab.
func part(k lang.Key, tab string) string {
	switch k.Kind {
	case lang.ByTab:
		return tab
	case lang.ByName:
		return lang.Name(tab)
	case lang.ByPrefix:
		return lang.Prefix(lang.Name(tab), k.Parts)
	case lang.ByTag:
		return lang.TagOf(tab, k.Tag)
	}
	return ""
}

// visit adds up the States of the plans that are pending. It returns those of
// which some States do not reach back, and to where they do.
func (r *run) visit(ctx context.Context, pending map[*plan]bool) (map[*plan]int64, error) {
	workers := make([]*worker, runtime.GOMAXPROCS(0))
	visitors := make([]view.Visitor, len(workers))
	for i := range workers {
		workers[i] = newWorker(r)
		visitors[i] = workers[i].add
	}
	err := r.chosen.Visit(ctx, visitors, func(tab int) bool { return r.planOf[tab] != nil && pending[r.planOf[tab]] })
	if err != nil {
		return nil, err
	}
	again := map[*plan]int64{}
	for _, w := range workers {
		if w.err != nil {
			return nil, w.err
		}
		for p, reach := range w.reach {
			again[p] = max(again[p], reach)
		}
		r.merge(w)
	}
	return again, r.tooManyGroups(len(r.sums))
}

// merge takes over what a worker has added up.
func (r *run) merge(w *worker) {
	for tab, n := range w.broken {
		r.broken[tab] = n
	}
	for k, s := range w.sums {
		mine := r.sums[k]
		if mine == nil {
			r.sums[k] = s
			continue
		}
		mine.slices.Merge(s.slices)
		mine.tabs += s.tabs
	}
}

func (r *run) tooManyGroups(n int) error {
	if n <= r.e.o.MaxGroups {
		return nil
	}
	return &LimitError{fmt.Sprintf("the query makes more than %d groups; group by less, or name fewer tabs or clients", r.e.o.MaxGroups)}
}

// worker adds up States of its own tabs.
type worker struct {
	r         *run
	perClient bool // groups are made by clients
	sums      map[sumKey]*sum
	reach     map[*plan]int64
	broken    map[int]int
	bytes     int64
	err       error
}

func newWorker(r *run) *worker {
	w := &worker{r: r, sums: map[sumKey]*sum{}, reach: map[*plan]int64{}, broken: map[int]int{}}
	for _, k := range r.q.By {
		w.perClient = w.perClient || k.Kind == lang.ByClient
	}
	return w
}

// add is a view.Visitor.
func (w *worker) add(tab int, client string, st state.State) {
	if w.r.stop.Load() {
		return
	}
	if st == nil {
		w.broken[tab]++
		return
	}
	p := w.r.planOf[tab]
	if reach, failed := w.reach[p]; failed && reach == p.window.First {
		return
	}
	k := sumKey{key: w.r.keyOf[tab]}
	if w.perClient {
		k.client = client
	}
	s := w.sums[k]
	if s == nil {
		s = &sum{slices: p.handler.NewSlices(p.window), last: -1}
		w.sums[k] = s
	}
	if reach, ok := s.slices.Add(st); !ok {
		w.reach[p] = max(w.reach[p], reach)
		return
	}
	if s.last != tab {
		s.last = tab
		s.tabs++
	}
	w.weigh(s)
}

// weigh counts bytes when a group has twice as many States as the last time,
// and so not much more than twice the size.
func (w *worker) weigh(s *sum) {
	s.adds++
	if s.adds&(s.adds-1) != 0 {
		return
	}
	size := s.slices.Size()
	w.bytes += int64(size - s.size)
	s.size = size
	most := w.r.e.o.MaxBytes / int64(runtime.GOMAXPROCS(0))
	if w.bytes > most {
		w.fail(&LimitError{fmt.Sprintf("the query holds more than %d bytes; group by less, ask for a shorter window or larger steps, or name fewer tabs or clients", w.r.e.o.MaxBytes)})
	} else if err := w.r.tooManyGroups(len(w.sums)); err != nil {
		w.fail(err)
	}
}

func (w *worker) fail(err error) {
	w.err = err
	w.r.stop.Store(true)
}
