package builtin

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
)

// appendFixed is strconv's 'f' format to the last digit.
func TestAppendFixed(t *testing.T) {
	f := func(v float64) {
		t.Helper()
		for _, prec := range []int{2, 6} {
			got := string(appendFixed(nil, v, prec))
			if want := strconv.FormatFloat(v, 'f', prec, 64); got != want {
				t.Errorf("%v with %d decimals: got %s, want %s", v, prec, got, want)
			}
		}
	}
	for _, v := range []float64{0, math.Copysign(0, -1), 0.005, 0.015, 0.125, 0.375, 1.005, 2.675, 0.995, 0.9999999, 99.995, 999.9999995,
		1 << 52, 1<<52 - 0.5, 1<<53 + 2, 0x1p-10, 0x1p-11, 1e-300, math.MaxFloat64, 1e22} {
		f(v)
		f(-v)
	}
	rng := rand.New(rand.NewPCG(5, 6))
	for range 20_000 {
		f(rng.NormFloat64())
		f(float64(rng.IntN(1e9)) / 1e3) // many ties
		f(float64(rng.IntN(1e9)) / 128)
		f(math.Float64frombits(rng.Uint64()&^(1<<63-1<<62) | 0x3f0<<52))
	}
}

func TestAppendRepr(t *testing.T) {
	f := func(v float64, want string) {
		t.Helper()
		if got := string(appendRepr(nil, v)); got != want {
			t.Errorf("repr of %v: got %s, want %s", v, got, want)
		}
	}
	f(0, "0.0")
	f(5, "5.0")
	f(-0.1, "-0.1")
	f(1395954300.25, "1395954300.25")
	f(1e15, "1000000000000000.0")
	f(1e16, "1e+16")
	f(1.5e16, "1.5e+16")
	f(0.0001, "0.0001")
	f(0.00001, "1e-05")
}
