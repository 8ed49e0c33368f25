package eval_test

import (
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tabaproject/taba/internal/commit"
	"github.com/tabaproject/taba/internal/fold"
	"github.com/tabaproject/taba/internal/query/eval"
	"github.com/tabaproject/taba/internal/query/lang"
	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/view"
	"github.com/tabaproject/taba/state"
	"github.com/tabaproject/taba/state/builtin"
)

const now = 1395954307.5

// happened is one event.
type happened struct {
	typ, name, dc, client string
	time, value           float64
}

func (e *happened) tab() string {
	if e.dc == "" {
		return e.name
	}
	return e.name + ";dc=" + e.dc
}

// types are what tabs are called by.
var types = map[string]string{"p.a": "PercentileGroup", "p.b": "PercentileGroup", "c.a": "CounterGroup", "t.a": "TotalsCounter"}

func drawEvents(t *rapid.T) (all []happened) {
	names := slices.Sorted(maps.Keys(types))
	for range rapid.IntRange(0, 60).Draw(t, "events") {
		e := happened{
			name:   rapid.SampledFrom(names).Draw(t, "name"),
			dc:     rapid.SampledFrom([]string{"", "us", "eu"}).Draw(t, "dc"),
			client: rapid.SampledFrom([]string{"w1", "w2", "db"}).Draw(t, "client"),
			time:   now - rapid.Float64Range(-3, 5000).Draw(t, "age"),
			value:  float64(rapid.IntRange(-5, 100).Draw(t, "value")),
		}
		e.typ = types[e.name]
		all = append(all, e)
	}
	return all
}

// serve returns an Evaluator over a store of the events.
func serve(t *rapid.T, all []happened) *eval.Evaluator {
	reg := builtin.Registry()
	st := store.NewMem(store.MemOptions{VBuckets: 2})
	commits := commit.NewServer(commit.ServerOptions{Store: st, Registry: reg})
	defer commits.Stop()
	acc := fold.New(reg)
	for i, e := range all {
		acc.Fold(now, "", e.typ, &state.Bundle{Tab: e.tab(), Client: e.client, Events: []state.Event{{Time: e.time, Value: e.value, Number: true}}}, nil)
		if i%10 == 9 {
			if err := commits.Commit(t.Context(), acc, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := commits.Commit(t.Context(), acc, nil); err != nil {
		t.Fatal(err)
	}
	return eval.New(eval.Options{View: view.New(st, reg, view.Options{}), Now: func() time.Time { return time.UnixMicro(int64(now * 1e6)) }})
}

// TestAnswersAreRecounts asks random questions and counts again, from every
// event, what each row says, in the interval that it states.
func TestAnswersAreRecounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := drawEvents(t)
		e := serve(t, all)
		selectors := map[string]func(*happened) bool{
			"*":                 func(*happened) bool { return true },
			"p.*":               func(x *happened) bool { return x.name[0] == 'p' },
			"c.a":               func(x *happened) bool { return x.name == "c.a" },
			`/p\.a|c.*/{dc=us}`: func(x *happened) bool { return x.dc == "us" && (x.name == "p.a" || x.name == "c.a") },
			`*{dc!="us"}`:       func(x *happened) bool { return x.dc != "us" },
		}
		selector := rapid.SampledFrom(slices.Sorted(maps.Keys(selectors))).Draw(t, "selector")
		clients := rapid.SampledFrom([]string{"", " client w*", " client w1, db"}).Draw(t, "clients")
		by := rapid.SampledFrom([]string{"", " by (dc)", " by (client)", " by (name, dc)", " by (prefix(1), client)", " by (tab)"}).Draw(t, "by")
		last := rapid.SampledFrom([]string{"", " last 90s", " last 7m", " last 1h", " last 1d"}).Draw(t, "last")
		text := "count, total, p50(" + selector + ")" + clients + by + last
		q, err := lang.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		a, err := e.Eval(t.Context(), q, eval.Page{})
		if err != nil {
			return // nothing is kept that tells it
		}
		chosen := func(x *happened) bool {
			return selectors[selector](x) && (clients == "" || x.client == "w1" || (clients == " client w*") == (x.client == "w2"))
		}
		var counted float64
		for i := range a.Rows {
			counted += checkRow(t, text, &a.Rows[i], all, chosen)
		}
		var want float64
		for i := range all {
			if chosen(&all[i]) && told(a, all[i].typ) && within(a, &all[i]) {
				want++
			}
		}
		if counted != want {
			t.Fatalf("%s: rows have %v events together, want %v", text, counted, want)
		}
	})
}

// TestEventsAheadOfTheClock push buckets out of rings: then a coarser one is
// asked, and in the end the answer says that it begins later.
func TestEventsAheadOfTheClock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ahead := rapid.Float64Range(0, 2000).Draw(t, "ahead")
		e := serve(t, []happened{
			{typ: "CounterGroup", name: "c.a", client: "x", time: now - 30, value: 1},
			{typ: "CounterGroup", name: "c.b", client: "x", time: now + ahead, value: 1},
			{typ: "CounterGroup", name: "c.a", client: "y", time: now - 85000, value: 1},
		})
		for last, want := range map[string]float64{"1m": 2, "10m": 2, "1h": 2, "1d": 3} {
			q, err := lang.Parse("count(c.*) last " + last)
			if err != nil {
				t.Fatal(err)
			}
			a, err := e.Eval(t.Context(), q, eval.Page{})
			if err != nil {
				t.Fatal(err)
			}
			r := a.Rows[0]
			if !a.Complete && a.Missing[0].Reason == "window" && *r.From > now-85000 {
				want-- // it says so
			}
			if *r.Values["count"] != want || r.To < now || ahead >= 900 && r.To < now+ahead {
				t.Fatalf("%v s ahead, last %s: %v events from %v to %v, complete: %v", ahead, last, *r.Values["count"], *r.From-now, r.To-now, a.Complete)
			}
		}
	})
}

// told reports whether an answer has rows of a Type.
func told(a *eval.Answer, typ string) bool {
	return slices.ContainsFunc(a.Rows, func(r eval.Row) bool { return r.Type == typ })
}

// within reports whether an event is in the interval of its Type's rows.
func within(a *eval.Answer, x *happened) bool {
	i := slices.IndexFunc(a.Rows, func(r eval.Row) bool { return r.Type == x.typ })
	return a.Rows[i].From == nil || x.time >= *a.Rows[i].From
}

func checkRow(t *rapid.T, text string, r *eval.Row, all []happened, chosen func(*happened) bool) float64 {
	var values []float64
	total := 0.0
	for i := range all {
		x := &all[i]
		if !chosen(x) || x.typ != r.Type || r.From != nil && x.time < *r.From || !belongs(r, x) {
			continue
		}
		values = append(values, x.value)
		total += x.value
	}
	slices.Sort(values)
	if got := *r.Values["count"]; got != float64(len(values)) || *r.Values["total"] != total {
		t.Fatalf("%s: %v: %v events, total %v, want %d, %v", text, r.By, got, *r.Values["total"], len(values), total)
	}
	if p := r.Values["p50"]; p != nil {
		want := values[len(values)/2]
		if bound := r.Errors["p50"]; math.Abs(*p-want) > bound*math.Abs(want) {
			t.Fatalf("%s: %v: p50 is %v within %v, want %v", text, r.By, *p, bound, want)
		}
	}
	return float64(len(values))
}

// belongs reports whether an event is of a row's group.
func belongs(r *eval.Row, x *happened) bool {
	is := map[string]string{"dc": x.dc, "client": x.client, "name": x.name, "prefix(1)": x.name[:1], "tab": x.tab()}
	for key, value := range r.By {
		if is[key] != value {
			return false
		}
	}
	return true
}
