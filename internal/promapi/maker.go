package promapi

import (
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/tabaproject/taba/state"
)

// tell adds the series that a tab's State makes; if only labels are asked for,
// what they are called, for which hardly any State has to be looked at.
func (s *selection) tell(w *worker, t *chosenTab, client string, st state.State) error {
	m := &maker{s: s, tab: t, st: st, found: &w.found}
	if s.labelsFor {
		m.st = nil
	}
	m.labels = append(m.labels, t.labels...)
	if s.perClient {
		m.labels = append(m.labels, labels.Label{Name: labelClient, Value: text(client)})
	}
	if st == nil || !s.labelsFor || s.perClient {
		m.gauges()
		m.counters()
	}
	if st != nil {
		m.values(st)
	}
	if m.leftOut {
		w.leftOut = append(w.leftOut, t.name)
	}
	return m.err
}

// maker makes the series of one State.
type maker struct {
	s      *selection
	tab    *chosenTab
	st     state.State // nil: only labels are asked for
	labels []labels.Label
	found  *[]*oneSeries
	err    error

	leftOut bool // values that are no numbers
}

// counters makes what only grows.
func (m *maker) counters() {
	var c *cumulation
	var lo, hi int
	for _, x := range m.tab.metrics {
		if x.fact == factWindow || x.fact == factValue || !matchAll(m.s.selector.windows, "") || !matchAll(m.s.selector.quantiles, "") {
			continue
		}
		series := &oneSeries{grid: m.s.grid}
		if m.st != nil {
			if c == nil {
				c = m.tab.kind.cumulate(m.st, m.s.q.at)
				lo, hi = m.s.span.clip(c, m.s.q.at)
			}
			m.count(series, x, c, lo, hi)
		}
		m.add(series, x)
	}
}

// count fills a series with the part of a cumulation that is asked for.
func (m *maker) count(series *oneSeries, x metric, c *cumulation, lo, hi int) {
	series.times = c.times[lo:hi]
	switch x.fact {
	case factCount:
		series.values = c.counts[lo:hi]
	case factSum:
		series.values = c.sums[lo:hi]
	case factHistogram:
		series.spread = m.tab.kind.distribute(m.st, m.s.q.at, c)
		series.spread.clip(lo, hi)
		series.grid = m.s.even
	}
}

// gauges makes what is told of windows.
func (m *maker) gauges() {
	var families []metric
	need := state.Facts(0)
	for _, x := range m.tab.metrics {
		if x.fact == factWindow {
			families = append(families, x)
			need |= x.need
		}
	}
	if len(families) == 0 {
		return
	}
	for _, window := range m.s.windows {
		if seconds, ok := duration(window); ok {
			m.window(window, seconds, families, need)
		}
	}
}

// window makes the series of one window.
func (m *maker) window(window string, seconds int64, families []metric, need state.Facts) {
	var all []*gauge
	for _, x := range families {
		told := m.tab.kind.windowTells(x.family)
		if seconds == 0 {
			told = m.tab.kind.everTells(x.family)
		}
		if told {
			all = append(all, m.gaugesOf(x, window)...)
		}
	}
	if len(all) == 0 {
		return
	}
	if m.st != nil {
		m.tab.kind.eachWindow(m.st, seconds, m.s.q.at, need, m.s.span, func(t int64, events state.Slice) {
			for _, g := range all {
				if v, ok := valueOf(g.metric.family, events, g.q); ok {
					g.times, g.values = append(g.times, t), append(g.values, v)
				}
			}
		})
	}
	for _, g := range all {
		slices.Reverse(g.times)
		slices.Reverse(g.values)
		g.grid.none = true
		m.add(&g.oneSeries, g.metric, g.extra...)
	}
}

// gauge is a series of a window while it is made.
type gauge struct {
	oneSeries
	metric metric
	q      float64
	extra  []labels.Label
}

// gaugesOf returns a family's series: one, or one for each quantile.
func (m *maker) gaugesOf(x metric, window string) (list []*gauge) {
	in := labels.Label{Name: labelWindow, Value: window}
	if x.family != &quantiles {
		if matchAll(m.s.selector.quantiles, "") {
			list = append(list, &gauge{metric: x, extra: []labels.Label{in}})
		}
		return list
	}
	for _, text := range m.s.quantiles {
		if q, ok := quantileOf(text); ok {
			list = append(list, &gauge{metric: x, q: q, extra: []labels.Label{in, {Name: labelQuantile, Value: text}}})
		}
	}
	return list
}

// add adds a series that has samples, or that is only asked what it is called.
func (m *maker) add(series *oneSeries, x metric, extra ...labels.Label) {
	if m.err != nil || m.st != nil && len(series.times) == 0 {
		return
	}
	list := make([]labels.Label, 0, len(m.labels)+len(extra)+1)
	list = append(append(append(list, labels.Label{Name: labelName, Value: x.name}), m.labels...), extra...)
	series.labels, series.tab = labels.New(list...), m.tab.name
	*m.found = append(*m.found, series)
	m.err = m.s.q.weigh(series)
}
