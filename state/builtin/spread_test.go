package builtin

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/tabaproject/taba/state"
)

// TestSpread: every value is stood for by one within the bound, whatever else
// there is: spreads add up.
func TestSpread(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.OneOf(rapid.Float64Range(-1e3, -1e-3), rapid.Float64Range(1e-3, 1e6), rapid.Just(0.0), rapid.Just(math.Copysign(0, -1)))
		spread := func(sets ...[]float64) map[float64]uint64 {
			var d dist
			for _, set := range sets {
				var part dist
				for _, v := range set {
					part.add(v, 1, percentileGroupExact)
				}
				d.merge(&part, percentileGroupExact)
			}
			all, last := map[float64]uint64{}, math.Inf(-1)
			bound := state.Spreading(&d).Spread(func(v float64, n uint64) {
				if v < last {
					t.Fatalf("%v comes after %v", v, last)
				}
				all[v] += n
				last = v
			})
			if bound != sketchError {
				t.Fatalf("the bound is %v", bound)
			}
			return all
		}
		a := rapid.SliceOfN(value, 0, 300).Draw(t, "a")
		b := rapid.SliceOfN(value, 0, 300).Draw(t, "b")
		sum := spread(a)
		for v, n := range spread(b) {
			sum[v] += n
		}
		together := spread(a, b)
		if len(sum) != len(together) {
			t.Fatalf("%v, not %v", together, sum)
		}
		for v, n := range sum {
			if together[v] != n {
				t.Fatalf("%v is there %d times, not %d", v, together[v], n)
			}
		}
		for _, v := range a {
			near := false
			for x := range together {
				near = near || math.Abs(x-v) <= sketchError*math.Abs(v)*(1+1e-9)
			}
			if !near {
				t.Fatalf("nothing stands for %v in %v", v, together)
			}
		}
	})
}
