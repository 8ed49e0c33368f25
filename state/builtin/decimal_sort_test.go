package builtin

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Counting decimals gives the runs that sorting them gives, or says that there
// are many, or nothing.
func TestDecimalsAreSorted(t *testing.T) {
	value := func(t *rapid.T, most int64) float64 {
		unit := rapid.SampledFrom(decimalUnits[:]).Draw(t, "unit")
		v := float64(rapid.Int64Range(-most, most).Draw(t, "number")) / unit
		switch rapid.IntRange(0, 99).Draw(t, "odd") {
		case 0:
			return math.Nextafter(v, math.Inf(1))
		case 1:
			return math.Copysign(0, -1)
		}
		return v
	}
	c := new(column)
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.SampledFrom([]int64{3, 100, 4000, 1 << 51}).Draw(t, "most")
		values := make([]float64, rapid.IntRange(1, 300).Draw(t, "values"))
		for i := range values {
			values[i] = value(t, most)
		}
		if rapid.Bool().Draw(t, "one unit") {
			for i, v := range values {
				values[i] = math.Round(v*100) / 100
			}
		}
		if rapid.IntRange(0, 20).Draw(t, "before the last round") == 0 {
			c.decimals.round = math.MaxUint32 - 1
		}
		limit := rapid.IntRange(1, 300).Draw(t, "limit")
		sorted, _ := c.sortedRuns(values, len(values))
		want := slices.Clone(sorted)
		counted, ok := c.decimals.load(values, limit)
		if !ok {
			return
		}
		if got, want := counted.seen > limit, len(want) > limit; got != want {
			t.Fatalf("more than %d is %v, not %v", limit, got, want)
		}
		if counted.seen <= limit {
			enc, _ := appendDecimals(nil, want)
			if got := c.decimals.append(&counted, nil); !bytes.Equal(got, enc) {
				t.Fatalf("encoded as\n%x, not\n%x", got, enc)
			}
			counted, _ = c.decimals.load(values, limit)
		}
		got := c.decimals.take(&counted, nil)
		switch {
		case counted.seen <= limit && !slices.EqualFunc(got, want, func(a, b run) bool {
			return a.n == b.n && math.Float64bits(a.value) == math.Float64bits(b.value)
		}):
			t.Fatalf("counted:\n%v, sorted:\n%v", got, want)
		}
		if c.decimals.used != [len(c.decimals.used)]uint64{} {
			t.Fatal("places are still in use")
		}
	})
}

// Prices are counted and not sorted.
func TestPricesAreDecimals(t *testing.T) {
	if _, ok := new(decimals).load(pricesOf(rand.New(rand.NewPCG(1, 2)), 400), 400); !ok {
		t.Error("they are sorted")
	}
}

// BenchmarkRuns finds the runs of columns of prices, of which the State has got
// each once or four times, in both ways; and of values that are no decimals.
func BenchmarkRuns(b *testing.B) {
	const columns = 64
	for _, shape := range []struct{ n, times int }{{10, 1}, {100, 1}, {100, 4}} {
		n := shape.n * shape.times
		prices := make([]float64, 0, columns*n)
		for rng := rand.New(rand.NewPCG(1, 2)); len(prices) < cap(prices); {
			prices = append(prices, slices.Repeat(pricesOf(rng, shape.n), shape.times)...)
		}
		odd := slices.Clone(prices)
		for i := range odd {
			odd[i] = math.Sqrt(odd[i])
		}
		c := new(column)
		for _, way := range []struct {
			name   string
			values []float64
			runs   func([]float64)
		}{
			{"sorted", prices, func(v []float64) { c.sortedRuns(v, counterGroupExact) }},
			{"counted", prices, func(v []float64) { c.runsOf(v, counterGroupExact) }},
			{"no decimals", odd, func(v []float64) { c.runsOf(v, counterGroupExact) }},
		} {
			b.Run(fmt.Sprintf("n=%dx%d/%s", shape.n, shape.times, way.name), func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					at := i % columns * n
					way.runs(way.values[at : at+n])
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/event")
			})
		}
	}
}
