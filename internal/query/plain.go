package query

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"html/template"
	"net/http"
	"slices"

	"github.com/tabaproject/taba/internal/query/eval"
	"github.com/tabaproject/taba/internal/query/lang"
	"github.com/tabaproject/taba/internal/view"
	"github.com/tabaproject/taba/state"
	"github.com/tabaproject/taba/web"
)

// The plain page: what a browser shows that runs no script, or of a server that
// was built without Node. Names are data; html/template sees to it.

//go:embed plain.html
var plainText string

//go:embed plain.css
var plainCSS []byte

var plainPages = template.Must(template.New("").Funcs(template.FuncMap{
	"number": number, "whole": whole, "clock": clock,
}).Parse(plainText))

const plainPolicy = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

const (
	plainRanked = 20
	plainListed = 100
)

// plain makes a page of what page returns: the name of a template and its data.
func (h *Handler) plain(page func(r *http.Request, a args) (string, any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		name, data, err := page(r, args(r.URL.Query()))
		status := http.StatusOK
		if err != nil {
			p, ours := problemOf(err)
			if ours {
				h.o.Log.Error("a page could not be made", "path", r.URL.Path, "err", err)
			}
			name, data, status = "problem", p, p.status
		}
		var text bytes.Buffer
		if err := plainPages.ExecuteTemplate(&text, name, data); err != nil {
			h.o.Log.Error("a page could not be made", "path", r.URL.Path, "err", err)
			Error(w, r, http.StatusInternalServerError, "Internal error. The server's log says more.")
			return
		}
		web.Secure(w.Header(), plainPolicy)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(status)
		_, _ = w.Write(text.Bytes()) // who hung up needs no page
	}
}

func plainStyle(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(plainCSS)
}

// plainOverview is what the overview shows.
type plainOverview struct {
	*listing
	Server        string
	Find, Notice  string
	Tabs, States  int
	Busiest       []eval.Row
	BusiestReason string // why there are none
	Found         []view.TabType
	Types         []view.Counted
}

func (h *Handler) plainHome(r *http.Request, a args) (string, any, error) {
	o := plainOverview{listing: h.listing(), Server: h.o.Name, Find: a.get("find"),
		Tabs: h.o.View.TabCount(), States: h.o.View.StateCount()}
	if h.o.Notice != nil {
		o.Notice = h.o.Notice()
	}
	defer o.done()
	var err error
	if o.Types, err = h.o.View.CountTypes(r.Context(), &o.lacks); err != nil {
		return "", nil, err
	}
	after := a.get("after")
	if err := h.plainFound(r.Context(), &o, after); err != nil {
		return "", nil, err
	}
	if o.Find == "" && after == "" {
		h.plainBusiest(r.Context(), &o)
	}
	return "overview", o, nil
}

// plainFound adds a page of the tabs that have the text in their names.
func (h *Handler) plainFound(ctx context.Context, o *plainOverview, after string) error {
	page := view.Page{After: after, Limit: plainListed, Lacks: &o.lacks}
	if o.Find != "" {
		with, err := lang.NewPattern(lang.Glob, "*"+o.Find+"*")
		if err != nil {
			return badParameter(err.Error())
		}
		page.Match = with.Match
	}
	found, more, err := h.o.View.SearchTabs(ctx, page)
	if more {
		o.Next = found[len(found)-1].Name
	}
	o.Found = found
	return err
}

// plainBusiest adds the tabs with most events, or why they are not known.
func (h *Handler) plainBusiest(ctx context.Context, o *plainOverview) {
	answer, err := h.ask(ctx, &lang.Query{Pick: plainRanked, Last: 60, By: []lang.Key{tabKey},
		Values: []lang.Value{{Name: "rate", Func: lang.Rate}}, Select: []lang.Matcher{{Name: anyName}}})
	if err != nil {
		p, _ := problemOf(err)
		o.BusiestReason = p.Message
		return
	}
	o.Busiest = answer.Rows
}

// Parts of queries.
var (
	anyName   = must(lang.NewPattern(lang.Glob, "*"))
	tabKey    = must(lang.ParseKey("tab"))
	clientKey = must(lang.ParseKey("client"))
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func (h *Handler) ask(ctx context.Context, q *lang.Query) (*eval.Answer, error) {
	h.counts.asked.Inc()
	return h.eval.Eval(ctx, q, eval.Page{})
}

// plainNumbers is what a tab's page shows.
type plainNumbers struct {
	*listing
	Name    string
	Tables  []plainTable
	Held    string // what a Type says that does not count
	Clients []eval.Row
}

// plainTable has the numbers of one Type, window by window.
type plainTable struct {
	Type    string
	Windows []string
	Lines   []plainLine
}

type plainLine struct {
	Value string
	Cells []*float64
}

var plainWindows = []struct {
	label   string
	seconds int64
}{{"1m", 60}, {"10m", 600}, {"1h", 3600}, {"1d", 86400}, {"ever", 0}}

func (h *Handler) plainTab(r *http.Request, a args) (string, any, error) {
	ctx := r.Context()
	p := plainNumbers{listing: h.listing(), Name: a.get("name")}
	defer p.done()
	exact, err := lang.NewPattern(lang.Exact, p.Name)
	if err != nil {
		return "", nil, badParameter(err.Error())
	}
	chosen := []lang.Matcher{{Name: exact}}
	if err := h.plainWindows(ctx, &p, chosen); err != nil {
		return "", nil, err
	}
	if err := h.plainHeld(ctx, &p); err != nil {
		return "", nil, err
	}
	clients, err := h.ask(ctx, &lang.Query{Pick: plainRanked, Select: chosen, By: []lang.Key{clientKey},
		Values: []lang.Value{{Name: "count", Func: lang.Count}}})
	if err == nil { // of some Types that cannot be asked
		p.Clients = clients.Rows
	}
	return "tab", p, nil
}

// plainWindows adds the numbers of every window.
func (h *Handler) plainWindows(ctx context.Context, p *plainNumbers, chosen []lang.Matcher) error {
	for _, w := range plainWindows {
		answer, err := h.ask(ctx, &lang.Query{Select: chosen, Last: w.seconds})
		if cannot := (*eval.CannotError)(nil); errors.As(err, &cannot) {
			continue // the Type keeps no times
		}
		if err != nil {
			return err
		}
		p.Missing = answer.Missing // of each window the same
		for _, row := range answer.Rows {
			if w.seconds == 0 && row.From != nil {
				continue // it is the last day over again
			}
			p.add(w.label, row, answer.Values)
		}
	}
	return nil
}

// add adds a column with the numbers of a window.
func (p *plainNumbers) add(window string, row eval.Row, values []string) {
	i := slices.IndexFunc(p.Tables, func(t plainTable) bool { return t.Type == row.Type })
	if i < 0 {
		i = len(p.Tables)
		p.Tables = append(p.Tables, plainTable{Type: row.Type})
	}
	t := &p.Tables[i]
	for _, name := range values {
		value, told := row.Values[name]
		if !told {
			continue
		}
		k := slices.IndexFunc(t.Lines, func(l plainLine) bool { return l.Value == name })
		if k < 0 {
			k = len(t.Lines)
			t.Lines = append(t.Lines, plainLine{Value: name})
		}
		l := &t.Lines[k]
		l.Cells = append(slices.Grow(l.Cells, len(t.Windows)+1), make([]*float64, len(t.Windows)-len(l.Cells))...)
		l.Cells = append(l.Cells, value)
	}
	t.Windows = append(t.Windows, window)
	for k := range t.Lines { // what this window does not tell
		for len(t.Lines[k].Cells) < len(t.Windows) {
			t.Lines[k].Cells = append(t.Lines[k].Cells, nil)
		}
	}
}

// plainHeld adds the values of a tab that keeps values and not numbers of them,
// as v1 renders them.
func (h *Handler) plainHeld(ctx context.Context, p *plainNumbers) error {
	counts := func(t plainTable) bool { return len(t.Lines) > 1 }
	if slices.ContainsFunc(p.Tables, counts) {
		return nil
	}
	now := seconds(h.o.Now())
	r := view.Request{Now: now, At: now, Format: state.Text, Names: view.List(p.Name), Lacks: &p.lacks}
	return h.o.View.Tabs(ctx, r, func(row view.Row) error {
		p.Held = string(row.Render)
		return nil
	})
}
