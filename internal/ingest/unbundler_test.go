package ingest

import (
	"math"
	"testing"

	"github.com/tabaproject/taba/internal/fold"
	"github.com/tabaproject/taba/internal/wire"
	"github.com/tabaproject/taba/state/builtin"
)

// turning is a TypeTable that learns the Type of a tab after it was asked for it a
// few times, as when another sender makes the tab at the same moment.
type turning struct{ asked, from int }

func (t *turning) TypeOf(_, _ string) (string, bool) {
	t.asked++
	return "Gauge", t.asked > t.from
}

// A tab may get its Type while a bundle of another Type is being folded, and from
// a series beside it of which nothing was folded before.
func TestTypesThatComeLate(t *testing.T) {
	for from := range 5 {
		o := Options{}.withDefaults()
		u, acc := newUnbundler(&turning{from: from}, &o), fold.New(builtin.Registry())
		u.begin(acc, clock)
		var e wire.BatchEncoder
		e.Begin(clock)
		first := e.Series("b", "PercentileGroup", "c")
		e.Values(first, clock, []float64{math.NaN()})
		e.Values(e.Series("b", "Gauge", "c"), clock, []float64{1})
		e.Values(first, clock, []float64{2, 3})
		if err := u.check(e.Bytes()); err != nil {
			t.Fatal(err)
		}
		if err := u.fold(func() bool { return true }); err != nil {
			t.Fatal(err)
		}
		wantEqual(t, "events", u.received().events, 3)
		wantEqual(t, "folded", acc.Events(), 3)
		u.end()
	}
}
