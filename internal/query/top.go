package query

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"

	"github.com/tabaproject/taba/internal/query/eval"
	"github.com/tabaproject/taba/internal/query/lang"
)

// Ranking is which names, clients or values of a tag have and take the most.
type Ranking struct {
	AsOf     float64  `json:"as_of"`
	LagMS    float64  `json:"lag_ms"`
	Complete bool     `json:"complete"`
	By       string   `json:"by"`
	Sort     string   `json:"sort"`
	Seconds  int      `json:"seconds"` // over which rates are told
	Groups   int      `json:"groups"`  // of which rows are some
	Rows     []Ranked `json:"rows"`
}

// Ranked is one of them.
type Ranked struct {
	Key     string   `json:"key"`
	Types   []string `json:"types"`
	Rate    *float64 `json:"events_per_second"` // null: its Types keep no times
	Events  *float64 `json:"events"`
	Tabs    int      `json:"tabs"`
	Clients int      `json:"clients"`
	Bytes   int64    `json:"bytes"`
}

// ranks are what rows are sorted by, the greatest first.
var ranks = map[string]func(*eval.Ranked) float64{
	"rate":    func(r *eval.Ranked) float64 { return orZero(r.Rate) },
	"events":  func(r *eval.Ranked) float64 { return orZero(r.Events) },
	"tabs":    func(r *eval.Ranked) float64 { return float64(r.Tabs) },
	"clients": func(r *eval.Ranked) float64 { return float64(r.States) },
	"bytes":   func(r *eval.Ranked) float64 { return float64(r.Bytes) },
}

func orZero(v *float64) float64 {
	if v == nil {
		return 0
	}
	return *v
}

// top ranks groups of tabs.
func (h *Handler) top(r *http.Request, a args) (any, error) {
	m, err := lang.ParseMatcher(cmp.Or(a.get("match"), "*"))
	if err != nil {
		return nil, err
	}
	by, err := lang.ParseKey(cmp.Or(a.get("by"), "name"))
	if err != nil {
		return nil, badParameter(err.Error())
	}
	order := cmp.Or(a.get("sort"), "rate")
	rank := ranks[order]
	if rank == nil && order != "key" {
		return nil, badParameter(fmt.Sprintf("sort cannot be %q; use rate, events, tabs, clients, bytes or key", order))
	}
	limit, err := a.number("limit", defaultPage, maxPage)
	if err != nil {
		return nil, err
	}
	h.counts.asked.Inc()
	rows, asOf, err := h.eval.Top(r.Context(), m, by)
	if err != nil {
		return nil, err
	}
	if rank != nil {
		slices.SortStableFunc(rows, func(a, b eval.Ranked) int { return cmp.Compare(rank(&b), rank(&a)) })
	}
	t := &Ranking{AsOf: asOf, LagMS: h.self.lag(), Complete: true, By: by.String(), Sort: order, Seconds: eval.TopSeconds, Groups: len(rows), Rows: []Ranked{}}
	for _, row := range rows[:min(limit, len(rows))] {
		t.Rows = append(t.Rows, Ranked{
			Key: row.Key, Types: row.Types, Rate: row.Rate, Events: row.Events, Tabs: row.Tabs, Clients: row.States, Bytes: row.Bytes,
		})
	}
	return t, nil
}
