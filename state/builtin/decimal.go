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
		dst = appendDecimal(dst, step, r.n)
	}
	return dst, true
}

// appendDecimal appends the distance of a decimal and its count.
func appendDecimal(dst []byte, step, n uint64) []byte {
	switch {
	case n == 1:
		return appendUint(dst, step<<1)
	case step < 1<<6 && n-2 < 1<<7: // as most are
		return append(dst, byte(step<<1|1), byte(n-2))
	}
	return appendUint(appendUint(dst, step<<1|1), n-2)
}

// decimalOf returns the whole number which, divided by unit, is v to the last
// bit, if there is one.
func decimalOf(v, unit float64) (n int64, ok bool) {
	x := roundToEven(v * unit)
	if x < -maxDecimal || x > maxDecimal {
		return 0, false
	}
	n = int64(x)
	return n, math.Float64bits(float64(n)/unit) == math.Float64bits(v)
}

// decodeDecimals appends n runs that appendDecimals wrote, and returns how many
// values they are. What is left to read is kept at hand, not in d: from there it
// would have to come anew for every number.
func decodeDecimals(d *decoder, runs []run, n int) (out []run, total uint64) {
	places := d.uint8()
	if places >= decimalPlaces {
		d.fail("a decimal has too many places")
		return runs, 0
	}
	unit := decimalUnits[places]
	src := d.src
	var v int64
	for i := range n {
		var step, count uint64
		if len(src) >= 2 && src[0] < 0x80 && src[1] < 0x80 { // as most are
			more := uint64(src[0] & 1)
			step, count = uint64(src[0]>>1), 1+more*(uint64(src[1])+1)
			src = src[1+more:]
		} else {
			d.src = src
			step, count = d.decimal()
			src = d.src
		}
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
			return runs, 0
		}
		runs = append(runs, run{float64(v) / unit, count})
		total = addCount(total, count)
	}
	d.src = src
	return runs, total
}

// decimal reads the distance of a decimal from the one before it, and its count.
func (d *decoder) decimal() (step, count uint64) {
	head := d.uint()
	if head&1 == 0 {
		return head >> 1, 1
	}
	count = d.uint()
	if count > math.MaxUint64-2 {
		d.fail("a count is too large")
	}
	return head >> 1, count + 2
}

func zigzag(v int64) uint64   { return uint64(v)<<1 ^ uint64(v>>63) }
func unzigzag(v uint64) int64 { return int64(v>>1) ^ -int64(v&1) }
