package builtin

import (
	"bytes"
	"math"
	"math/bits"
	"strconv"
)

func appendCount(dst []byte, n uint64) []byte { return strconv.AppendUint(dst, n, 10) }

// appendFixed appends v with prec decimals, 2 or 6, as C's printf does. It is
// strconv's 'f' format, for which strconv has no fast path.
func appendFixed(dst []byte, v float64, prec int) []byte {
	a := math.Abs(v)
	if a >= 1<<52 || (a < 0x1p-10 && a != 0) {
		return strconv.AppendFloat(dst, v, 'f', prec, 64)
	}
	if math.Signbit(v) {
		dst = append(dst, '-')
	}
	scale := uint64(100)
	if prec == 6 {
		scale = 1_000_000
	}
	whole, frac := splitFixed(a, scale)
	dst = strconv.AppendUint(dst, whole, 10)
	dst = append(dst, '.')
	for p := scale / 10; p > 1 && frac < p; p /= 10 {
		dst = append(dst, '0')
	}
	return strconv.AppendUint(dst, frac, 10)
}

// splitFixed rounds a, which is 0 or in [2^-10, 2^52), to a multiple of
// 1/scale: exactly, and half to even.
func splitFixed(a float64, scale uint64) (whole, frac uint64) {
	b := math.Float64bits(a)
	if b == 0 {
		return 0, 0
	}
	mantissa := b&(1<<52-1) | 1<<52
	shift := uint(1075 - b>>52) // a = mantissa / 2^shift; 1 <= shift <= 62
	whole = mantissa >> shift
	hi, lo := bits.Mul64(mantissa&(1<<shift-1), scale)
	frac = hi<<(64-shift) | lo>>shift
	rest, half := lo&(1<<shift-1), uint64(1)<<(shift-1)
	if rest > half || rest == half && frac&1 == 1 {
		frac++
	}
	if frac == scale {
		return whole + 1, 0
	}
	return whole, frac
}

// appendRepr appends a finite v as Python's repr does: the shortest digits
// that read back as v, and always a point or an exponent.
func appendRepr(dst []byte, v float64) []byte {
	if a := math.Abs(v); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.AppendFloat(dst, v, 'e', -1, 64)
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, v, 'f', -1, 64)
	return pointed(dst, start)
}

// appendStr appends a finite v as Python 2's str does: twelve digits.
func appendStr(dst []byte, v float64) []byte {
	start := len(dst)
	dst = strconv.AppendFloat(dst, v, 'g', 12, 64)
	return pointed(dst, start)
}

// pointed appends ".0" if the number that begins at start looks like a whole
// one.
func pointed(dst []byte, start int) []byte {
	if bytes.ContainsAny(dst[start:], ".e") {
		return dst
	}
	return append(dst, ".0"...)
}
