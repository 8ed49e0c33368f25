package builtin

import (
	"math"
	"math/bits"
)

// Decimals that lie close together need not be sorted: each of them has a place
// of its own, by the whole number that it is without its point, where it is
// counted.

// decimalSpan is how many whole numbers have a place.
const decimalSpan = 1 << 12

// decimals is scratch: a place for each of so many whole numbers.
type decimals struct {
	places [decimalSpan]decimal
	used   [decimalSpan / 64]uint64 // a bit for each place
	round  uint32                   // of those places that are in use
}

type decimal struct {
	bits  uint64 // of the value
	round uint32 // in which it was seen
	n     uint32
}

// counted tells what is in the places.
type counted struct {
	seen   int   // how many are in use
	places int   // after the point, as few as possible
	least  int64 // the whole number that has the first one
	words  int   // of used that tell about them
}

// load counts values, until there are more than limit different ones. It reports
// false, and counts nothing, if they are not decimals, or too far from each
// other, or so few that they are sorted sooner. take or append must follow.
func (s *decimals) load(values []float64, limit int) (c counted, ok bool) {
	if len(values) <= fewKeys {
		return c, false
	}
	m := extremesOf(values)
	for c.places = placesOf(values[0], 0); c.places < decimalPlaces; {
		unit := decimalUnits[c.places]
		if !((m.highest-m.least)*unit < decimalSpan-2) || max(-m.least, m.highest)*unit > maxDecimal {
			break
		}
		c.least = int64(roundToEven(m.least * unit))
		c.words = (int((m.highest-m.least)*unit)+1)/64 + 1 // one more for what rounding adds
		var odd int
		if c.seen, odd = s.count(values, unit, c.least, limit); odd < 0 {
			return c, true
		}
		s.empty(&c)
		c.places = placesOf(values[odd], c.places+1)
	}
	return c, false
}

// empty empties the places.
func (s *decimals) empty(c *counted) { clear(s.used[:c.words]) }

// placesOf returns how many places after the point v has, at least so many, or
// more than decimals have.
func placesOf(v float64, least int) int {
	for least < decimalPlaces {
		if _, ok := decimalOf(v, decimalUnits[least]); ok {
			break
		}
		least++
	}
	return least
}

// count counts values in their places, until more than limit are in use. It
// returns how many are and the index of the first value that is not a decimal
// of this unit, or -1.
func (s *decimals) count(values []float64, unit float64, least int64, limit int) (seen, odd int) {
	if s.round == math.MaxUint32 {
		*s = decimals{}
	}
	s.round++
	for i, v := range values {
		n := roundToEven(v * unit)
		at := uint64(int64(n) - least)
		if at >= decimalSpan {
			return seen, i // it was rounded
		}
		p := &s.places[at]
		if p.round == s.round {
			if p.bits != math.Float64bits(v) {
				return seen, i
			}
			p.n++
			continue
		}
		if math.Float64bits(n/unit) != math.Float64bits(v) {
			return seen, i
		}
		if seen++; seen > limit {
			return seen, -1
		}
		*p = decimal{math.Float64bits(v), s.round, 1}
		s.used[at/64] |= 1 << (at % 64)
	}
	return seen, -1
}

// take appends the runs that were counted, in ascending order, and empties the
// places.
func (s *decimals) take(c *counted, runs []run) []run {
	for i, word := range s.used[:c.words] {
		for ; word != 0; word &= word - 1 {
			p := &s.places[64*i+bits.TrailingZeros64(word)]
			runs = append(runs, run{math.Float64frombits(p.bits), uint64(p.n)})
		}
	}
	s.empty(c)
	return runs
}

// append appends what appendDecimals would of the runs that were counted, and
// empties the places.
func (s *decimals) append(c *counted, dst []byte) []byte {
	dst = append(dst, byte(c.places))
	before := -1
	for i, word := range s.used[:c.words] {
		for ; word != 0; word &= word - 1 {
			at := 64*i + bits.TrailingZeros64(word)
			step := uint64(at - before)
			if before < 0 {
				step = zigzag(c.least + int64(at))
			}
			dst = appendDecimal(dst, step, uint64(s.places[at].n))
			before = at
		}
	}
	s.empty(c)
	return dst
}

// roundToEven rounds a number of at most maxDecimal.
func roundToEven(x float64) float64 {
	const round = 3 << 51 // adding it leaves no bits below one
	return x + round - round
}
