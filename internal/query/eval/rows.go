package eval

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/tabaproject/taba/internal/query/lang"
	"github.com/tabaproject/taba/state"
)

// found is one group with all that names it.
type found struct {
	parts []string
	plan  *plan
	sum   *sum
	rank  *float64 // the first value, if rows are picked by it
}

func (f *found) compare(o *found) int {
	return cmp.Or(slices.Compare(f.parts, o.parts), strings.Compare(f.plan.handler.Type(), o.plan.handler.Type()))
}

// cursor is where the page after f begins.
func (f *found) cursor() string {
	text := strings.Join(append(slices.Clone(f.parts), f.plan.handler.Type()), "\x00")
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

// rows fills in the rows of the page. A limit of the query's own ends the
// answer, one of the page ends the page.
func (r *run) rows(a *Answer) {
	all := r.found()
	if r.q.Pick != 0 {
		r.pick(all)
	} else {
		slices.SortFunc(all, func(x, y *found) int { return x.compare(y) })
		all = all[r.start(all):]
	}
	for _, most := range []int{r.q.Limit, max(r.q.Pick, -r.q.Pick)} {
		if most > 0 {
			all = all[:min(most, len(all))]
		}
	}
	if most := r.pageRows(); len(all) > most {
		all = all[:most]
		if r.q.Pick == 0 {
			a.Next = all[most-1].cursor()
		}
	}
	for _, f := range all {
		a.Rows = append(a.Rows, r.row(f))
	}
}

func (r *run) pageRows() int {
	if r.page.Limit > 0 {
		return min(r.page.Limit, r.e.o.MaxRows)
	}
	return r.e.o.MaxRows
}

func (r *run) found() []*found {
	var all []*found
	for k, s := range r.sums {
		g := &r.keys[k.key]
		f := &found{parts: g.parts, plan: g.plan, sum: s}
		if len(r.q.By) > 0 && r.q.PerClient() {
			f.parts = slices.Clone(g.parts)
			for i, key := range r.q.By {
				if key.Kind == lang.ByClient {
					f.parts[i] = k.client
				}
			}
		}
		all = append(all, f)
	}
	return all
}

// start is the index of the first row behind the page's cursor.
func (r *run) start(all []*found) int {
	if r.page.After == "" {
		return 0
	}
	text, err := base64.RawURLEncoding.DecodeString(r.page.After)
	if err != nil {
		return 0
	}
	parts := strings.Split(string(text), "\x00")
	i, same := slices.BinarySearchFunc(all, parts, func(f *found, parts []string) int {
		return slices.Compare(append(slices.Clone(f.parts), f.plan.handler.Type()), parts)
	})
	if same {
		i++
	}
	return i
}

// pick sorts by the first value of the whole window; what has none comes last.
func (r *run) pick(all []*found) {
	whole := r
	if r.flat != nil {
		whole = r.flat
	}
	ranks := map[string]*float64{}
	for _, f := range whole.found() {
		ranks[f.cursor()] = whole.whole(f, r.values[:1]).Values[r.values[0].Name]
	}
	for _, f := range all {
		f.rank = ranks[f.cursor()]
	}
	sign := cmp.Compare(0, r.q.Pick)
	slices.SortFunc(all, func(x, y *found) int {
		switch {
		case x.rank != nil && y.rank != nil:
			return cmp.Or(sign*cmp.Compare(*x.rank, *y.rank), x.compare(y))
		case x.rank != nil:
			return -1
		case y.rank != nil:
			return 1
		}
		return x.compare(y)
	})
}

func (r *run) row(f *found) Row {
	row := Row{By: map[string]string{}, Type: f.plan.handler.Type(), Tabs: f.sum.tabs}
	for i, k := range r.q.By {
		row.By[k.String()] = f.parts[i]
	}
	if f.plan.window.Step == 0 {
		row.Told = r.whole(f, r.values)
		return row
	}
	row.From, row.To = f.plan.interval(f.sum.slices, r.at)
	row.Points = r.points(f)
	return row
}

// whole tells of a window that is not in slices.
func (r *run) whole(f *found, values []lang.Value) (t Told) {
	t.From, t.To = f.plan.interval(f.sum.slices, r.at)
	var s state.Slice
	if f.sum.slices.Len() > 0 {
		s = f.sum.slices.At(0)
	}
	r.tell(&t, f.plan, s, values)
	return t
}

// points tells of every slice of the window, empty ones included.
func (r *run) points(f *found) (points []Told) {
	p, slices := f.plan, f.sum.slices
	step := p.window.Step
	end := max(p.newest+1, slices.End())
	first := p.window.First - floorMod(p.window.First, step)
	for i := 0; first < end; i++ {
		t := Told{To: min(float64((first+step)*p.width()), p.to(slices, r.at))}
		from := float64(max(first, p.window.First) * p.width())
		t.From = &from
		var s state.Slice
		if i < slices.Len() {
			s = slices.At(i)
		}
		r.tell(&t, p, s, r.values)
		points = append(points, t)
		first += step
	}
	return points
}

func floorMod(a, b int64) int64 { return ((a % b) + b) % b }

// interval is the time that an answer is about.
func (p *plan) interval(s state.Slices, at float64) (from *float64, to float64) {
	if p.window.Ring == state.Ever {
		return nil, at
	}
	start := float64(p.window.First * p.width())
	return &start, p.to(s, at)
}

// to is the clock's time, or later if there are events ahead of it.
func (p *plan) to(s state.Slices, at float64) float64 {
	if s.End() > p.newest+1 {
		return float64(s.End() * p.width())
	}
	return at
}

// tell computes values of a slice; nil is an empty one.
func (r *run) tell(t *Told, p *plan, s state.Slice, values []lang.Value) {
	t.Values = make(map[string]*float64, len(values))
	for _, v := range values {
		t.Values[v.Name] = nil
		if !p.knows(v) {
			continue
		}
		x, bound, ok := compute(t, s, v)
		if !ok {
			continue
		}
		t.Values[v.Name] = &x
		if bound > 0 {
			if t.Errors == nil {
				t.Errors = map[string]float64{}
			}
			t.Errors[v.Name] = bound
		}
	}
}

// shortest is how long a stretch is taken to be at least, in seconds, when
// something is divided by it.
const shortest = 1

// compute computes one value. ok is false for what no events do not have.
func compute(t *Told, s state.Slice, v lang.Value) (x, bound float64, ok bool) {
	duration := float64(shortest)
	if t.From != nil {
		duration = max(t.To-*t.From, shortest)
	}
	if s == nil {
		switch v.Func {
		case lang.Count, lang.Total, lang.Rate, lang.TotalRate, lang.Distinct:
			return 0, 0, true
		}
		return 0, 0, false
	}
	switch v.Func {
	case lang.Count:
		return float64(s.Count()), 0, true
	case lang.Total:
		return s.Total(), 0, true
	case lang.Rate:
		return float64(s.Count()) / duration, 0, true
	case lang.TotalRate:
		return s.Total() / duration, 0, true
	case lang.Distinct:
		x, bound = s.Distinct()
		return x, bound, true
	}
	if s.Count() == 0 {
		return 0, 0, false
	}
	least, greatest := s.Extremes()
	switch v.Func {
	case lang.Average:
		x = s.Total() / float64(s.Count())
	case lang.Min:
		x = least
	case lang.Max:
		x = greatest
	case lang.Quantile:
		x, bound = s.Quantile(v.Q)
	}
	return x, bound, true
}

// missing lists what was asked for and is not in the answer.
func (r *run) missing() (list []Missing) {
	add := func(reason string, n int, tab, what string) {
		if n > 0 {
			list = append(list, Missing{Reason: reason, Tabs: n, Tab: tab, What: what})
		}
	}
	var conflicts, unknown, broken missed
	of := map[*plan]*missed{}
	for i, t := range r.chosen.Tabs {
		if t.Handler == nil {
			unknown.add(t.Name, fmt.Sprintf("the Type %s is not known here", t.Type))
			continue
		}
		if len(t.Others) > 0 {
			conflicts.add(t.Name, fmt.Sprintf("it is a %s; its events as %s are left out", t.Type, strings.Join(t.Others, ", ")))
		}
		if n := r.broken[i]; n > 0 {
			broken.add(t.Name, "States that cannot be decoded are left out; the server's log says more")
		}
		p := r.planOf[i]
		if of[p] == nil {
			of[p] = &missed{}
		}
		of[p].add(t.Name, "")
	}
	add("type_conflict", conflicts.n, conflicts.tab, conflicts.what)
	add("unknown_type", unknown.n, unknown.tab, unknown.what)
	add("undecodable", broken.n, broken.tab, broken.what)
	for _, p := range r.order {
		for _, why := range r.unknown(p) {
			add(why.Reason, of[p].n, of[p].tab, why.What)
		}
	}
	return list
}

// missed counts tabs of which something is missing.
type missed struct {
	n         int
	tab, what string // of the first one
}

func (m *missed) add(tab, what string) {
	if m.n++; m.n == 1 {
		m.tab, m.what = tab, what
	}
}

// unknown says what of a plan's Type is missing, each reason once.
func (r *run) unknown(p *plan) (list []Missing) {
	if p.cut {
		list = append(list, Missing{Reason: "window", What: fmt.Sprintf("a %s does not reach back as far; from says to where", p.handler.Type())})
	}
	seen := map[string]bool{}
	for _, v := range r.values {
		if p.knows(v) || len(r.q.Values) == 0 && p.what == "" {
			continue
		}
		reason, what := p.unknown(v)
		if !seen[what] {
			seen[what] = true
			list = append(list, Missing{Reason: reason, What: what})
		}
	}
	return list
}
