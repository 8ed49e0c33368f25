package builtin_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"slices"
	"sort"
	"strings"

	"github.com/tabaproject/taba/state"
	"github.com/tabaproject/taba/state/statetest"
)

// The models keep every event and count again for every answer.

type sample struct {
	time, value float64
	n           uint64
}

// samples returns the numbers in all events.
func samples(folds []statetest.Fold) (all []sample) {
	for _, f := range folds {
		for _, e := range f.Bundle.Events {
			all = append(all, sample{e.Time, modelNumber(e), e.Count()})
		}
	}
	return all
}

func modelNumber(e state.Event) float64 {
	if e.Number {
		return e.Value
	}
	var v any
	if err := json.Unmarshal(e.JSON, &v); err != nil {
		panic(err)
	}
	if list, ok := v.([]any); ok {
		v = list[0]
	}
	if b, ok := v.(bool); ok {
		v = 0.0
		if b {
			v = 1.0
		}
	}
	return v.(float64)
}

// recount returns the samples in the window of n buckets of a width that is
// shown at time at.
func recount(all []sample, at, width float64, n float64) (in []sample) {
	end := math.Floor(at / width)
	for _, s := range all {
		end = max(end, math.Floor(s.time/width))
	}
	for _, s := range all {
		if id := math.Floor(s.time / width); id > end-n && id <= end {
			in = append(in, s)
		}
	}
	return in
}

func modelTotals(in []sample) (n uint64, total float64) {
	exact := new(big.Rat)
	for _, s := range in {
		n += s.n
		value := new(big.Rat).SetFloat64(s.value)
		exact.Add(exact, value.Mul(value, new(big.Rat).SetUint64(s.n)))
	}
	total, _ = exact.Float64()
	return n, total
}

func modelAverages(in []sample) string {
	n, total := modelTotals(in)
	average := 0.0
	if n > 0 {
		average = total / float64(n)
	}
	return fmt.Sprintf(`{"count": %d, "total": %.2f, "average": %.2f}`, n, total, average)
}

func modelPercentiles(in []sample) string {
	n, total := modelTotals(in)
	in = slices.Clone(in)
	sort.Slice(in, func(i, j int) bool {
		a, b := in[i].value, in[j].value
		return a < b || a == b && math.Signbit(a) && !math.Signbit(b) // -0 is below 0
	})
	texts := make([]string, 7)
	for i, p := range []float32{.25, .5, .75, .9, .95, .99, .999} {
		rank, value := uint64(p*float32(n)), 0.0
		for _, s := range in {
			value = s.value
			if rank < s.n {
				break
			}
			rank -= s.n
		}
		texts[i] = fmt.Sprintf("%.2f", value)
	}
	return fmt.Sprintf(`{"count": %d, "total": %.6f, "pct": [%s]}`, n, total, strings.Join(texts, ", "))
}

func modelCounterGroup(folds []statetest.Fold, at float64) string {
	all := samples(folds)
	return fmt.Sprintf(`{"1m": %s, "10m": %s, "1h": %s, "1d": %s, "pct": %s}`,
		modelAverages(recount(all, at, 1, 60)), modelAverages(recount(all, at, 10, 60)),
		modelAverages(recount(all, at, 30, 120)), modelAverages(recount(all, at, 900, 96)), modelPercentiles(all))
}

func modelPercentileGroup(folds []statetest.Fold, at float64) string {
	all := samples(folds)
	return fmt.Sprintf(`{"1m": %s, "10m": %s, "1h": %s, "1d": %s}`,
		modelPercentiles(recount(all, at, 15, 4)), modelPercentiles(recount(all, at, 150, 4)),
		modelPercentiles(recount(all, at, 900, 4)), modelPercentiles(recount(all, at, 21600, 4)))
}

func modelPercentileCounter(folds []statetest.Fold, _ float64) string {
	return modelPercentiles(samples(folds))
}

func modelTotalsCounter(folds []statetest.Fold, _ float64) string {
	return modelAverages(samples(folds))
}

// newest returns the first event with the newest time, nil if there is none.
func newest(events []state.Event) (e *state.Event) {
	for i := range events {
		if e == nil || events[i].Time > e.Time {
			e = &events[i]
		}
	}
	return e
}

// latest returns the time of the last fold.
func latest(folds []statetest.Fold) (at float64) {
	for _, f := range folds {
		at = max(at, f.Now)
	}
	return at
}

// gaugeText is what is shown of the values that the tests use.
var gaugeText = map[string]string{
	`"a"`: "a", `"b"`: "b", "5": "5", `"5"`: "5", "1.0": "1.0", "2.50": "2.5", "[1]": "1", `["x", 2]`: "x",
	"true": "True", "null": "None", `{"b":1,"a":[true,null,"q"]}`: "{'a': [True, None, 'q'], 'b': 1}", "[[1,2],3]": "[1, 2]", `"\u00e9"`: `\u00e9`,
}

// gaugeBytes is the canonical form of those of them for which it is not the
// payload.
var gaugeBytes = map[string]string{
	"2.50": "2.5", "[1]": "1", `["x", 2]`: `"x"`, `{"b":1,"a":[true,null,"q"]}`: `{"a": [true, null, "q"], "b": 1}`, "[[1,2],3]": "[1, 2]",
}

type modelValue struct {
	bytes, text string
	rank        float64
}

// modelHolders counts the values of the winners that are left at time at.
func modelHolders(offers map[string][]modelValue, left func(rank float64) bool) string {
	counts := map[string]int{}
	for _, values := range offers {
		sort.Slice(values, func(i, j int) bool {
			if values[i].rank != values[j].rank {
				return values[i].rank > values[j].rank
			}
			return values[i].bytes < values[j].bytes
		})
		if left(values[0].rank) {
			counts[values[0].text]++
		}
	}
	var parts []string
	for text, n := range counts {
		parts = append(parts, fmt.Sprintf(`"%s": %d`, text, n))
	}
	sort.Strings(parts)
	return "{" + strings.Join(parts, ", ") + "}"
}

func modelGauge(folds []statetest.Fold, at float64) string {
	const life = 48 * 3600
	offers := map[string][]modelValue{}
	for _, f := range folds {
		e := newest(f.Bundle.Events)
		if e == nil || e.Time+life <= f.Now {
			continue
		}
		payload := string(e.JSON)
		v := modelValue{bytes: payload, text: gaugeText[payload], rank: e.Time}
		if b, ok := gaugeBytes[payload]; ok {
			v.bytes = b
		}
		offers[f.Bundle.Client] = append(offers[f.Bundle.Client], v)
	}
	gone := max(at, latest(folds))
	return modelHolders(offers, func(rank float64) bool { return rank+life > gone })
}

// expiringText is what is shown of the values that the tests use.
var expiringText = map[string]string{
	`"v"`: "v", `"w"`: "w", "9": "9", "2.5": "2.5", `"p"`: "p", `"a"`: "a", `"b"`: "b", `"c"`: "c", `"d"`: "d", `"e"`: "e", "1": "1",
	`"\u00e9"`: `\u00e9`, `{"k": [1, null, true]}`: "{'k': [1, None, True]}",
}

// modelExpiring splits a payload into canonical value and expiry.
func modelExpiring(payload []byte) (value string, expiry float64) {
	var list []json.RawMessage
	if json.Unmarshal(payload, &list) != nil {
		var s string
		if err := json.Unmarshal(payload, &s); err != nil {
			panic(err)
		}
		first := string([]rune(s)[:1])
		if first == "é" {
			first = `\u00e9`
		}
		return `"` + first + `"`, math.Inf(1)
	}
	var until any
	if err := json.Unmarshal(list[1], &until); err != nil {
		panic(err)
	}
	switch until := until.(type) {
	case float64:
		expiry = until
	case bool, nil:
		expiry = math.Inf(-1)
	default:
		expiry = math.Inf(1)
	}
	return string(list[0]), expiry
}

func modelExpiryGauge(folds []statetest.Fold, at float64) string {
	offers := map[string][]modelValue{}
	for _, f := range folds {
		e := newest(f.Bundle.Events)
		if e == nil {
			continue
		}
		value, expiry := modelExpiring(e.JSON)
		if expiry > f.Now {
			offers[f.Bundle.Client] = append(offers[f.Bundle.Client], modelValue{value, expiringText[value], expiry})
		}
	}
	gone := max(at, latest(folds))
	return modelHolders(offers, func(rank float64) bool { return rank > gone })
}

func modelBuffer(folds []statetest.Fold, _ float64) string {
	type entry struct {
		expiry, time float64
		pos          int
		value        string
	}
	var all []entry
	for _, f := range folds {
		for pos, e := range f.Bundle.Events {
			if value, expiry := modelExpiring(e.JSON); expiry > latest(folds) {
				all = append(all, entry{expiry, e.Time, pos, value})
			}
		}
	}
	sort.Slice(all, func(i, j int) bool {
		a, b := all[i], all[j]
		switch {
		case a.expiry != b.expiry:
			return a.expiry > b.expiry
		case a.time != b.time:
			return a.time < b.time
		case a.pos != b.pos:
			return a.pos < b.pos
		}
		return a.value < b.value
	})
	parts := make([]string, len(all))
	for i, e := range all {
		text := fmt.Sprintf("%.2f", e.time)
		text = strings.TrimSuffix(text, "0")
		parts[i] = fmt.Sprintf("[%s, %s]", e.value, text)
	}
	return "[" + strings.Join(parts, ", ") + "]"
}
