package builtin

import "math"

// Most numbers that people record have few digits: counts, prices in cents,
// milliseconds with one place. As float64s they fill eight bytes each; as
// multiples of a power of ten, written as distances, most of them fill one.

// decimalPlaces is one more than how many places after the point decimals have
// at most, and maxDecimal what a decimal without its point is at most: so far
// every whole number is a float64, and so is every sum of it and a half.
const (
	decimalPlaces = 7
	maxDecimal    = 1 << 50
)

var decimalUnits = [decimalPlaces]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6}

// appendDecimals appends runs as decimals: the least number of places with which
// all of them can be written, then, for each, twice its distance (of values
// without their point) from the one before, plus one if its count is more than
// one, which then follows less two. The first distance may be negative and is
// written as a signed number. It reports false, and appends nothing, if there
// is a value with more places.
func appendDecimals(dst []byte, runs []run) (out []byte, ok bool) {
	for places, unit := range decimalUnits {
		if out, ok = tryDecimals(append(dst, byte(places)), runs, unit); ok {
			return out, true
		}
	}
	return dst, false
}

func tryDecimals(dst []byte, runs []run, unit float64) (out []byte, ok bool) {
	var before int64
	for i, r := range runs {
		v, ok := decimalOf(r.value, unit)
		if !ok {
			return nil, false
		}
		step := uint64(v - before)
		if i == 0 {
			step = zigzag(v)
		}
		before = v
		if r.n == 1 {
			dst = appendUint(dst, step<<1)
		} else {
			dst = appendUint(appendUint(dst, step<<1|1), r.n-2)
		}
	}
	return dst, true
}

// decimalOf returns the whole number which, divided by unit, is v to the last
// bit, if there is one.
func decimalOf(v, unit float64) (n int64, ok bool) {
	const round = 3 << 51 // adding it leaves no bits below one
	x := v*unit + round - round
	if x < -maxDecimal || x > maxDecimal {
		return 0, false
	}
	n = int64(x)
	return n, math.Float64bits(float64(n)/unit) == math.Float64bits(v)
}

// decodeDecimals appends n runs that appendDecimals wrote.
func decodeDecimals(d *decoder, runs []run, n int) []run {
	places := d.uint8()
	if places >= decimalPlaces {
		d.fail("a decimal has too many places")
		return runs
	}
	unit := decimalUnits[places]
	var v int64
	for i := range n {
		head := d.uint()
		count := uint64(1)
		if head&1 != 0 {
			count = d.uint()
			if count > math.MaxUint64-2 {
				d.fail("a count is too large")
			}
			count += 2
		}
		step := head >> 1
		switch {
		case i == 0:
			v = unzigzag(step)
		case step == 0 || step > 2*maxDecimal:
			d.fail("values are not in ascending order")
		default:
			v += int64(step)
		}
		if v < -maxDecimal || v > maxDecimal {
			d.fail("a decimal is too large")
		}
		if !d.ok() {
			return runs
		}
		runs = append(runs, run{float64(v) / unit, count})
	}
	return runs
}

func zigzag(v int64) uint64   { return uint64(v)<<1 ^ uint64(v>>63) }
func unzigzag(v uint64) int64 { return int64(v>>1) ^ -int64(v&1) }
