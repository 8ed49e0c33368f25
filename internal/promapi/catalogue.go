package promapi

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/tabaproject/taba/internal/query/lang"
	"github.com/tabaproject/taba/internal/view"
)

// cut answers with a list, as much of it as is wanted.
func cut(values []string, limit int) (*answer, error) {
	if values == nil {
		values = []string{}
	}
	cut := limit > 0 && len(values) > limit
	if cut {
		values = values[:limit]
	}
	x, err := reply(values)
	if cut {
		x.notes.Add(errTruncated)
	}
	return x, err
}

// union lists what any of several sets of matchers lists.
func (a *API) union(p params, ask func(*querier, []*labels.Matcher) ([]string, error)) (*answer, error) {
	limit, err := p.limit("limit")
	if err != nil {
		return nil, err
	}
	sets, err := a.selectors(p)
	if err != nil {
		return nil, err
	}
	if len(sets) == 0 {
		sets = append(sets, nil)
	}
	q := a.newQuerier(false)
	all := q.newList()
	for _, set := range sets {
		values, err := ask(q, set)
		if err != nil {
			return nil, err
		}
		for _, v := range values {
			all.add(v)
		}
	}
	return cut(all.sorted(), limit)
}

// labels lists the names of labels.
func (a *API) labels(ctx context.Context, p params) (*answer, error) {
	return a.union(p, func(q *querier, set []*labels.Matcher) ([]string, error) { return q.labelNames(ctx, set) })
}

// labelValues lists the values of a label.
func (a *API) labelValues(ctx context.Context, p params) (*answer, error) {
	if !model.UTF8Validation.IsValidLabelName(p.label) {
		return nil, bad("invalid label name: %q", p.label)
	}
	name := model.UnescapeName(p.label, model.ValueEncodingEscaping)
	return a.union(p, func(q *querier, set []*labels.Matcher) ([]string, error) { return q.labelValuesOf(ctx, name, set) })
}

// series lists series by their labels.
func (a *API) series(ctx context.Context, p params) (*answer, error) {
	limit, err := p.limit("limit")
	if err != nil {
		return nil, err
	}
	sets, err := a.selectors(p)
	if err != nil {
		return nil, err
	}
	if len(sets) == 0 {
		return nil, bad("no match[] parameter provided")
	}
	q := a.newQuerier(false)
	all := []labels.Labels{}
	x := &answer{}
	for _, set := range sets {
		found := q.Select(ctx, false, &storage.SelectHints{Func: "series"}, set...)
		for found.Next() {
			all = append(all, found.At().Labels())
		}
		if err := found.Err(); err != nil {
			return nil, err
		}
		x.notes = x.notes.Merge(found.Warnings())
	}
	slices.SortFunc(all, labels.Compare)
	all = slices.CompactFunc(all, labels.Equal)
	if limit > 0 && len(all) > limit {
		all = all[:limit]
		x.notes.Add(errTruncated)
	}
	x.text = append(x.text, '[')
	for i, ls := range all {
		x.text = appendLabels(comma(x.text, i), ls)
	}
	x.text = append(x.text, ']')
	return x, nil
}

// entry is what is known of a metric.
type entry struct {
	Type model.MetricType `json:"type"`
	Help string           `json:"help"`
	Unit string           `json:"unit"`
}

// metadata says what metrics are.
func (a *API) metadata(ctx context.Context, p params) (*answer, error) {
	limit, err := p.limit("limit")
	if err != nil {
		return nil, err
	}
	if limit == 0 {
		limit = a.o.MaxSeries
	}
	q := a.newQuerier(false)
	all := map[string][]entry{}
	tell := func(t view.TabType) bool {
		name := lang.Name(t.Name)
		for _, f := range a.familiesOf(t.Type) {
			metric := metricName(name) + f.suffix
			e := entry{Type: f.kind, Help: fmt.Sprintf("%s of %s, a %s", f.help, text(name), t.Type)}
			if asked := p.Get("metric"); (asked == "" || asked == metric) && !slices.Contains(all[metric], e) && (len(all) < limit || all[metric] != nil) {
				all[metric] = append(all[metric], e)
			}
		}
		return len(all) < limit || p.Get("metric") != ""
	}
	if metric := p.Get("metric"); metric != "" {
		var tabs []view.TabType
		if tabs, err = q.tabsOf(ctx, metric); err == nil {
			for _, t := range tabs {
				tell(t)
			}
		}
	} else {
		err = q.eachTab(ctx, tell)
	}
	if err != nil {
		return nil, ofStore(err)
	}
	return reply(all)
}

// tabsOf returns the tabs that may have a metric.
func (q *querier) tabsOf(ctx context.Context, metric string) (tabs []view.TabType, err error) {
	m, err := labels.NewMatcher(labels.MatchEqual, labelName, metric)
	if err != nil {
		return nil, err
	}
	chosen, err := q.a.o.View.Choose(ctx, newSelector([]*labels.Matcher{m}).look(q.a.o.MaxStates))
	if err != nil {
		return nil, tooMany(err)
	}
	for _, t := range chosen.Tabs {
		tabs = append(tabs, view.TabType{Name: t.Name, Type: t.Type})
	}
	return tabs, nil
}

// familiesOf returns what tabs of a Type have.
func (a *API) familiesOf(typ string) []*family {
	h, ok := a.o.Registry.Lookup(typ)
	if !ok {
		return nil
	}
	return kindOf(h).families
}

// prometheus is the release whose engine this is, by which Grafana chooses what
// it asks for.
const prometheus = "3.16.0"

// buildInfo says what is asked.
func (a *API) buildInfo(context.Context, params) (*answer, error) {
	return reply(map[string]string{
		"version": prometheus, "revision": "taba " + a.o.Version, "branch": "", "buildUser": "", "buildDate": "",
		"goVersion": runtime.Version(),
	})
}

// errNotFound: there is no such route.
var errNotFound = errors.New("there is nothing here; docs/prometheus.md lists what there is")

func notFound(context.Context, params) (*answer, error) { return nil, errNotFound }

// flags are what Grafana and others look for; there are none.
func (a *API) flags(context.Context, params) (*answer, error) { return reply(map[string]string{}) }

// nothing, noRules and noAlerts answer those who look whether there are any.
func nothing(context.Context, params) (*answer, error) { return reply([]string{}) }

func noRules(context.Context, params) (*answer, error) {
	return reply(map[string][]string{"groups": {}})
}

func noAlerts(context.Context, params) (*answer, error) {
	return reply(map[string][]string{"alerts": {}})
}
