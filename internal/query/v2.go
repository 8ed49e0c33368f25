package query

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/VictoriaMetrics/metrics"

	"github.com/tabaproject/taba/internal/query/eval"
	"github.com/tabaproject/taba/internal/query/lang"
)

// args are the parameters of a request of v2: of the query string and, where
// they are posted, of a form.
type args url.Values

// api is what all routes of this version have in common: reading parameters and
// answering with JSON.
type api struct {
	maxBody int64 // of parameters
	log     *slog.Logger
	refused map[string]*metrics.Counter // requests, by code
}

// v2Routes are the routes of the API of this version; v1's are as they were.
func (h *Handler) v2Routes() []Route {
	route := func(path string, answer func(*http.Request, args) (any, error), params ...string) Route {
		return Route{Pattern: path, Scope: Read, Handler: h.v2(answer, params)}
	}
	return []Route{
		route("/v2/query", h.query, "q", "limit", "after"),
		route("/v2/series", h.series, "q", "step", "limit", "after"),
		{Pattern: "/v2/live", Scope: Read, Handler: http.HandlerFunc(h.subscribe), Endless: true},
		route("/v2/names", h.searchNames, "prefix", "match", "limit", "after"),
		route("/v2/clients", h.searchClients, "prefix", "limit", "after"),
		route("/v2/tags", h.searchTags, "prefix", "limit", "after"),
		route("/v2/tag-values", h.searchTagValues, "tag", "prefix", "limit", "after"),
		route("/v2/types", h.countTypes),
		route("/v2/top", h.top, "by", "match", "sort", "limit"),
		{Pattern: "/v2/openapi.json", Scope: Open, Handler: http.HandlerFunc(h.describe)},
	}
}

// v2 answers with JSON whatever happens.
func (h *api) v2(answer func(*http.Request, args) (any, error), names []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, err := h.args(w, r, names)
		var value any
		if err == nil {
			value, err = answer(r, a)
		}
		var body []byte
		if err == nil {
			body, err = json.Marshal(value)
		}
		if err != nil {
			h.refuse(w, r, err)
			return
		}
		writeJSON(w, http.StatusOK, body)
	})
}

// args reads parameters and refuses those that are not in names.
func (h *api) args(w http.ResponseWriter, r *http.Request, names []string) (args, error) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodPost {
		w.Header().Set("Allow", methods)
		return nil, &problem{status: http.StatusMethodNotAllowed, Code: codeMethod, Message: "method not allowed; use " + methods}
	}
	// A semicolon separates nothing: names have them.
	values, err := url.ParseQuery(strings.ReplaceAll(r.URL.RawQuery, ";", "%3B"))
	if err != nil {
		return nil, badParameter("the query string cannot be read: " + err.Error())
	}
	form, err := h.posted(w, r, names)
	if err != nil {
		return nil, err
	}
	for name, list := range form {
		values[name] = append(values[name], list...)
	}
	for name, list := range values {
		if !slices.Contains(names, name) {
			return nil, badParameter(fmt.Sprintf("unknown parameter %q; use %s", name, orNothing(names)))
		}
		if len(list) > 1 {
			return nil, badParameter(fmt.Sprintf("parameter %q is given %d times; give it once", name, len(list)))
		}
	}
	return args(values), nil
}

func orNothing(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// posted reads parameters from a request's body: a form or, where a query is
// asked, a JSON object that says the same.
func (h *api) posted(w http.ResponseWriter, r *http.Request, names []string) (url.Values, error) {
	if r.Method != http.MethodPost {
		return nil, nil
	}
	body, err := readAll(w, r, h.maxBody)
	if err != nil || len(body) == 0 {
		return nil, err
	}
	switch kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind {
	case "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, badParameter("the form cannot be read: " + err.Error())
		}
		return form, nil
	case typeJSON, "":
		return posted(body, names)
	default:
		return nil, &problem{status: http.StatusUnsupportedMediaType, Code: codeParameter,
			Message: fmt.Sprintf("a body of type %q is not read; send application/json or application/x-www-form-urlencoded", kind)}
	}
}

// number reads a parameter that is a number from 1 to most.
func (a args) number(name string, otherwise, most int) (int, error) {
	text := url.Values(a).Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, badParameter(fmt.Sprintf("parameter %q is %q; give a number from 1 to %d", name, text, most))
	}
	return n, nil
}

func (a args) get(name string) string { return url.Values(a).Get(name) }

// asked reads the query and the page of it that is asked for.
func asked(a args) (*lang.Query, eval.Page, error) {
	text := a.get("q")
	if strings.TrimSpace(text) == "" {
		return nil, eval.Page{}, badParameter(`nothing is asked; give a query as q, for example q=count(bids) last 10m`)
	}
	q, err := lang.Parse(text)
	if err != nil {
		return nil, eval.Page{}, err
	}
	page := eval.Page{After: a.get("after")}
	page.Limit, err = a.number("limit", 0, maxPage)
	return q, page, err
}

// query answers a query.
func (h *Handler) query(r *http.Request, a args) (any, error) {
	h.counts.asked.Inc()
	q, page, err := asked(a)
	if err != nil {
		return nil, err
	}
	return h.eval.Eval(r.Context(), q, page)
}

// series answers a query as a series, as fine as what is kept unless the query
// or a parameter says how coarse.
func (h *Handler) series(r *http.Request, a args) (any, error) {
	h.counts.asked.Inc()
	q, page, err := asked(a)
	if err != nil {
		return nil, err
	}
	switch step := a.get("step"); {
	case step == "" || step == "auto":
		if q.Step == 0 {
			q.Step = lang.StepAuto
		}
	default:
		if q.Step, err = lang.ParseDuration("step", step); err != nil {
			return nil, badParameter(err.Error())
		}
	}
	return h.eval.Eval(r.Context(), q, page)
}
