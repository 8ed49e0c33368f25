package builtin

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/DataDog/sketches-go/ddsketch"
	"pgregory.net/rapid"
)

// Every mantissa that the mapping tells apart, in octaves over the whole range
// of float64, is within 1 % of the value that stands for its bin.
func TestBinsAreWithinOnePercent(t *testing.T) {
	const alpha = 0.01 + 1e-12
	for _, exponent := range []int{-1022, -500, -52, -1, 0, 1, 10, 52, 500, 1023} {
		last := int32(0)
		for m := range 1 << mantissaBits {
			lo := math.Ldexp(1+float64(m)/(1<<mantissaBits), exponent)
			hi := math.Nextafter(math.Ldexp(1+float64(m+1)/(1<<mantissaBits), exponent), 0)
			if math.IsInf(hi, 1) || hi < lo {
				hi = math.MaxFloat64
			}
			bin := binOf(lo)
			if bin != binOf(hi) {
				t.Fatalf("[%g, %g] is split into bins %d and %d", lo, hi, bin, binOf(hi))
			}
			if bin < last {
				t.Fatalf("bin of %g is %d, below %d of a smaller value", lo, bin, last)
			}
			last = bin
			v := valueOf(bin)
			if math.Abs(v-lo) > alpha*lo || math.Abs(v-hi) > alpha*hi {
				t.Fatalf("bin %d of [%g, %g] has value %g", bin, lo, hi, v)
			}
		}
	}
	if got := binOf(math.MaxFloat64); got != maxBin {
		t.Errorf("highest bin is %d, want %d", got, maxBin)
	}
}

// Percentiles are within 1 % of those of the sorted values, and about as good
// as those of the reference implementation of DDSketch.
func TestPercentilesAreWithinOnePercent(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	f := func(name string, value func() float64) {
		t.Helper()
		oracle, err := ddsketch.NewDefaultDDSketch(0.01)
		if err != nil {
			t.Fatal(err)
		}
		var d dist
		values := make([]float64, 50_000)
		for i := range values {
			values[i] = value()
			d.add(values[i]+0, 1, 200)
			if err := oracle.Add(values[i]); err != nil {
				t.Fatal(err)
			}
		}
		if !d.sketched {
			t.Fatalf("%s: still exact", name)
		}
		slices.Sort(values)
		got := d.quantiles()
		for i, p := range percentiles {
			rank := rankOf(p, uint64(len(values)))
			want := values[rank]
			if math.Abs(got[i]-want) > 0.0101*math.Abs(want) {
				t.Errorf("%s: p%v is %v, want %v", name, p, got[i], want)
			}
			theirs, err := oracle.GetValueAtQuantile(float64(rank) / float64(len(values)-1))
			if err != nil {
				t.Fatal(err)
			}
			if math.Abs(got[i]-theirs) > 0.021*math.Abs(theirs) {
				t.Errorf("%s: p%v is %v, the oracle says %v", name, p, got[i], theirs)
			}
		}
	}
	f("lognormal", func() float64 { return math.Exp(3 * rng.NormFloat64()) })
	f("uniform", func() float64 { return rng.Float64() })
	f("of both signs", func() float64 { return 1000 * rng.NormFloat64() })
	f("wide", func() float64 { return math.Pow(10, 14*rng.Float64()-7) })
	f("mostly zero", func() float64 { return max(0, rng.NormFloat64()-1) })
	f("negative", func() float64 { return -1 - rng.ExpFloat64() })
}

// A value beyond the span of a sketch joins the lowest bin that it has, the
// same whichever comes first, and leaves everything above as it is.
func TestBinsJoinNearZero(t *testing.T) {
	var up, down bins
	all := []float64{1e-300, 1e-30, 1, 10, 1e16, 1e17}
	for i := range all {
		up.add(binOf(all[i]), 1)
		down.add(binOf(all[len(all)-1-i]), 1)
	}
	if !up.equal(&down) {
		t.Errorf("in ascending order %v, in descending order %v", up, down)
	}
	if low, n := up.at(0); low != binOf(1e17)-maxSpan+1 || n != 2 {
		t.Errorf("lowest bin is %d with %d values, want %d with 2", low, n, binOf(1e17)-maxSpan+1)
	}
	if got := up.used(); got != 5 {
		t.Errorf("%d bins in use, want 5", got)
	}
}

// bins, dense or not, count as a map does.
func TestBinsAgreeWithMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bin := rapid.OneOf(rapid.Int32Range(40, 90), rapid.Int32Range(40, 4000), rapid.Int32Range(1000, 70000))
		draw := func() (b bins, m map[int32]uint64) {
			m = map[int32]uint64{}
			for _, i := range rapid.SliceOfN(bin, 0, 60).Draw(t, "bins") {
				b.add(i, 1)
				m[i]++
			}
			return b, m
		}
		a, want := draw()
		b, more := draw()
		a.merge(&b, rapid.Bool().Draw(t, "roomy"))
		for bin, n := range more {
			want[bin] += n
		}
		got := map[int32]uint64{}
		for i := range a.len() {
			if bin, n := a.at(i); n != 0 {
				got[bin] += n
			}
		}
		joined := map[int32]uint64{}
		if len(want) > 0 {
			var top int32
			for bin := range want {
				top = max(top, bin)
			}
			for bin, n := range want {
				joined[max(bin, top-maxSpan+1)] += n
			}
		}
		if len(got) != len(joined) || a.used() != len(joined) {
			t.Fatalf("got %v, want %v", got, joined)
		}
		for bin, n := range joined {
			if got[bin] != n {
				t.Fatalf("bin %d has %d, want %d", bin, got[bin], n)
			}
		}
	})
}

// A dist is exact up to its limit of different values, and what it is does not
// depend on how it came about.
func TestDistIsExactUpToItsLimit(t *testing.T) {
	const limit = 200
	var d dist
	for i := range 10 * limit {
		d.add(float64(i%limit), 1, limit)
	}
	if d.sketched {
		t.Fatal("a sketch, although there are no more values than the limit")
	}
	want := [7]float64{50, 100, 150, 180, 190, 198, 199}
	if got := d.quantiles(); got != want {
		t.Errorf("percentiles %v, want %v", got, want)
	}
	d.add(limit, 1, limit)
	if !d.sketched {
		t.Error("still exact beyond the limit")
	}
	if got := d.quantiles(); got[0] < 49.5 || got[0] > 50.5 || got[6] != limit-1 && math.Abs(got[6]-(limit-1)) > 2 {
		t.Errorf("percentiles of the sketch %v, want about %v", got, want)
	}
}
