package builtin_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/tabaproject/taba/state"
	"github.com/tabaproject/taba/state/builtin"
	"github.com/tabaproject/taba/state/statetest"
)

// modelUnique keeps every value with the time at which it was seen last.
func modelUnique(folds []statetest.Fold, at float64) string {
	last := map[string]float64{}
	var n uint64
	newest := math.Floor(at / 15)
	for _, f := range folds {
		for _, e := range f.Bundle.Events {
			n += e.Count()
			id := math.Floor(e.Time / 15)
			newest = max(newest, id)
			value := modelUniqueValue(e)
			if seen, ok := last[value]; !ok || id > seen {
				last[value] = id
			}
		}
	}
	var b strings.Builder
	for i, seconds := range []float64{60, 600, 3600, 86400} {
		in := 0
		for _, id := range last {
			if id > newest-seconds/15 {
				in++
			}
		}
		fmt.Fprintf(&b, `%s"%s": %d`, []string{"{", ", "}[min(i, 1)], []string{"1m", "10m", "1h", "1d"}[i], in)
	}
	fmt.Fprintf(&b, `, "all": %d, "count": %d}`, len(last), n)
	return b.String()
}

func modelUniqueValue(e state.Event) string {
	var v any
	if err := json.Unmarshal(e.JSON, &v); err != nil {
		panic(err)
	}
	return fmt.Sprint(v)
}

func visit(s state.State, at float64, payloads ...string) (refused []string) {
	b := &state.Bundle{Client: "c"}
	for _, p := range payloads {
		b.Events = append(b.Events, state.Event{Time: at, JSON: []byte(p)})
	}
	s.Fold(at, b, func(i int, why state.Reason) { refused = append(refused, payloads[i]+" "+string(why)) })
	return refused
}

func TestUniqueValues(t *testing.T) {
	s := builtin.Unique{}.New()
	visit(s, t0, `"anna"`, `"anna"`, `"\u0061nna"`, "5", `"5"`, "5.0", "5e0", `"\u00e9"`, `"é"`, "9007199254740993", "9007199254740992", `"5.0"`, "0.5", "5e-1", `""`)
	s.Fold(t0, &state.Bundle{Events: []state.Event{{Time: t0, Value: 5, Number: true}, {Time: t0, Value: math.Copysign(0, -1), Number: true, Weight: 10}, {Time: t0, Value: 0.5, Number: true}}}, nil)
	// anna, 5, é, two large numbers, the string 5.0, 0.5, nothing, 0
	want := `{"1m": 9, "10m": 9, "1h": 9, "1d": 9, "all": 9, "count": 27}`
	if got := string(s.Render(nil, t0, state.Text)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	got := visit(s, t0, "null", "true", "[1]", `{"a": 1}`, "1e999", "NaN", `"open`, "")
	if want := "[null payload true payload [1] payload {\"a\": 1} payload 1e999 not_finite NaN not_finite \"open payload  payload]"; fmt.Sprint(got) != want {
		t.Errorf("refused %v, want %v", got, want)
	}
	visit(s, math.Inf(1), "1")
	if s.N() != 27 {
		t.Errorf("refused events were counted: %d", s.N())
	}
}

// A value is in a window as long as it was seen in it, whatever else was.
func TestUniqueWindows(t *testing.T) {
	s := builtin.Unique{}.New()
	visit(s, t0-90_000, "1", "2")
	visit(s, t0-80_000, "3")
	visit(s, t0-3000, "3", "4")
	visit(s, t0-500, "4", "5")
	visit(s, t0, "5", "6")
	f := func(at float64, want string) {
		t.Helper()
		if got := string(s.Render(nil, at, state.JSON)); got != want {
			t.Errorf("at %v: got %s, want %s", at-t0, got, want)
		}
	}
	f(t0, `{"1m": 2, "10m": 3, "1h": 4, "1d": 4, "all": 6, "count": 9}`)
	f(t0-1000, `{"1m": 2, "10m": 3, "1h": 4, "1d": 4, "all": 6, "count": 9}`) // ends at the newest event
	f(t0+59, `{"1m": 2, "10m": 3, "1h": 4, "1d": 4, "all": 6, "count": 9}`)
	f(t0+60, `{"1m": 0, "10m": 3, "1h": 4, "1d": 4, "all": 6, "count": 9}`)
	f(t0+86_400, `{"1m": 0, "10m": 0, "1h": 0, "1d": 0, "all": 6, "count": 9}`)
	if s.Expired(t0+86_399) || !s.Expired(t0+86_400) {
		t.Error("expires at another time than the window of a day is empty")
	}
}

// Estimates are within five standard errors, at all sizes and in all windows.
func TestUniqueEstimates(t *testing.T) {
	const standardError = 1.04 / 64
	s := builtin.Unique{}.New()
	check := func(at float64, window string, want int) {
		t.Helper()
		var got map[string]float64
		if err := json.Unmarshal(s.Render(nil, at, state.Detailed), &got); err != nil {
			t.Fatal(err)
		}
		if most := 5 * standardError * float64(want); math.Abs(got[window]-float64(want)) > most {
			t.Errorf("%s: %v values, want %d +- %.0f", window, got[window], want, most)
		}
		if got["standard_error"] != 0.01625 {
			t.Errorf("the standard error is said to be %v", got["standard_error"])
		}
	}
	next := 0
	visitMany := func(at float64, n int) {
		for range n {
			visit(s, at, fmt.Sprint(next))
			next++
		}
	}
	visitMany(t0-50_000, 200_000)
	check(t0, "1d", 200_000)
	visitMany(t0-2000, 20_000)
	visitMany(t0-300, 2000)
	visitMany(t0-30, 200)
	visitMany(t0, 1)
	check(t0, "1m", 201)
	check(t0, "10m", 2201)
	check(t0, "1h", 22_201)
	check(t0, "1d", 222_201)
	check(t0, "all", 222_201)
	check(t0+50, "1m", 1)
	if size := s.Size(); size > 256<<10 {
		t.Errorf("it takes %d bytes", size)
	}
}
