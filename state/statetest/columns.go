package statetest

import (
	"math"
	"slices"
	"strconv"

	"github.com/tabaproject/taba/state"
	"pgregory.net/rapid"
)

// columnsAreEvents checks state.Columnar, if the Type has it: a column is as
// good as its events, whatever happens to the State before, between and after.
func columnsAreEvents(t *rapid.T, h state.Handler, gen Gen) {
	c, ok := h.New().(state.Columnar)
	if !ok {
		return
	}
	want := h.New()
	for range rapid.IntRange(1, 6).Draw(t, "steps") {
		switch rapid.IntRange(0, 6).Draw(t, "step") {
		case 0:
			f := gen.fold(t)
			foldInto(c, f)
			foldInto(want, f)
		case 1:
			p, _ := partial(h, gen.fold(t))
			c.Merge(p)
			want.Merge(p)
		case 2: // to look changes nothing
			at := drawTime(t, "at")
			equal(t, "answer", c.Render(nil, at, state.Text), want.Render(nil, at, state.Text))
			if c.Expired(at) != want.Expired(at) {
				t.Fatalf("Expired is %v, want %v", c.Expired(at), want.Expired(at))
			}
		default:
			second, values := gen.column(t)
			if len(values) == 0 {
				continue
			}
			c.Touch()
			c.FoldColumn(second, values)
			foldInto(want, eventsOf(second, values))
		}
		if c.N() != want.N() {
			t.Fatalf("N is %d, want %d", c.N(), want.N())
		}
	}
	merged := h.New()
	merged.Merge(c)
	same(t, merged, want)
	if rapid.Bool().Draw(t, "clamped") {
		limit := drawTime(t, "limit")
		if got, moved := c.Clamp(limit), want.Clamp(limit); got != moved {
			t.Fatalf("Clamp moved %d events, want %d", got, moved)
		}
	}
	same(t, c, want)
	c.Reset()
	same(t, c, h.New())
}

// column draws a column of those payloads that are finite numbers: as they are, or
// again and again, or only one of them.
func (g Gen) column(t *rapid.T) (second int64, values []float64) {
	now := drawTime(t, "second")
	second = int64(math.Floor(now - rapid.SampledFrom(late).Draw(t, "late")))
	for _, p := range g.Payloads(t, now) {
		if v, err := strconv.ParseFloat(p, 64); err == nil && !math.IsInf(v, 0) && !math.IsNaN(v) {
			values = append(values, v)
		}
	}
	if len(values) > 0 && rapid.IntRange(0, 5).Draw(t, "constant") == 0 {
		values = values[:1]
	}
	times := rapid.SampledFrom([]int{1, 1, 1, 7, 40}).Draw(t, "times")
	return second, slices.Repeat(values, times)
}

func eventsOf(second int64, values []float64) Fold {
	f := Fold{Now: start, Bundle: state.Bundle{Tab: "tab", Client: "c1"}}
	for _, v := range values {
		f.Bundle.Events = append(f.Bundle.Events, state.Event{Time: float64(second), Value: v, Number: true})
	}
	return f
}
