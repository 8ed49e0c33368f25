package builtin_test

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/tabaproject/taba/state"
	"github.com/tabaproject/taba/state/builtin"
)

func jsonValid(b []byte) bool { return json.Valid(b) }

// fold returns a State of one bundle of payloads at t0, and why which of them
// were refused.
func fold(h state.Handler, payloads ...string) (state.State, []string) {
	b := &state.Bundle{Tab: "tab", Client: "client"}
	for _, p := range payloads {
		b.Events = append(b.Events, state.Event{Time: t0, JSON: []byte(p)})
	}
	s := h.New()
	var refused []string
	s.Fold(t0, b, func(i int, why state.Reason) { refused = append(refused, fmt.Sprintf("%s %s", payloads[i], why)) })
	return s, refused
}

func text(s state.State) string { return string(s.Render(nil, t0, state.Text)) }

func TestRegistry(t *testing.T) {
	want := []string{"CounterGroup", "PercentileGroup", "PercentileCounter", "TotalsCounter", "Gauge", "ExpiryGauge", "Buffer", "Unique"}
	if got := builtin.Registry().Types(); !slices.Equal(got, want) {
		t.Errorf("Types are %q, want %q", got, want)
	}
}

// Which payloads a Type takes, and why it refuses the others.
func TestPayloads(t *testing.T) {
	const payload, notFinite = " payload", " not_finite"
	f := func(h state.Handler, takes []string, refuses ...string) {
		t.Helper()
		s, refused := fold(h, takes...)
		if len(refused) != 0 || s.N() != uint64(len(takes)) {
			t.Errorf("%s takes %d of %q and refuses %q", h.Type(), s.N(), takes, refused)
		}
		for _, r := range refuses {
			p := r[:strings.LastIndex(r, " ")]
			if s, refused := fold(h, p); !slices.Equal(refused, []string{r}) || s.N() != 0 {
				t.Errorf("%s: payload %s was refused as %q, want %q", h.Type(), p, refused, r)
			}
		}
	}
	odd := []string{`"5"` + payload, "null" + payload, "{}" + payload, "[]" + payload, `["a"]` + payload, "[[1]]" + payload, "[" + payload,
		"NaN" + notFinite, "[Infinity]" + notFinite, "1e999" + notFinite, strings.Repeat("9", 400) + notFinite}
	numeric := []string{"1", "-2.5", "[3]", `[4, "x"]`, "[true]"}
	f(builtin.CounterGroup{}, append(numeric, "true", "false"), odd...)
	f(builtin.PercentileGroup{}, append(numeric, "true", "false"), odd...)
	f(builtin.PercentileCounter{}, append(numeric, "true", "false"), odd...)
	f(builtin.TotalsCounter{}, numeric, append(odd, "true"+payload, " false"+payload)...)
	f(builtin.Gauge{}, []string{`"a"`, "1", "null", "true", "{}", "[1, 2]", "[[]]"}, "[]"+payload, "nul"+payload, "NaN"+notFinite)
	expiring := []string{`["a", 1]`, `["a", null]`, `["a", "x"]`, `["a", []]`, `"ab"`, `"\u00e9\ud83d\ude00"`}
	none := []string{"5" + payload, "null" + payload, "{}" + payload, "[]" + payload, `["a"]` + payload, `""` + payload, `"a"` + payload,
		`"\ud83d\ude00"` + payload, `["a", NaN]` + notFinite}
	f(builtin.ExpiryGauge{}, append(expiring, `"abc"`, `["a", 1, 2]`), none...)
	f(builtin.Buffer{}, expiring, append(none, `"abc"`+payload, `["a", 1, 2]`+payload)...)
}

// A number may come without its text, and never as NaN; nor may a time.
// Of a bundle an ExpiryGauge looks at the newest event only, unless that is bad.
func TestOnlyTheNewestExpiryCounts(t *testing.T) {
	f := func(want string, refused int, payloads ...string) {
		t.Helper()
		b := &state.Bundle{Tab: "tab", Client: "client"}
		for i, p := range payloads {
			b.Events = append(b.Events, state.Event{Time: t0 + float64(i), JSON: []byte(p)})
		}
		s := builtin.ExpiryGauge{}.New()
		s.Fold(t0, b, func(int, state.Reason) { refused-- })
		if got := text(s); got != want || refused != 0 {
			t.Errorf("%q: got %s, want %s; %+d refused too few", payloads, got, want, refused)
		}
	}
	good, other := fmt.Sprintf(`["good", %v]`, t0+9), fmt.Sprintf(`["other", %v]`, t0+9)
	f(`{"good": 1}`, 0, "5", other, good)
	f(`{"other": 1}`, 1, good, other, "5")
	f(`{"good": 1}`, 2, "null", good, "5")
	f(`{}`, 1, "5")
}

func TestBareNumbers(t *testing.T) {
	for _, h := range builtin.Handlers() {
		if h.Type() == "ExpiryGauge" || h.Type() == "Buffer" {
			continue
		}
		events := []state.Event{
			{Time: t0, Value: 5, Number: true},
			{Time: t0, Value: math.NaN(), Number: true},
			{Time: t0, Value: math.Inf(-1), Number: true},
			{Time: math.NaN(), Value: 5, Number: true},
			{Time: math.Inf(1), JSON: []byte("5")},
		}
		s := h.New()
		var refused []int
		s.Fold(t0, &state.Bundle{Events: events}, func(i int, why state.Reason) {
			if why != state.ReasonNotFinite {
				t.Errorf("%s: event %d refused as %s", h.Type(), i, why)
			}
			refused = append(refused, i)
		})
		if want := []int{1, 2, 3, 4}; !slices.Equal(refused, want) || s.N() != 1 {
			t.Errorf("%s refused %v and holds %d", h.Type(), refused, s.N())
		}
	}
	s := builtin.Gauge{}.New()
	s.Fold(t0, &state.Bundle{Events: []state.Event{{Time: t0, Value: 2.5, Number: true}}}, nil)
	if got, want := text(s), `{"2.5": 1}`; got != want {
		t.Errorf("gauge renders %s, want %s", got, want)
	}
}

// An event of weight w counts, in every answer, like w events.
func TestWeightsCount(t *testing.T) {
	for _, h := range builtin.Handlers()[:4] {
		weighted, repeated := h.New(), h.New()
		for i := range 300 {
			e := state.Event{Time: t0 - float64(i), Value: float64(i%250) - 20, Number: true, Weight: uint64(1 + i%5)}
			weighted.Fold(t0, &state.Bundle{Events: []state.Event{e}}, nil)
			n := e.Weight
			e.Weight = 0
			repeated.Fold(t0, &state.Bundle{Events: slices.Repeat([]state.Event{e}, int(n))}, nil)
		}
		if got, want := weighted.Append(nil), repeated.Append(nil); !slices.Equal(got, want) {
			t.Errorf("%s with weights is %s, with repeated events %s", h.Type(), text(weighted), text(repeated))
		}
	}
}

// Absurd weights and values stay finite, countable and encodable.
func TestAbsurdWeights(t *testing.T) {
	for _, h := range builtin.Handlers() {
		s := h.New()
		for _, v := range []float64{math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, 1, -1, 1e15} {
			for _, at := range []float64{t0, math.MaxFloat64, -math.MaxFloat64, 1e18, -5} {
				b := &state.Bundle{Events: []state.Event{{Time: at, Value: v, Number: true, Weight: math.MaxUint64}}}
				s.Fold(t0, b, func(int, state.Reason) {})
				other := h.New()
				if err := other.Decode(s.Append(nil)); err != nil {
					t.Fatalf("%s: %v", h.Type(), err)
				}
				s.Merge(other)
			}
		}
		for _, at := range []float64{t0, 1e300, -1e300} {
			for _, format := range []state.Format{state.Text, state.Detailed} {
				if got := s.Render(nil, at, format); !jsonValid(got) {
					t.Errorf("%s renders %s", h.Type(), got)
				}
			}
			s.Clamp(at)
		}
	}
}

// One event's worth of State is tens of bytes.
func TestSmallStatesAreSmall(t *testing.T) {
	for _, h := range builtin.Handlers() {
		s := h.New()
		s.Fold(t0, bundleOf(h.Type(), 1, t0), nil)
		if got := len(s.Append(nil)); got > 60 {
			t.Errorf("one event of %s takes %d bytes", h.Type(), got)
		}
	}
}

// Folding into States whose memory has been used before allocates nothing.
func TestFoldDoesNotAllocate(t *testing.T) {
	for _, h := range builtin.Handlers() {
		bundle := bundleOf(h.Type(), 500, t0)
		into := func(name string, s state.State, before func()) {
			t.Helper()
			perEvent := testing.AllocsPerRun(20, func() { before(); s.Fold(t0, bundle, nil) }) / float64(len(bundle.Events))
			if perEvent > 0.01 {
				t.Errorf("%s: folding into %s allocates %v times per event", h.Type(), name, perEvent)
			}
		}
		full := busy(h)
		into("a State of a day", full, func() {})
		used := h.New()
		into("a used Partial", used, used.Reset)
	}
}

// A clock that is a day ahead empties no window once it is clamped.
func TestClampKeepsWindows(t *testing.T) {
	for _, h := range []state.Handler{builtin.CounterGroup{}, builtin.PercentileGroup{}} {
		fast := h.New()
		fast.Fold(t0, bundleOf(h.Type(), 10, t0+86400), nil)
		if moved := fast.Clamp(t0 + 60); moved != 10 {
			t.Errorf("%s: Clamp moved %d events, want 10", h.Type(), moved)
		}
		all := h.New()
		all.Fold(t0, bundleOf(h.Type(), 5, t0), nil)
		all.Merge(fast)
		if got := text(all); !strings.Contains(got, `"10m": {"count": 15`) {
			t.Errorf("%s renders %s", h.Type(), got)
		}
	}
}

// A gauge of a client that is gone is not kept for ever.
func TestGaugesOfGoneClientsAreDropped(t *testing.T) {
	all := builtin.Gauge{}.New()
	for i := range 100 {
		now := t0 + float64(i)*86400
		b := &state.Bundle{Client: fmt.Sprintf("client-%d", i), Events: []state.Event{{Time: now, JSON: []byte(`"up"`)}}}
		all.Fold(now, b, nil)
	}
	if got, want := string(all.Render(nil, t0, state.Text)), `{"up": 2}`; got != want {
		t.Errorf("after a hundred days of one client each: %s, want %s", got, want)
	}
	if all.N() != 100 {
		t.Errorf("holds %d events, want 100", all.N())
	}
}

// Percentiles show the sign of a zero; nothing else knows it.
func TestNegativeZero(t *testing.T) {
	for _, h := range builtin.Handlers()[:4] {
		s := h.New()
		b := &state.Bundle{Events: []state.Event{{Time: t0, Value: math.Copysign(0, -1), Number: true}}}
		s.Fold(t0, b, nil)
		want, _ := fold(h, "0")
		if got := text(s); strings.ReplaceAll(got, "-0.00", "0.00") != text(want) || strings.Contains(got, `": -`) {
			t.Errorf("%s of -0: %s", h.Type(), got)
		}
	}
	const want = `{"count": 4, "total": 0.000000, "pct": [-0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00]}`
	for _, payloads := range [][]string{{"-0.0", "0", "-0.0", "0.0"}, {"0", "-0.0", "0", "-0.0"}} {
		folded, _ := fold(builtin.PercentileCounter{}, payloads...)
		merged, again := builtin.PercentileCounter{}.New(), builtin.PercentileCounter{}.New()
		for _, p := range payloads {
			one, _ := fold(builtin.PercentileCounter{}, p)
			merged.Merge(one)
		}
		if err := again.Decode(merged.Append(nil)); err != nil {
			t.Fatal(err)
		}
		for _, s := range []state.State{folded, merged, again} {
			if got := text(s); got != want {
				t.Errorf("of %q: %s, want %s", payloads, got, want)
			}
		}
	}
}
