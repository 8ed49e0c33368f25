package promapi

import (
	"cmp"
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/tabaproject/taba/state"
)

// values makes the series of values that a State holds: one for each client or,
// of a list, one of its numbers at their times.
func (m *maker) values(st state.State) {
	i := slices.IndexFunc(m.tab.metrics, func(x metric) bool { return x.fact == factValue })
	holding, ok := st.(state.Holding)
	if i < 0 || !ok || !matchAll(m.s.selector.windows, "") || !matchAll(m.s.selector.quantiles, "") {
		return
	}
	x := m.tab.metrics[i]
	var listed []state.Held
	holding.Held(m.s.q.at, func(h state.Held) {
		switch {
		case !h.Number:
			m.leftOut = true
		case h.Client == "":
			listed = append(listed, h)
		case matchAll(m.s.clients, text(h.Client)):
			m.value(x, h)
		}
	})
	m.list(x, listed)
}

// value makes the series of one client's value.
func (m *maker) value(x metric, h state.Held) {
	m.s.q.held.Store(true)
	series := &oneSeries{times: m.s.holds(h.Time), grid: grid{none: true}}
	for range series.times {
		series.values = append(series.values, h.Value)
	}
	if m.s.perClient {
		m.add(series, x)
		return
	}
	m.add(series, x, labels.Label{Name: labelClient, Value: text(h.Client)})
}

// holds returns the moments at which a value is told that holds from a time on
// until now: so many that what is looked back for finds one. What was before is
// not known, and of a value whose time is not kept only that it holds now.
func (s *selection) holds(from float64) (times []int64) {
	back := s.q.lookback.Milliseconds()
	if s.labelsFor {
		return []int64{milliseconds(s.q.at)}
	}
	if math.IsNaN(from) {
		if t, ok := s.span.now(s.q.at, back); ok {
			times = append(times, t)
		}
		return times
	}
	first, last := max(milliseconds(from), s.span.start), min(milliseconds(s.q.at), s.span.end)
	step := max(back, (last-first)/maxPoints, 1)
	for t := first; t < last; t += step {
		times = append(times, t)
	}
	if first <= last {
		times = append(times, last)
	}
	return times
}

// list makes the series of a list of numbers. Of several at one time the first
// counts, which is kept longest.
func (m *maker) list(x metric, listed []state.Held) {
	slices.SortStableFunc(listed, func(a, b state.Held) int { return cmp.Compare(milliseconds(a.Time), milliseconds(b.Time)) })
	series := &oneSeries{grid: grid{none: true}}
	for _, h := range listed {
		t := milliseconds(h.Time)
		if n := len(series.times); n > 0 && series.times[n-1] == t || !m.s.labelsFor && (t < m.s.span.start || t > m.s.span.end) {
			continue
		}
		series.times, series.values = append(series.times, t), append(series.values, h.Value)
	}
	if len(listed) > 0 {
		m.add(series, x)
	}
}
