package promapi

import (
	"context"
	"maps"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/tabaproject/taba/internal/query/lang"
	"github.com/tabaproject/taba/internal/view"
)

// list collects the elements of an answer, each once.
type list struct {
	has  map[string]struct{}
	most int
}

func (q *querier) newList() *list {
	return &list{has: map[string]struct{}{}, most: q.a.o.MaxSeries}
}

// add reports whether there is room for more.
func (l *list) add(s string) bool {
	if len(l.has) < l.most {
		l.has[s] = struct{}{}
	}
	return len(l.has) < l.most
}

func (l *list) sorted() []string { return slices.Sorted(maps.Keys(l.has)) }

// labelNames lists the names of labels; without matchers, all of them.
func (q *querier) labelNames(ctx context.Context, matchers []*labels.Matcher) ([]string, error) {
	l := q.newList()
	if len(matchers) == 0 {
		for _, name := range []string{labelName, labelClient, labelWindow, labelQuantile} {
			l.add(name)
		}
		tags, _, err := q.a.o.View.SearchTags(ctx, view.Page{Limit: l.most})
		for _, t := range tags {
			l.add(labelKey(lang.Unescape(t.Text)))
		}
		return l.sorted(), ofStore(err)
	}
	s := newSelection(q, nil, matchers)
	_, err := s.choose(ctx)
	for i := range s.tabs {
		t := &s.tabs[i]
		for _, m := range t.metrics {
			l.add(labelName)
			if m.fact == factWindow {
				l.add(labelWindow)
			}
			if m.family == &quantiles {
				l.add(labelQuantile)
			}
		}
		if len(t.metrics) > 0 {
			l.add(labelClient)
		}
		for _, x := range t.labels {
			l.add(x.Name)
		}
	}
	return l.sorted(), ofStore(err)
}

// choose finds the tabs of a selection and what they tell.
func (s *selection) choose(ctx context.Context) (*view.Chosen, error) {
	if s.impossible() {
		return nil, nil
	}
	look := s.look(s.q.a.o.MaxStates)
	look.PerClient = false // what is asked for is names
	chosen, err := s.q.a.o.View.Choose(ctx, look)
	if err != nil {
		return nil, tooMany(err)
	}
	s.plan(chosen)
	return chosen, nil
}

// labelValuesOf lists the values of a label.
func (q *querier) labelValuesOf(ctx context.Context, name string, matchers []*labels.Matcher) ([]string, error) {
	if len(matchers) == 0 {
		values, err := q.allValues(ctx, name)
		return values, ofStore(err)
	}
	s := newSelection(q, nil, matchers)
	chosen, err := s.choose(ctx)
	if err != nil || chosen == nil {
		return []string{}, ofStore(err)
	}
	l := q.newList()
	some, windows, withQuantiles := false, false, false
	for i := range s.tabs {
		t := &s.tabs[i]
		for _, m := range t.metrics {
			some, windows, withQuantiles = true, windows || m.fact == factWindow, withQuantiles || m.family == &quantiles
			if name == labelName {
				l.add(m.name)
			}
		}
		for _, x := range t.labels {
			if x.Name == name && len(t.metrics) > 0 {
				l.add(x.Value)
			}
		}
	}
	switch {
	case name == labelClient && some:
		for _, client := range chosen.Clients(func(tab int) bool { return len(s.tabs[tab].metrics) > 0 }) {
			if client = text(client); matchAll(s.clients, client) || !s.perClient {
				l.add(client)
			}
		}
	case name == labelWindow && windows:
		return s.windows, nil
	case name == labelQuantile && withQuantiles:
		return s.quantiles, nil
	}
	return l.sorted(), nil
}

// allValues lists the values that a label has anywhere.
func (q *querier) allValues(ctx context.Context, name string) ([]string, error) {
	l := q.newList()
	switch name {
	case labelName:
		return q.allMetrics(ctx, l)
	case labelClient:
		clients, _, err := q.a.o.View.SearchClients(ctx, view.Page{Limit: l.most})
		for _, c := range clients {
			l.add(text(c))
		}
		return l.sorted(), err
	case labelWindow:
		return usualWindows, nil
	case labelQuantile:
		return usualQuantiles, nil
	}
	tags, _, err := q.a.o.View.SearchTags(ctx, view.Page{Limit: l.most})
	if err != nil {
		return nil, err
	}
	for _, t := range tags {
		if labelKey(lang.Unescape(t.Text)) != name {
			continue
		}
		values, _, err := q.a.o.View.SearchTagValues(ctx, t.Text, view.Page{Limit: l.most})
		if err != nil {
			return nil, err
		}
		for _, v := range values {
			if value := lang.Unescape(v.Text); value != "" {
				l.add(text(value))
			}
		}
	}
	return l.sorted(), nil
}

// page is how many tabs are looked at together.
const page = 10_000

// eachTab calls f for tabs in order until it returns false.
func (q *querier) eachTab(ctx context.Context, f func(view.TabType) bool) error {
	p := view.Page{Limit: page}
	for more := true; more; {
		tabs, rest, err := q.a.o.View.SearchTabs(ctx, p)
		if err != nil {
			return err
		}
		for _, t := range tabs {
			if !f(t) {
				return nil
			}
		}
		if more = rest && len(tabs) > 0; more {
			p.After = tabs[len(tabs)-1].Name
		}
	}
	return nil
}

// allMetrics lists the names of metrics.
func (q *querier) allMetrics(ctx context.Context, l *list) ([]string, error) {
	last := ""
	err := q.eachTab(ctx, func(t view.TabType) bool {
		name := lang.Name(t.Name)
		key := name + ";" + t.Type
		if key == last {
			return true
		}
		last = key
		room := true
		for _, f := range q.a.familiesOf(t.Type) {
			room = l.add(metricName(name) + f.suffix)
		}
		return room
	})
	return l.sorted(), err
}

// LabelNames implements storage.LabelQuerier.
func (q *querier) LabelNames(ctx context.Context, _ *storage.LabelHints, matchers ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	names, err := q.labelNames(ctx, matchers)
	return names, nil, err
}

// LabelValues implements storage.LabelQuerier.
func (q *querier) LabelValues(ctx context.Context, name string, _ *storage.LabelHints, matchers ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	values, err := q.labelValuesOf(ctx, name, matchers)
	return values, nil, err
}
