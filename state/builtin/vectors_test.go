package builtin_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/tabaproject/taba/state"
	"github.com/tabaproject/taba/state/builtin"
)

// The vectors are what the original answered. TestVectors replays them and
// accepts another answer only where differences.json gives it.

type vectorCase struct {
	ID      string     `json:"id"`
	TabType string     `json:"tab_type"`
	Latency float64    `json:"latency"`
	Ops     []vectorOp `json:"ops"`
}

type vectorOp struct {
	Op     string               `json:"op"`
	State  string               `json:"state"`
	Out    string               `json:"out"`
	States []string             `json:"states"`
	At     float64              `json:"at"`
	Client string               `json:"client"`
	Events [][2]json.RawMessage `json:"events"`
	Accept string               `json:"accept"`
	Result any                  `json:"result"`
	Error  string               `json:"error"`
}

type difference struct {
	File   string `json:"file"`
	ID     string `json:"id"`
	Op     *int   `json:"op"`
	Check  string `json:"check"`
	Expect any    `json:"expect"`
}

func vectorsDir() string {
	root := filepath.Join("..", "..")
	switch dir := os.Getenv("TABA_VECTORS"); {
	case dir == "":
		return filepath.Join(root, "testdata", "vectors")
	case filepath.IsAbs(dir):
		return dir
	default: // relative to where go test ./... is run
		return filepath.Join(root, dir)
	}
}

func readVectors(t *testing.T, name string, into any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(vectorsDir(), name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func TestVectors(t *testing.T) {
	var vectors struct {
		Cases []vectorCase `json:"cases"`
	}
	readVectors(t, "handlers.json", &vectors)
	if len(vectors.Cases) == 0 {
		t.Fatal("no cases")
	}

	var all []difference
	if _, err := os.Stat(filepath.Join(vectorsDir(), "differences.json")); !errors.Is(err, fs.ErrNotExist) {
		readVectors(t, "differences.json", &all)
	}
	differences := map[string]map[int]difference{}
	for _, d := range all {
		if d.File != "handlers" || d.Op == nil {
			continue
		}
		if differences[d.ID] == nil {
			differences[d.ID] = map[int]difference{}
		}
		differences[d.ID][*d.Op] = d
	}

	reg := builtin.Registry()
	for _, c := range vectors.Cases {
		t.Run(c.ID, func(t *testing.T) {
			h, ok := reg.Lookup(c.TabType)
			if !ok {
				t.Fatalf("Type %q is not registered", c.TabType)
			}
			r := replay{h: h, latency: c.Latency, states: map[string]state.State{}, clients: map[string]string{}}
			for i, op := range c.Ops {
				d, differs := differences[c.ID][i]
				if differs && d.Check == "exact" {
					op.Result, op.Error = d.Expect, ""
				}
				r.op(t, i, op, differs && d.Check == "note")
			}
		})
	}
}

// replay runs the operations of one case.
type replay struct {
	h       state.Handler
	latency float64
	states  map[string]state.State
	clients map[string]string
}

// op runs an operation and checks its outcome; noted says that whether it is
// an error differs on purpose.
func (r *replay) op(t *testing.T, i int, op vectorOp, noted bool) {
	t.Helper()
	switch op.Op {
	case "new":
		if op.Error != "" && !noted {
			t.Errorf("op %d: new: want error %s", i, op.Error)
		}
		r.states[op.State] = r.h.New()
		r.clients[op.State] = op.Client
	case "fold":
		refused := r.fold(t, op)
		if !noted && (refused > 0) != (op.Error != "") {
			t.Errorf("op %d: fold of %s refused %d events, want error %q", i, op.Events, refused, op.Error)
		}
	case "reduce":
		out := r.h.New()
		out.Fold(op.At, &state.Bundle{}, nil)
		for _, name := range op.States {
			out.Merge(r.states[name])
		}
		r.states[op.Out] = out
	case "prune":
		if got := r.states[op.State].Expired(op.At - r.latency); got != op.Result {
			t.Errorf("op %d: prune at %v: got %v, want %v (error %q)", i, op.At, got, op.Result, op.Error)
		}
	case "render":
		r.render(t, i, op)
	default:
		t.Fatalf("op %d: unknown operation %q", i, op.Op)
	}
}

func (r *replay) fold(t *testing.T, op vectorOp) (refused int) {
	t.Helper()
	b := state.Bundle{Tab: "tab", Client: r.clients[op.State]}
	for _, e := range op.Events {
		b.Events = append(b.Events, vectorEvent(t, e[0], e[1]))
	}
	r.states[op.State].Fold(op.At, &b, func(int, state.Reason) { refused++ })
	return refused
}

func vectorEvent(t *testing.T, at, payload json.RawMessage) (e state.Event) {
	t.Helper()
	var ok bool
	if e.Time, ok = vectorNumber(at); !ok {
		t.Fatalf("time %s is not a number", at)
	}
	e.JSON = payload
	e.Value, e.Number = vectorNumber(payload)
	if e.Number && payload[0] == '{' {
		e.JSON = []byte(strconv.FormatFloat(e.Value, 'g', -1, 64))
	}
	return e
}

// vectorNumber reads a number, of which {"$float": "NaN"} is one too.
func vectorNumber(raw json.RawMessage) (float64, bool) {
	var special struct {
		Float string `json:"$float"`
	}
	if json.Unmarshal(raw, &special) == nil && special.Float != "" {
		f, err := strconv.ParseFloat(special.Float, 64)
		return f, err == nil
	}
	if strings.ContainsAny(string(raw[:1]), "-0123456789") {
		f, err := strconv.ParseFloat(string(raw), 64)
		return f, err == nil
	}
	return 0, false
}

func (r *replay) render(t *testing.T, i int, op vectorOp) {
	t.Helper()
	format := state.Text
	switch op.Accept {
	case "application/json":
		format = state.JSON
	case "application/json-detailed":
		format = state.Detailed
	}
	got := string(r.states[op.State].Render(nil, op.At-r.latency, format))
	want, ok := op.Result.(string)
	if !ok {
		t.Errorf("op %d: render gave %s, want error %q", i, got, op.Error)
		return
	}
	if !r.same(got, want) {
		t.Errorf("op %d: render at %v as %s:\n got %s\nwant %s", i, op.At, op.Accept, got, want)
	}
}

// same compares renderings: as JSON where the original had no order of its
// own, and window totals of a CounterGroup, which the original kept as
// float32, within 1e-6.
func (r *replay) same(got, want string) bool {
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
	return false
}

// shape is a rendering of a CounterGroup without its window totals.
func shape(v any) any {
	groups, ok := v.(map[string]any)
	if !ok {
		return nil
	}
	out := map[string]any{"pct": groups["pct"]}
	for name, g := range groups {
		if window, ok := g.(map[string]any); ok {
			out[name+" count"] = window["count"]
		}
	}
	return out
}

func close1e6(a, b any) bool {
	switch a := a.(type) {
	case float64:
		b, ok := b.(float64)
		return ok && math.Abs(a-b) <= 0.0051+1e-6*math.Abs(b)
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
