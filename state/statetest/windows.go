package statetest

import (
	"math"

	"github.com/tabaproject/taba/state"
	"pgregory.net/rapid"
)

// windowsAddUp checks state.Windowing, if the Type has it: what a union knows
// of a window is what its parts know together, however they are added up.
func windowsAddUp(t *rapid.T, h state.Handler, gen Gen) {
	hw, ok := h.(state.Windowing)
	if !ok {
		return
	}
	ringsNest(t, hw)
	w := DrawWindow(t, hw)
	union, one := h.New(), hw.NewSlices(w)
	parts := []state.Slices{hw.NewSlices(w), hw.NewSlices(w)}
	whole := true
	for _, f := range gen.folds(t, 6) {
		p, _ := partial(h, f)
		union.Merge(p)
		before := encode(p)
		_, ok := one.Add(p)
		_, again := parts[rapid.IntRange(0, 1).Draw(t, "part")].Add(p)
		if ok != again {
			t.Fatalf("a State reaches back to the window: %v, and then %v", ok, again)
		}
		whole = whole && ok
		equal(t, "a State after it was added", encode(p), before)
	}
	merged := hw.NewSlices(w)
	reach, ok := merged.Add(union)
	if !whole && ok {
		t.Fatal("a union reaches further back than a part of it")
	}
	if !ok {
		if reach <= w.First {
			t.Fatalf("a State that reaches back to bucket %d was not added to a window from %d", reach, w.First)
		}
		return
	}
	parts[0].Merge(parts[1])
	sameSlices(t, hw.Tells(w.Ring == state.Ever)&w.Need, merged, one)
	sameSlices(t, hw.Tells(w.Ring == state.Ever)&w.Need, merged, parts[0])
}

func ringsNest(t *rapid.T, h state.Windowing) {
	rings := h.Rings()
	for i, r := range rings {
		if r.Width <= 0 || r.Size <= 0 || i > 0 && r.Width%rings[i-1].Width != 0 {
			t.Fatalf("ring %d is %d buckets of %d s", i, r.Size, r.Width)
		}
	}
}

// DrawWindow draws a window that h can be asked for.
func DrawWindow(t *rapid.T, h state.Windowing) state.Window {
	w := state.Window{Ring: state.Ever, Need: state.Facts(rapid.SampledFrom([]int{0xff, 0xff, int(state.Counts | state.Totals)}).Draw(t, "need"))}
	rings := h.Rings()
	if w.Ring = rapid.IntRange(-1, len(rings)-1).Draw(t, "ring"); w.Ring < 0 {
		return w
	}
	r := rings[w.Ring]
	newest := int64(math.Floor(drawTime(t, "at"))) / r.Width
	w.First = newest + 1 - rapid.Int64Range(1, r.Size).Draw(t, "buckets")
	w.End = state.Open
	if h.Tells(false)&state.Slicing != 0 {
		w.Step = rapid.Int64Range(0, 5).Draw(t, "step")
		if rapid.Bool().Draw(t, "ended") {
			w.End = newest + 1 - rapid.Int64Range(0, newest+1-w.First).Draw(t, "ago")
		}
	}
	return w
}

func sameSlices(t *rapid.T, tells state.Facts, a, b state.Slices) {
	if a.Len() != b.Len() || a.End() != b.End() {
		t.Fatalf("%d slices up to bucket %d, and %d up to %d", a.Len(), a.End(), b.Len(), b.End())
	}
	for i := range a.Len() {
		if x, y := tell(tells, a.At(i)), tell(tells, b.At(i)); x != y {
			t.Fatalf("slice %d tells %v, and %v", i, x, y)
		}
	}
}

// told is what a Slice tells.
type told struct {
	count                   uint64
	total, least, greatest  float64
	quantiles, bounds       [6]float64
	distinct, standardError float64
}

func tell(tells state.Facts, s state.Slice) (x told) {
	if tells&state.Counts != 0 {
		x.count = s.Count()
	}
	if tells&state.Totals != 0 {
		x.total = s.Total()
	}
	if tells&state.Spread != 0 {
		x.least, x.greatest = s.Extremes()
		for i, q := range [6]float64{0, 0.25, 0.5, 0.9, 0.999, 1} {
			x.quantiles[i], x.bounds[i] = s.Quantile(q)
		}
	}
	if tells&state.Distinct != 0 {
		x.distinct, x.standardError = s.Distinct()
	}
	return x
}
