package builtin

import (
	"math"
	"math/bits"
)

// A sum is a total kept as an unevaluated pair of float64s, about 106 bits
// wide. Plain float64 addition is not associative; this one is exact, and so
// associative, whenever all values are multiples of some unit u and the total
// stays below 2^105 u. That covers whole numbers and practically every mix of
// fractions, so Partials merged in different orders end in equal bytes.
type sum struct {
	hi, lo float64 // hi is the total rounded to float64
}

// add adds one value. It leaves s unnormalised until the next merge or call
// of normal, which keeps the hot loop short.
func (s *sum) add(x float64) {
	t := s.hi + x
	b := t - s.hi
	s.lo += (s.hi - (t - b)) + (x - b)
	s.hi = t
}

// addProduct adds x times n.
func (s *sum) addProduct(x float64, n uint64) {
	if n == 1 {
		s.add(x)
	} else {
		s.addManyTimes(x, n)
	}
}

func (s *sum) addManyTimes(x float64, n uint64) {
	// n as two floats, each exact, and each product with its rounding error.
	for _, f := range [2]float64{float64(n &^ 0xffffffff), float64(n & 0xffffffff)} {
		p := float64(x * f) // the conversion forbids fusing it with what follows
		if !finite(p) {
			s.add(math.Copysign(math.MaxFloat64, p))
			continue
		}
		s.add(p)
		s.add(math.FMA(x, f, -p))
	}
}

// normal brings s into its canonical form.
func (s sum) normal() sum {
	if !finite(s.hi) {
		return s.saturated()
	}
	hi, lo := twoSum(s.hi, s.lo)
	return sum{hi, lo}.saturated()
}

// addSum adds a normal sum like add adds a value: the result must be made
// normal in the end.
func (s *sum) addSum(o sum) {
	s.add(o.hi)
	s.lo += o.lo
}

// merge adds the normal sum o to the normal sum s.
func (s *sum) merge(o sum) {
	sh, sl := twoSum(s.hi, o.hi)
	if !finite(sh) {
		*s = sum{hi: sh}.saturated()
		return
	}
	th, tl := twoSum(s.lo, o.lo)
	vh, vl := quickTwoSum(sh, sl+th)
	zh, zl := quickTwoSum(vh, tl+vl)
	*s = sum{zh, zl}.saturated()
}

// saturated keeps a total that outgrew float64 finite, because JSON and the
// encodings know no infinity.
func (s sum) saturated() sum {
	if finite(s.hi) {
		return sum{s.hi + 0, s.lo + 0} // + 0 turns -0 into 0
	}
	if math.Signbit(s.hi) {
		return sum{-math.MaxFloat64, 0}
	}
	return sum{math.MaxFloat64, 0}
}

// twoSum returns a+b and its rounding error.
func twoSum(a, b float64) (s, err float64) {
	s = a + b
	bb := s - a
	return s, (a - (s - bb)) + (b - bb)
}

// quickTwoSum is twoSum for |a| >= |b|.
func quickTwoSum(a, b float64) (s, err float64) {
	s = a + b
	return s, b - (s - a)
}

// addCount adds event counts. It saturates, because wrapping would turn a
// bucket of absurd weights into an empty one; saturation is associative.
func addCount(a, b uint64) uint64 {
	c, carry := bits.Add64(a, b, 0)
	if carry != 0 {
		return math.MaxUint64
	}
	return c
}

func finite(x float64) bool { return x-x == 0 }
