package eval

import (
	"fmt"
	"math"

	"github.com/tabaproject/taba/internal/query/lang"
	"github.com/tabaproject/taba/state"
)

// plan is how States of one Type are asked.
type plan struct {
	handler state.Windowing
	seconds int64 // of the window; 0: ever
	step    int64 // seconds of a slice; 0: no series
	buckets int64
	tells   state.Facts
	window  state.Window
	newest  int64 // bucket of the clock
	reason  string
	what    string // why nothing is known; empty: something is
	cut     bool   // the window begins later than was asked for
}

// needs are the facts from which values are computed.
var needs = map[lang.Func]state.Facts{
	lang.Count: state.Counts, lang.Total: state.Totals, lang.Average: state.Counts | state.Totals,
	lang.Rate: state.Counts, lang.TotalRate: state.Totals,
	lang.Min: state.Spread, lang.Max: state.Spread, lang.Quantile: state.Spread, lang.Distinct: state.Distinct,
}

// newPlan plans for a Type.
func newPlan(h state.Handler, q *lang.Query, values []lang.Value, at float64) *plan {
	w, ok := h.(state.Windowing)
	if !ok {
		w = eventsOnly{h}
	}
	p := &plan{handler: w, seconds: q.Last, step: q.Step}
	rings := w.Rings()
	if p.seconds == 0 && (w.Tells(true) == 0 || q.Step != 0) && len(rings) > 0 {
		longest := rings[len(rings)-1]
		p.seconds = longest.Width * longest.Size
	}
	ever := p.seconds == 0
	p.tells = w.Tells(ever)
	for _, v := range values {
		p.window.Need |= needs[v.Func]
	}
	switch {
	case !ever && len(rings) == 0:
		p.reason, p.what = "no_windows", "keeps no times; ask without last"
	case q.Step != 0 && p.tells&state.Slicing == 0:
		p.reason, p.what = "no_series", "cannot tell buckets apart; ask without step"
	case ever:
		p.window.Ring = state.Ever
	default:
		ring, buckets, ok := state.Choose(rings, p.seconds)
		if !ok {
			ring, buckets, p.cut = len(rings)-1, rings[len(rings)-1].Size, true
		}
		p.use(ring, buckets, at)
	}
	return p
}

// use plans to ask a ring for its newest buckets at a time.
func (p *plan) use(ring int, buckets int64, at float64) {
	width := p.handler.Rings()[ring].Width
	p.buckets = buckets
	p.newest = int64(math.Floor(at / float64(width)))
	p.window.Ring, p.window.End = ring, state.Open
	p.window.First = p.newest - buckets + 1
	switch {
	case p.step == lang.StepAuto:
		p.window.Step = 1
	case p.step > 0:
		p.window.Step = (p.step + width - 1) / width
	}
}

// coarser plans anew after some State's ring was found to reach back only to a
// bucket.
func (p *plan) coarser(reach int64, at float64) {
	rings := p.handler.Rings()
	if next := p.window.Ring + 1; next < len(rings) {
		width := rings[next].Width
		p.use(next, min((p.seconds+width-1)/width, rings[next].Size), at)
		return
	}
	p.window.First, p.cut = reach, true
}

func (p *plan) width() int64 { return p.handler.Rings()[p.window.Ring].Width }

// knows reports whether a value can be told.
func (p *plan) knows(v lang.Value) bool {
	timed := v.Func == lang.Rate || v.Func == lang.TotalRate
	return p.what == "" && p.tells&needs[v.Func] == needs[v.Func] && (!timed || p.seconds > 0)
}

// unknown says why a value cannot be told.
func (p *plan) unknown(v lang.Value) (reason, what string) {
	typ := p.handler.Type()
	switch {
	case p.what != "":
		return p.reason, fmt.Sprintf("a %s %s", typ, p.what)
	case (v.Func == lang.Rate || v.Func == lang.TotalRate) && p.seconds == 0:
		return "no_window", fmt.Sprintf("a %s needs a window; ask for example for last 10m", v.Name)
	case p.seconds > 0 && p.handler.Tells(true)&needs[v.Func] == needs[v.Func]:
		return "not_kept", fmt.Sprintf("a %s tells %s only of all events that there have been; ask without last", typ, v.Name)
	case p.seconds == 0 && p.handler.Tells(false)&needs[v.Func] == needs[v.Func]:
		return "not_kept", fmt.Sprintf("a %s tells %s of windows only; ask for example for last 1d", typ, v.Name)
	}
	return "not_kept", fmt.Sprintf("a %s does not tell %s", typ, v.Name)
}

// eventsOnly asks the States of a Type that is no Windowing: they count events.
type eventsOnly struct{ state.Handler }

func (eventsOnly) Rings() []state.Ring { return nil }

func (eventsOnly) Tells(ever bool) state.Facts {
	if ever {
		return state.Counts
	}
	return 0
}

func (eventsOnly) NewSlices(state.Window) state.Slices { return new(events) }

// events counts events.
type events struct{ n uint64 }

func (e *events) Add(s state.State) (reach int64, ok bool) {
	e.n += s.N()
	return math.MinInt64, true
}
func (e *events) Merge(o state.Slices)                 { e.n += o.(*events).n }
func (e *events) End() int64                           { return 0 }
func (e *events) Len() int                             { return 1 }
func (e *events) At(int) state.Slice                   { return e }
func (e *events) Size() int                            { return 8 }
func (e *events) Count() uint64                        { return e.n }
func (e *events) Total() float64                       { return 0 }
func (e *events) Extremes() (least, greatest float64)  { return 0, 0 }
func (e *events) Quantile(float64) (v, bound float64)  { return 0, 0 }
func (e *events) Distinct() (n, standardError float64) { return 0, 0 }
