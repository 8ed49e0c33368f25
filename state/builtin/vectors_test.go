package builtin_test

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"testing"

	"github.com/tabaproject/taba/internal/vectors"
	"github.com/tabaproject/taba/state"
	"github.com/tabaproject/taba/state/builtin"
)

// TestVectors replays what the original answered, and accepts another answer
// only where differences.json gives it.
func TestVectors(t *testing.T) {
	dir := vectors.Dir(t)
	golden, err := vectors.LoadHandlers(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(golden.Cases) == 0 {
		t.Fatal("no cases")
	}
	all, err := vectors.LoadDifferences(dir, "handlers")
	if err != nil {
		t.Fatal(err)
	}
	type place struct {
		id string
		op int
	}
	differences := map[place]vectors.Difference{}
	for _, d := range all {
		differences[place{d.ID, d.Op}] = d
	}

	reg := builtin.Registry()
	for _, c := range golden.Cases {
		t.Run(c.ID, func(t *testing.T) {
			h, ok := reg.Lookup(c.TabType)
			if !ok {
				t.Fatalf("Type %q is not registered", c.TabType)
			}
			r := replay{h: h, latency: c.Latency, states: map[string]state.State{}, clients: map[string]string{}}
			for i, op := range c.Ops {
				w := outcome{result: op.Result, raised: raised(op.Error)}
				if d, differs := differences[place{c.ID, i}]; differs {
					w = w.otherwise(t, d)
				}
				r.op(t, i, op, w)
			}
		})
	}
}

// An outcome is what an operation is to give.
type outcome struct {
	result json.RawMessage
	raised bool // the original raised
	any    bool // whatever it gives is right: that it differs was said in words
	asJSON bool // only what the result says matters, not how it is written
}

func raised(err json.RawMessage) bool { return len(err) > 0 && string(err) != "null" }

// otherwise is w where d gives another answer.
func (w outcome) otherwise(t *testing.T, d vectors.Difference) outcome {
	t.Helper()
	switch d.Check {
	case "exact":
		return outcome{result: d.Expect}
	case "json":
		w.asJSON = true
	case "note":
		w.any = true
	default:
		t.Errorf("op %d: difference %q has an unknown check %q", d.Op, d.Row, d.Check)
	}
	return w
}

// replay runs the operations of one case.
type replay struct {
	h       state.Handler
	latency float64
	states  map[string]state.State
	clients map[string]string
}

// op runs an operation and checks its outcome.
func (r *replay) op(t *testing.T, i int, op vectors.HandlerOp, want outcome) {
	t.Helper()
	switch op.Op {
	case "new":
		if want.raised && !want.any {
			t.Errorf("op %d: new: want error %s", i, op.Error)
		}
		r.states[op.State] = r.h.New()
		r.clients[op.State] = op.Client
	case "fold":
		refused := r.fold(t, op)
		if (refused > 0) != want.raised && !want.any {
			t.Errorf("op %d: fold of %s refused %d events, want error %q", i, op.Events, refused, op.Error)
		}
	case "reduce":
		out := r.h.New()
		out.Fold(op.At, &state.Bundle{}, nil)
		for _, name := range op.States {
			out.Merge(r.state(name))
		}
		r.states[op.Out] = out
	case "prune":
		got := strconv.FormatBool(r.state(op.State).Expired(op.At - r.latency))
		if got != string(want.result) && !want.any {
			t.Errorf("op %d: prune at %v: got %v, want %s (error %q)", i, op.At, got, want.result, op.Error)
		}
	case "render":
		r.render(t, i, op, want)
	default:
		t.Fatalf("op %d: unknown operation %q", i, op.Op)
	}
}

// state returns the State of that name, zero if it was not made before.
func (r *replay) state(name string) state.State {
	if r.states[name] == nil {
		r.states[name] = r.h.New()
	}
	return r.states[name]
}

func (r *replay) fold(t *testing.T, op vectors.HandlerOp) (refused int) {
	t.Helper()
	b := state.Bundle{Tab: "tab", Client: r.clients[op.State]}
	for _, e := range op.Events {
		b.Events = append(b.Events, vectorEvent(t, e[0], e[1]))
	}
	r.state(op.State).Fold(op.At, &b, func(int, state.Reason) { refused++ })
	return refused
}

func vectorEvent(t *testing.T, at, payload json.RawMessage) (e state.Event) {
	t.Helper()
	var ok bool
	if e.Time, ok = vectorNumber(at); !ok {
		t.Fatalf("time %s is not a number", at)
	}
	e.JSON = special.ReplaceAll(payload, []byte("$1"))
	e.Value, e.Number = vectorNumber(payload)
	return e
}

// special is how the vectors write what JSON cannot.
var special = regexp.MustCompile(`\{\s*"\$float":\s*"(NaN|-?Infinity)"\s*\}`)

// vectorNumber reads a number.
func vectorNumber(raw json.RawMessage) (float64, bool) {
	text := string(special.ReplaceAll(raw, []byte("$1")))
	if text[0] != 'N' && text[0] != 'I' && text[0] != '-' && (text[0] < '0' || text[0] > '9') {
		return 0, false
	}
	f, err := strconv.ParseFloat(text, 64)
	return f, err == nil || errors.Is(err, strconv.ErrRange)
}

func (r *replay) render(t *testing.T, i int, op vectors.HandlerOp, w outcome) {
	t.Helper()
	t.Helper()
	format := state.Text
	switch op.Accept {
	case "application/json":
		format = state.JSON
	case "application/json-detailed":
		format = state.Detailed
	}
	got := string(r.state(op.State).Render(nil, op.At-r.latency, format))
	var want string
	switch {
	case w.any:
	case json.Unmarshal(w.result, &want) != nil:
		t.Errorf("op %d: render gave %s, want error %s", i, got, op.Error)
	case !r.same(got, want, w.asJSON):
		t.Errorf("op %d: render at %v as %s:\n got %s\nwant %s", i, op.At, op.Accept, got, want)
	}
}

// same compares renderings: as JSON where the original had no order of its
// own, and window totals of a CounterGroup, which the original kept as
// float32, within 1e-6.
func (r *replay) same(got, want string, asJSON bool) bool {
	var g, w any
	if got == want {
		return true
	}
	if json.Unmarshal([]byte(got), &g) != nil || json.Unmarshal([]byte(want), &w) != nil {
		return false
	}
	switch r.h.Type() {
	case "Gauge", "ExpiryGauge", "Buffer":
		return reflect.DeepEqual(g, w)
	case "CounterGroup":
		return reflect.DeepEqual(shape(g), shape(w)) && close1e6(g, w)
	}
	return asJSON && reflect.DeepEqual(g, w)
}

// shape is a rendering of a CounterGroup, or one of its windows or buckets,
// without its totals.
func shape(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, value := range v {
			switch key {
			case "pct": // was never a float32
				out[key] = value
			case "total", "average":
			default:
				out[key] = shape(value)
			}
		}
		return out
	case []any:
		if len(v) == 3 && !isList(v[0]) { // a bucket: start, count, total
			return v[:2]
		}
		out := make([]any, len(v))
		for i := range v {
			out[i] = shape(v[i])
		}
		return out
	}
	return v
}

func isList(v any) bool {
	_, ok := v.([]any)
	return ok
}

// twoDecimals is how far apart two numbers may be after rounding that were
// nearly the same before.
const twoDecimals = 0.0101

func close1e6(a, b any) bool {
	switch a := a.(type) {
	case float64:
		b, ok := b.(float64)
		return ok && math.Abs(a-b) <= twoDecimals+1e-6*math.Abs(b)
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !close1e6(a[i], b[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for k := range a {
			if !close1e6(a[k], b[k]) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(a, b)
}
