package promapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/commit"
	"github.com/tabaproject/taba/internal/fold"
	"github.com/tabaproject/taba/internal/promapi"
	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/view"
	"github.com/tabaproject/taba/state"
	"github.com/tabaproject/taba/state/builtin"
)

const now = 1395954300 // a multiple of every bucket's width but the longest

// server is an API over a store of its own.
type server struct {
	api     *promapi.API
	view    *view.View
	commits *commit.Server
	acc     *fold.Accumulator
	now     time.Time
}

func start(t testing.TB, change ...func(*promapi.Options)) *server {
	t.Helper()
	reg := builtin.Registry()
	st := store.NewMem(store.MemOptions{VBuckets: 2})
	s := &server{now: time.Unix(now, 0), acc: fold.New(reg), commits: commit.NewServer(commit.ServerOptions{Store: st, Registry: reg})}
	s.view = view.New(st, reg, view.Options{})
	o := promapi.Options{View: s.view, Registry: reg, Now: func() time.Time { return s.now }, Version: "v1"}
	for _, f := range change {
		f(&o)
	}
	s.api = promapi.New(o)
	t.Cleanup(s.commits.Stop)
	return s
}

// fold takes one event.
func (s *server) fold(typ, tab, client string, age, value float64) {
	s.acc.Fold(now, "", typ, &state.Bundle{Tab: tab, Client: client,
		Events: []state.Event{{Time: now - age, Value: value, Number: true}}}, nil)
}

func (s *server) commit(t testing.TB) {
	t.Helper()
	if err := s.commits.Commit(context.Background(), s.acc, nil); err != nil {
		t.Fatal(err)
	}
}

// record takes events: "TYPE tab@client age value" each.
func (s *server) record(t testing.TB, events ...string) {
	t.Helper()
	for _, e := range events {
		var typ, name string
		var age, value float64
		if _, err := fmt.Sscan(e, &typ, &name, &age, &value); err != nil {
			t.Fatalf("%s: %v", e, err)
		}
		tab, client, _ := strings.Cut(name, "@")
		s.fold(typ, tab, client, age, value)
	}
	s.commit(t)
}

// reply is an answer, as far as tests look at it.
type reply struct {
	code      int
	body      string
	Status    string
	ErrorType string
	Error     string
	Warnings  []string
	Infos     []string
	Data      json.RawMessage
}

func (s *server) send(t testing.TB, r *http.Request) (x reply) {
	t.Helper()
	w := httptest.NewRecorder()
	s.api.ServeHTTP(w, r)
	x.code, x.body = w.Code, w.Body.String()
	if err := json.Unmarshal(w.Body.Bytes(), &x); err != nil {
		t.Fatalf("%s %s: %v: %s", r.Method, r.URL, err, w.Body)
	}
	return x
}

// get asks with parameters: name, value, name, value …
func (s *server) get(t testing.TB, path string, params ...string) reply {
	t.Helper()
	return s.send(t, httptest.NewRequest("GET", path+"?"+form(params).Encode(), nil))
}

func form(params []string) url.Values {
	v := url.Values{}
	for i := 0; i < len(params); i += 2 {
		v.Add(params[i], params[i+1])
	}
	return v
}

// post is get with a form.
func (s *server) post(t testing.TB, path string, params ...string) reply {
	t.Helper()
	r := httptest.NewRequest("POST", path, strings.NewReader(form(params).Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return s.send(t, r)
}

// result is a query's.
type result struct {
	ResultType string
	Result     []struct {
		Metric    map[string]string
		Value     [2]any
		Histogram json.RawMessage
		Values    [][2]any
	}
}

// answers requires the series that a query has as its answer, in any order.
func (s *server) answers(t *testing.T, query string, want ...string) {
	t.Helper()
	got := strings.Split(s.ask(t, query), "\n")
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) && !(len(want) == 0 && got[0] == "") {
		t.Errorf("%s:\n%s\nwant\n%s", query, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// ask evaluates a query now and writes its result: a line for each series.
func (s *server) ask(t testing.TB, query string) string {
	t.Helper()
	x := s.get(t, "/api/v1/query", "query", query, "time", fmt.Sprint(s.now.Unix()))
	if x.Status != "success" {
		return x.ErrorType + ": " + x.Error
	}
	var r result
	if err := json.Unmarshal(x.Data, &r); err != nil {
		t.Fatalf("%s: %v", x.body, err)
	}
	var lines []string
	for _, e := range r.Result {
		metric, _ := json.Marshal(e.Metric)
		value := fmt.Sprint(e.Value[1])
		if e.Histogram != nil {
			value = string(e.Histogram)
		}
		lines = append(lines, fmt.Sprintf("%s %s", metric, value))
	}
	return strings.Join(append(lines, x.Warnings...), "\n")
}
