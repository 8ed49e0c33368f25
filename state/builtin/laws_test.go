package builtin_test

import (
	"fmt"
	"testing"

	"github.com/tabaproject/taba/state"
	"github.com/tabaproject/taba/state/builtin"
	"github.com/tabaproject/taba/state/statetest"
	"pgregory.net/rapid"
)

// oneOf returns a Gen.Payloads that draws a few payloads from a list.
func oneOf(payloads ...string) func(*rapid.T, float64) []string {
	gen := rapid.SliceOfN(rapid.SampledFrom(payloads), 0, 5)
	return func(t *rapid.T, _ float64) []string { return gen.Draw(t, "payloads") }
}

// numbers are whole ones, so that sums do not depend on the order; the rest of
// them are refused by one Type or the other.
var numbers = oneOf("0", "-0.0", "1", "1", "2", "3", "-4", "250", "1000000007", "-1e15", "9007199254740993", "[7]", `[8, "x"]`,
	"true", "[false]", "null", "[]", `"5"`, `["a"]`, "{}", "NaN", "[NaN]", "-Infinity", "1e999", "[", "")

// bursts are numbers, and sometimes so many different ones that distributions
// become sketches, of positive and negative values over many octaves.
func bursts(t *rapid.T, now float64) []string {
	if rapid.IntRange(0, 2).Draw(t, "burst") > 0 {
		return numbers(t, now)
	}
	n := rapid.IntRange(100, 300).Draw(t, "n")
	first := rapid.IntRange(-200, 200).Draw(t, "first")
	exponent := rapid.IntRange(0, 12).Draw(t, "exponent")
	payloads := make([]string, n)
	for i := range payloads {
		payloads[i] = fmt.Sprintf("%de%d", first+i, exponent*(i%3))
	}
	return payloads
}

// expiring draws payloads [value, expiry] about now, of which some are none.
func expiring(t *rapid.T, now float64) []string {
	odd := []string{`"plain"`, `"ab"`, `"a"`, `""`, `"\u00e9\ud83d\ude00"`, "5", "null", `["only"]`, "[1, 2, 3]", `["a", "never"]`, `["b", [1]]`, `["c", {}]`,
		`["d", null]`, `["e", true]`, `["f", NaN]`, `[{"k": [1, null, true]}, 1395951073]`}
	n := rapid.IntRange(0, 5).Draw(t, "n")
	payloads := make([]string, n)
	for i := range payloads {
		if rapid.IntRange(0, 3).Draw(t, "odd") == 0 {
			payloads[i] = rapid.SampledFrom(odd).Draw(t, "payload")
			continue
		}
		value := rapid.SampledFrom([]string{`"v"`, `"w"`, "9", "2.5"}).Draw(t, "value")
		life := rapid.SampledFrom([]float64{-1, 0, 0.5, 10, 10, 60, 3600, 200000}).Draw(t, "life")
		payloads[i] = fmt.Sprintf("[%s, %.1f]", value, now+life)
	}
	return payloads
}

// crowded overflows a Buffer's limit.
func crowded(t *rapid.T, now float64) []string {
	payloads := expiring(t, now)
	if rapid.IntRange(0, 5).Draw(t, "crowd") > 0 {
		return payloads
	}
	step := rapid.IntRange(0, 3).Draw(t, "step")
	for i := range 700 {
		payloads = append(payloads, fmt.Sprintf("[%d, %.1f]", i, now+float64(1+i*step)))
	}
	return payloads
}

// visitors are sometimes more than a Unique tells apart exactly.
func visitors(t *rapid.T, now float64) []string {
	if rapid.IntRange(0, 2).Draw(t, "crowd") > 0 {
		return gauges(t, now)
	}
	n := rapid.IntRange(200, 900).Draw(t, "n")
	first := rapid.IntRange(0, 2000).Draw(t, "first")
	payloads := make([]string, n)
	for i := range payloads {
		payloads[i] = fmt.Sprint(first + i)
	}
	return payloads
}

var gauges = oneOf(`"a"`, `"b"`, `"b"`, "5", `"5"`, "1.0", "2.50", "[1]", `["x", 2]`, "[]", "true", "null", `{"b":1,"a":[true,null,"q"]}`, "[[1,2],3]", `"\u00e9"`, "NaN", "[", "nul")

func TestLaws(t *testing.T) {
	f := func(h state.Handler, gen statetest.Gen) {
		t.Helper()
		t.Run(h.Type(), func(t *testing.T) { statetest.Laws(t, h, gen) })
	}
	f(builtin.CounterGroup{}, statetest.Gen{Payloads: numbers, Model: modelCounterGroup})
	f(builtin.PercentileGroup{}, statetest.Gen{Payloads: numbers, Model: modelPercentileGroup})
	f(builtin.PercentileCounter{}, statetest.Gen{Payloads: numbers, Model: modelPercentileCounter})
	f(builtin.TotalsCounter{}, statetest.Gen{Payloads: numbers, Model: modelTotalsCounter})
	f(builtin.Gauge{}, statetest.Gen{Payloads: gauges, Model: modelGauge})
	f(builtin.ExpiryGauge{}, statetest.Gen{Payloads: expiring, Model: modelExpiryGauge})
	f(builtin.Buffer{}, statetest.Gen{Payloads: expiring, Model: modelBuffer})
	f(builtin.Unique{}, statetest.Gen{Payloads: gauges, Model: modelUnique})
}

// The same laws where States overflow into sketches or over limits.
func TestLawsOfFullStates(t *testing.T) {
	f := func(h state.Handler, payloads func(*rapid.T, float64) []string) {
		t.Helper()
		t.Run(h.Type(), func(t *testing.T) { statetest.Laws(t, h, statetest.Gen{Payloads: payloads}) })
	}
	f(builtin.CounterGroup{}, bursts)
	f(builtin.PercentileGroup{}, bursts)
	f(builtin.PercentileCounter{}, bursts)
	f(builtin.Buffer{}, crowded)
	f(builtin.Unique{}, visitors)
}
