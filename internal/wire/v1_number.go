package wire

import (
	"bytes"
	"errors"
	"math"
	"math/bits"
	"strconv"
)

// Powers of ten, all exact.
var (
	pow10 = [...]float64{
		1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9,
		1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
	}
	pow10Int = [...]uint64{
		1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9,
		1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
	}
)

// plainNumber reads the number at the start of b: digits without a leading
// zero, perhaps a minus in front, perhaps a point and more digits. It returns
// how long it is; 0 if there is none, or one whose text would not be its
// normal form. What follows it is the caller's to judge.
func plainNumber(b []byte) (v float64, n int) {
	i := 0
	negative := len(b) > 0 && b[0] == '-'
	if negative {
		i = 1
	}
	begin := i
	var mantissa uint64 // may overflow; then there are too many digits
	for i < len(b) && b[i]-'0' <= 9 {
		mantissa = mantissa*10 + uint64(b[i]-'0')
		i++
	}
	whole := i - begin
	if whole == 0 || whole > 1 && b[begin] == '0' {
		return 0, 0
	}
	fraction := 0
	if i+1 < len(b) && b[i] == '.' && b[i+1]-'0' <= 9 {
		i++
		for point := i; i < len(b) && b[i]-'0' <= 9; fraction = i - point {
			mantissa = mantissa*10 + uint64(b[i]-'0')
			i++
		}
	} else if negative && mantissa == 0 {
		return 0, 0 // the integer -0, whose normal form is 0
	}
	switch {
	case whole+fraction > 19: // too many for the mantissa
		v, err := strconv.ParseFloat(string(b[:i]), 64)
		if err != nil {
			return 0, 0
		}
		return v, i
	case mantissa <= 1<<53: // both operands are exact: the result is rounded once
		v = float64(int64(mantissa)) / pow10[fraction] // converting from int64 is faster
	default:
		v = divide(mantissa, fraction)
	}
	if negative {
		v = -v
	}
	return v, i
}

// divide returns the float nearest to m / 10^k, for m > 0 and k <= 19: times
// as clients write them have more digits than a float holds exactly. It
// divides in 127 by 64 bits, of which the quotient's 62 or more go into the
// float, the lowest of them standing for everything below it; so the float is
// rounded once, and rightly.
func divide(m uint64, k int) float64 {
	d := pow10Int[k]
	shiftM, shiftD := bits.LeadingZeros64(m), bits.LeadingZeros64(d)
	m <<= shiftM
	q, rest := bits.Div64(m>>1, m<<63, d<<shiftD)
	if rest != 0 {
		q |= 1
	}
	exponent := shiftD - shiftM - 63
	return float64(q) * math.Float64frombits(uint64(1023+exponent)<<52)
}

// parseNumber reads a number in normal form. What is out of range is infinite.
func parseNumber(text []byte) float64 {
	if v, n := plainNumber(text); n == len(text) {
		return v
	}
	v, _ := strconv.ParseFloat(string(text), 64) // the only error left is the range
	return v
}

var errTime = errors.New("the time is not a number")

// parseTimeText reads a time that stands in a string, as Python's float does:
// with space around it, and with words for NaN and the infinities.
func parseTimeText(text []byte) (float64, error) {
	text = bytes.Trim(text, " \t\n\v\f\r")
	if bytes.ContainsAny(text, "xXpP_") { // Go's own
		return 0, errTime
	}
	v, err := strconv.ParseFloat(string(text), 64)
	if err != nil && !math.IsInf(v, 0) {
		return 0, errTime
	}
	return v, nil
}
