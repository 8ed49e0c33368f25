package builtin_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/tabaproject/taba/state"
	"github.com/tabaproject/taba/state/builtin"
	"github.com/tabaproject/taba/state/statetest"
	"pgregory.net/rapid"
)

const windowStart = 1_395_901_073

// drawSamples draws events up to a day and a half old, in a few bursts.
func drawSamples(t *rapid.T, most int) (all []sample) {
	for range rapid.IntRange(0, 8).Draw(t, "bursts") {
		age := rapid.Float64Range(-30, 1.5*86400).Draw(t, "age") / float64(rapid.SampledFrom([]int{1, 1, 20, 1000}).Draw(t, "nearer"))
		scale := rapid.SampledFrom([]int64{1, 7, -13, 1000}).Draw(t, "scale")
		for i := range rapid.IntRange(1, most).Draw(t, "events") {
			all = append(all, sample{windowStart - age - float64(i%40), float64(int64(i) * scale), uint64(1 + i%3)})
		}
	}
	return all
}

// fill returns a State of the samples, merged from a few Partials.
func fill(h state.Handler, all []sample) state.State {
	sum := h.New()
	for part := range 3 {
		p := h.New()
		for i, s := range all {
			if i%3 == part {
				p.Fold(windowStart, &state.Bundle{Client: "c", Events: []state.Event{{Time: s.time, Value: s.value, Number: true, Weight: s.n}}}, nil)
			}
		}
		sum.Merge(p)
	}
	return sum
}

// TestWindowsAreRecounts asks for windows and counts them again from every
// event.
func TestWindowsAreRecounts(t *testing.T) {
	f := func(h state.Windowing, most int) {
		t.Run(fmt.Sprintf("%s/%d", h.Type(), most), rapid.MakeCheck(func(t *rapid.T) {
			all := drawSamples(t, most)
			w := statetest.DrawWindow(t, h)
			got := h.NewSlices(w)
			if _, ok := got.Add(fill(h, all)); !ok {
				return
			}
			tells := h.Tells(w.Ring == state.Ever) & w.Need
			for i := range got.Len() {
				checkSlice(t, tells, got.At(i), samplesOf(h, w, i, all))
			}
			if rest := samplesOf(h, w, got.Len(), all); len(rest) > 0 && tells != 0 {
				t.Fatalf("%d samples lie behind the last slice", len(rest))
			}
		}))
	}
	for _, most := range []int{40, 700} {
		f(builtin.CounterGroup{}, most)
		f(builtin.PercentileGroup{}, most)
		f(builtin.PercentileCounter{}, most)
		f(builtin.TotalsCounter{}, most)
		f(builtin.Unique{}, most)
	}
}

// samplesOf returns what the i-th slice of a window has.
func samplesOf(h state.Windowing, w state.Window, i int, all []sample) (in []sample) {
	for _, s := range all {
		if w.Ring == state.Ever {
			if i == 0 {
				in = append(in, s)
			}
			continue
		}
		id := int64(math.Floor(s.time / float64(h.Rings()[w.Ring].Width)))
		slice := 0
		if w.Step > 0 {
			slice = int(id/w.Step - w.First/w.Step)
		}
		if id >= w.First && id < w.End && slice == i {
			in = append(in, s)
		}
	}
	return in
}

func checkSlice(t *rapid.T, tells state.Facts, got state.Slice, in []sample) {
	n, total := modelTotals(in)
	if tells&state.Counts != 0 && got.Count() != n || tells&state.Totals != 0 && got.Total() != total {
		t.Fatalf("%d events, total %v, want %d, %v", got.Count(), got.Total(), n, total)
	}
	if tells&state.Spread != 0 && n > 0 {
		checkSpread(t, got, in, n)
	}
	if tells&state.Distinct != 0 {
		checkDistinct(t, got, in)
	}
}

func checkSpread(t *rapid.T, got state.Slice, in []sample, n uint64) {
	slices.SortFunc(in, func(a, b sample) int { return int(a.value - b.value) })
	least, greatest := got.Extremes()
	if least != in[0].value || greatest != in[len(in)-1].value {
		t.Fatalf("from %v to %v, want %v to %v", least, greatest, in[0].value, in[len(in)-1].value)
	}
	for _, tenths := range []uint64{0, 5, 250, 500, 900, 990, 999, 1000} {
		rank := min(tenths*n/1000, n-1)
		want := 0.0
		for _, s := range in {
			if want = s.value; rank < s.n {
				break
			}
			rank -= s.n
		}
		v, bound := got.Quantile(float64(tenths) / 1000)
		if math.Abs(v-want) > bound*math.Abs(want)*(1+1e-9) {
			t.Fatalf("quantile %d/1000 of %d is %v within %v, want %v", tenths, n, v, bound, want)
		}
		if bound > 0.01 || bound != 0 && len(in) <= 128 {
			t.Fatalf("quantile %d/1000 of %d samples has the bound %v", tenths, len(in), bound)
		}
	}
}

func checkDistinct(t *rapid.T, got state.Slice, in []sample) {
	different := map[float64]bool{}
	for _, s := range in {
		different[s.value] = true
	}
	n, bound := got.Distinct()
	if math.Abs(n-float64(len(different))) > 6*bound*float64(len(different)) {
		t.Fatalf("%v different values within %v, want %d", n, bound, len(different))
	}
}

// TestQuantileOfJoinedBins: the lowest bin of a sketch may hold much smaller
// values, and the bound says so.
func TestQuantileOfJoinedBins(t *testing.T) {
	s := builtin.PercentileCounter{}.New()
	var events []state.Event
	for i := range 2000 {
		events = append(events, state.Event{Value: math.Ldexp(1+float64(i)/4096, -900+i/2), Number: true})
	}
	s.Fold(0, &state.Bundle{Events: events}, func(int, state.Reason) { t.Error("refused") })
	slices := builtin.PercentileCounter{}.NewSlices(state.Window{Ring: state.Ever, Need: 0xff})
	slices.Add(s)
	for i := 1; i < 1999; i += 50 {
		v, bound := slices.At(0).Quantile((float64(i) + 0.5) / 2000)
		want := events[i].Value
		if math.Abs(v-want) > bound*math.Max(want, v) {
			t.Errorf("value %d is %v within %v, want %v", i, v, bound, want)
		}
	}
}

func TestChoose(t *testing.T) {
	rings := builtin.CounterGroup{}.Rings()
	f := func(seconds int64, width, buckets int64) {
		t.Helper()
		ring, n, ok := state.Choose(rings, seconds)
		if !ok || rings[ring].Width != width || n != buckets {
			t.Errorf("%d s: %d buckets of ring %d, %v; want %d of %d s", seconds, n, ring, ok, buckets, width)
		}
	}
	f(1, 1, 1)
	f(60, 1, 60)
	f(61, 10, 7)
	f(600, 10, 60)
	f(2220, 30, 74)
	f(3600, 30, 120)
	f(3601, 900, 5)
	f(86400, 900, 96)
	if _, _, ok := state.Choose(rings, 86401); ok {
		t.Error("there is no ring for more than a day")
	}
}
