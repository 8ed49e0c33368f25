package builtin

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// Whatever the order and grouping, the same values give the same total, and it
// is the exact one rounded once.
func TestSumDoesNotDependOnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cents := rapid.SliceOfN(rapid.Int64Range(-1e12, 1e12), 1, 50).Draw(t, "cents")
		exact := new(big.Rat)
		var inOrder sum
		parts := make([]sum, len(cents))
		for i, c := range cents {
			v := float64(c) / 100
			exact.Add(exact, new(big.Rat).SetFloat64(v))
			inOrder.add(v)
			parts[i].add(v)
			parts[i] = parts[i].normal()
		}
		inOrder = inOrder.normal()
		for len(parts) > 1 {
			i := rapid.IntRange(1, len(parts)-1).Draw(t, "merged")
			parts[0].merge(parts[i])
			parts[i] = parts[len(parts)-1]
			parts = parts[:len(parts)-1]
		}
		if parts[0] != inOrder {
			t.Fatalf("merged %v, in order %v", parts[0], inOrder)
		}
		if want, _ := exact.Float64(); inOrder.hi != want {
			t.Fatalf("total %v, want %v", inOrder.hi, want)
		}
	})
}

// Sums of any fractions agree to far better than 1e-12 of the sum of absolute
// values.
func TestSumOfFractions(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	exact := new(big.Float).SetPrec(2000)
	var s sum
	absolute := 0.0
	for range 100_000 {
		v := rng.NormFloat64() * math.Pow(10, 40*rng.Float64()-20)
		s.add(v)
		s = s.normal()
		exact.Add(exact, big.NewFloat(v))
		absolute += math.Abs(v)
	}
	want, _ := exact.Float64()
	if math.Abs(s.hi-want) > 1e-15*absolute {
		t.Errorf("total %v, want %v", s.hi, want)
	}
}

func TestSumOfProducts(t *testing.T) {
	f := func(v float64, n uint64) {
		t.Helper()
		var s sum
		s.addProduct(v, n)
		s = s.normal()
		exact := new(big.Rat).SetFloat64(v)
		exact.Mul(exact, new(big.Rat).SetUint64(n))
		if want, _ := exact.Float64(); s.hi != want {
			t.Errorf("%v times %d is %v, want %v", v, n, s.hi, want)
		}
	}
	f(0.1, 1)
	f(0.1, 3)
	f(-7, 1<<60+1)
	f(math.Pi, math.MaxUint64)
}

// What outgrows float64 stays finite.
func TestSumSaturates(t *testing.T) {
	f := func(want float64, add func(s *sum)) {
		t.Helper()
		var s sum
		add(&s)
		s = s.normal()
		o := s
		s.merge(o)
		if s.hi != want || s.lo != 0 {
			t.Errorf("got %v, want %v", s, want)
		}
	}
	f(math.MaxFloat64, func(s *sum) { s.add(math.MaxFloat64); s.add(math.MaxFloat64) })
	f(-math.MaxFloat64, func(s *sum) { s.add(-math.MaxFloat64); s.add(-math.MaxFloat64); s.add(5) })
	f(math.MaxFloat64, func(s *sum) { s.addProduct(1e300, math.MaxUint64) })
	f(-math.MaxFloat64, func(s *sum) { s.addProduct(-1e300, math.MaxUint64) })
}
