package query

import (
	"math"
	"net/http"
	"time"

	"github.com/tabaproject/taba/internal/query/eval"
	"github.com/tabaproject/taba/internal/query/lang"
	"github.com/tabaproject/taba/internal/view"
)

const (
	defaultPage = 100    // entries of a list, unless limit says how many
	maxPage     = 10_000 // rows or entries
)

// listing is what all lists have.
type listing struct {
	AsOf     float64 `json:"as_of"`
	LagMS    float64 `json:"lag_ms"`
	Complete bool    `json:"complete"`
	Next     string  `json:"next,omitempty"` // give it as after to get the next page

	Missing []eval.Missing `json:"missing,omitempty"`
	lacks   view.Lacks
}

// done ends an answer: it says what it lacks.
func (l *listing) done() {
	if l.lacks.Any() {
		l.Missing = eval.Unread(&l.lacks)
	}
	l.Complete = len(l.Missing) == 0
}

// listing begins an answer: everything that was acknowledged by now is in it.
func (h *Handler) listing() *listing {
	h.counts.listed.Inc()
	enqueue, processed := h.o.Latency()
	return &listing{AsOf: seconds(h.o.Now().Truncate(time.Microsecond)), LagMS: milliseconds(enqueue + processed), Complete: true}
}

func milliseconds(s float64) float64 { return math.Round(s*1e6) / 1e3 }

type nameEntry struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

type countedEntry struct {
	Name string `json:"name"`
	Tabs int    `json:"tabs"`
}

// page reads which part of a list is asked for.
func page(a args) (view.Page, error) {
	limit, err := a.number("limit", defaultPage, maxPage)
	return view.Page{Prefix: a.get("prefix"), After: a.get("after"), Limit: limit}, err
}

// page is which part is asked for; what it lacks is told to the answer.
func (l *listing) page(a args) (view.Page, error) {
	p, err := page(a)
	p.Lacks = &l.lacks
	return p, err
}

func (h *Handler) searchNames(r *http.Request, a args) (any, error) {
	answer := struct {
		*listing
		Names []nameEntry `json:"names"`
	}{h.listing(), []nameEntry{}}
	p, err := answer.page(a)
	if err != nil {
		return nil, err
	}
	defer answer.done()
	if text := a.get("match"); text != "" {
		m, err := lang.ParseMatcher(text)
		if err != nil {
			return nil, err
		}
		p.Match = m.Match
		p.Prefix = max(p.Prefix, m.Name.Prefix()) // one of them begins with the other, or nothing matches both
		if prefix := a.get("prefix"); len(prefix) > 0 {
			p.Match = func(name string) bool {
				return len(name) >= len(prefix) && name[:len(prefix)] == prefix && m.Match(name)
			}
		}
	}
	tabs, more, err := h.o.View.SearchTabs(r.Context(), p)
	for _, t := range tabs {
		answer.Names = append(answer.Names, nameEntry(t))
	}
	if more {
		answer.Next = tabs[len(tabs)-1].Name
	}
	return answer, err
}

func (h *Handler) searchClients(r *http.Request, a args) (any, error) {
	answer := struct {
		*listing
		Clients []string `json:"clients"`
	}{h.listing(), []string{}}
	p, err := answer.page(a)
	if err != nil {
		return nil, err
	}
	defer answer.done()
	clients, more, err := h.o.View.SearchClients(r.Context(), p)
	answer.Clients = append(answer.Clients, clients...)
	if more {
		answer.Next = clients[len(clients)-1]
	}
	return answer, err
}

func (h *Handler) searchTags(r *http.Request, a args) (any, error) {
	answer := struct {
		*listing
		Tags []countedEntry `json:"tags"`
	}{h.listing(), []countedEntry{}}
	p, err := answer.page(a)
	if err != nil {
		return nil, err
	}
	defer answer.done()
	p.Prefix, p.After = lang.Escape(p.Prefix), lang.Escape(p.After)
	tags, more, err := h.o.View.SearchTags(r.Context(), p)
	answer.Tags, answer.Next = counted(tags, more)
	return answer, err
}

func (h *Handler) searchTagValues(r *http.Request, a args) (any, error) {
	answer := struct {
		*listing
		Values []countedEntry `json:"values"`
	}{h.listing(), []countedEntry{}}
	tag := a.get("tag")
	if tag == "" {
		return nil, badParameter("which tag is not said; give it as tag, for example tag=dc")
	}
	p, err := answer.page(a)
	if err != nil {
		return nil, err
	}
	defer answer.done()
	p.Prefix, p.After = lang.Escape(p.Prefix), lang.Escape(p.After)
	values, more, err := h.o.View.SearchTagValues(r.Context(), lang.Escape(tag), p)
	answer.Values, answer.Next = counted(values, more)
	return answer, err
}

// counted returns what a list shows, and where its next page begins.
func counted(list []view.Counted, more bool) (entries []countedEntry, next string) {
	entries = []countedEntry{}
	for _, c := range list {
		entries = append(entries, countedEntry{Name: lang.Unescape(c.Text), Tabs: c.Tabs})
	}
	if more {
		next = entries[len(entries)-1].Name
	}
	return entries, next
}

func (h *Handler) countTypes(r *http.Request, _ args) (any, error) {
	answer := struct {
		*listing
		Types []countedEntry `json:"types"`
	}{h.listing(), []countedEntry{}}
	defer answer.done()
	types, err := h.o.View.CountTypes(r.Context(), &answer.lacks)
	answer.Types, _ = counted(types, false)
	for i, t := range types {
		answer.Types[i].Name = t.Text
	}
	return answer, err
}
