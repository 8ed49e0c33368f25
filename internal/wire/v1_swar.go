package wire

import (
	"encoding/binary"
	"math/bits"
)

// Lines are read eight bytes at a time. What a line costs is not so much the
// work as the waiting: where the next one begins is known only at the end of
// this one. So as little as possible stands between the two: the length of each
// part is found from one load, and what digits are worth is computed aside.
// BenchmarkDecode measures it.

// A clock knows the second of the time that was read last: most events are of
// the same second as the one before, to the byte.
type clock struct {
	upper  uint64 // the first eight of its ten digits
	lower  uint16 // the others
	second int64
}

// plainEvent reads the rest of an event's line, after its Type: a time of ten
// digits and perhaps a fraction, a short number as payload, written as nearly
// all clients write them. It returns how long it is, with the end of the line,
// or 0 if it has any other form. b has at least longestPlain bytes.
func (c *clock) plainEvent(b []byte) (second int64, v float64, n int) {
	b = b[:longestPlain]
	upper, lower := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint16(b[8:])
	if (upper != c.upper || lower != c.lower) && !c.set(upper, lower) {
		return 0, 0, 0
	}
	i := 10
	if b[i] == '.' {
		w := binary.LittleEndian.Uint64(b[11:])
		k := leadingDigits(w)
		// Many nines could be the next second, rounded.
		if k == 0 || k == 8 || k > 6 && w&(1<<48-1) == nines {
			return 0, 0, 0
		}
		i += 1 + k
		if w>>(8*k)&(1<<24-1) == commaQuote {
			i += 3
		} else if i = betweenTimeAndPayload(b, i); i == 0 {
			return 0, 0, 0
		}
	} else if i = betweenTimeAndPayload(b, i); i == 0 {
		return 0, 0, 0
	}
	v, k := shortNumber(b[i : i+24])
	i += k
	if end := binary.LittleEndian.Uint32(b[i:]); k == 0 || end<<8 != endOfLine<<8 {
		return 0, 0, 0
	}
	return c.second, v, i + 3
}

const (
	nines      = 0x393939393939 // six digits
	commaQuote = ',' | ' '<<8 | '"'<<16
	endOfLine  = '"' | ']'<<8 | '\n'<<16
)

// set makes the clock one of ten digits. It reports false if they are none, or
// begin with a zero.
func (c *clock) set(upper uint64, lower uint16) bool {
	tens, ones := byte(lower)-'0', byte(lower>>8)-'0'
	if leadingDigits(upper) != 8 || byte(upper) == '0' || tens > 9 || ones > 9 {
		return false
	}
	c.upper, c.lower = upper, lower
	c.second = int64(eightDigits(upper)*100 + uint64(tens)*10 + uint64(ones))
	return true
}

// betweenTimeAndPayload passes over a comma, perhaps a space and a quote. It returns
// 0 if something else stands there.
func betweenTimeAndPayload(b []byte, i int) int {
	if b[i] != ',' {
		return 0
	}
	if i++; b[i] == ' ' {
		i++
	}
	if b[i] != '"' {
		return 0
	}
	return i + 1
}

// shortNumber reads a number as plainNumber does, if it has at most seven
// digits on each side of the point; else it returns 0 for its length. b has at
// least 24 bytes.
func shortNumber(b []byte) (v float64, n int) {
	w := binary.LittleEndian.Uint64(b)
	others := notDigits(w)
	k := bits.TrailingZeros64(others) / 8
	if k == 0 || k == 8 || k > 1 && byte(w) == '0' {
		return longerNumber(b)
	}
	if byte(w>>(8*k)) != '.' {
		return float64(int64(eightDigits(w << (64 - 8*k)))), k
	}
	others &= others - 1
	n = bits.TrailingZeros64(others) / 8
	if n == 8 || n == k+1 {
		return longerNumber(b)
	}
	before := uint64(1)<<(8*k) - 1 // the point
	digits := w&before | w>>8&^before
	return float64(int64(eightDigits(digits<<(72-8*n)))) / pow10[n-k-1], n // both are exact: it is rounded once
}

// longerNumber is shortNumber of those that do not end within eight bytes, or
// have a sign.
func longerNumber(b []byte) (v float64, n int) {
	negative := b[0] == '-'
	if negative {
		b = b[1:]
		n = 1
	}
	w := binary.LittleEndian.Uint64(b)
	k := leadingDigits(w)
	if k == 0 || k == 8 || k > 1 && b[0] == '0' {
		return 0, 0
	}
	m := eightDigits(w << (64 - 8*k))
	n += k
	if b[k] != '.' {
		if negative && m == 0 {
			return 0, 0 // the integer -0, whose normal form is 0
		}
		v = float64(int64(m))
	} else {
		w := binary.LittleEndian.Uint64(b[k+1:])
		f := leadingDigits(w)
		if f == 0 || f == 8 {
			return 0, 0
		}
		n += 1 + f
		m = m*pow10Int[f] + eightDigits(w<<(64-8*f))
		v = float64(int64(m)) / pow10[f] // both are exact: it is rounded once
	}
	if negative {
		v = -v
	}
	return v, n
}

// notDigits returns a word with the highest bit set in each byte in which w has
// no digit.
func notDigits(w uint64) uint64 {
	x := w ^ 0x3030303030303030 // digits become 0 to 9
	return ((x&0x7f7f7f7f7f7f7f7f + 0x7676767676767676) | x) & 0x8080808080808080
}

// leadingDigits returns how many of the eight bytes in w, the lowest first, are
// digits before one is not.
func leadingDigits(w uint64) int { return bits.TrailingZeros64(notDigits(w)) / 8 }

// eightDigits returns the number that eight digits are, the first one in the
// lowest byte. Zero bytes before them count as digits, too.
func eightDigits(w uint64) uint64 {
	w &= 0x0f0f0f0f0f0f0f0f
	w = w*10 + w>>8 // in every other byte: two digits
	return ((w&0x000000ff000000ff)*(100+1000000<<32) + (w>>16&0x000000ff000000ff)*(1+10000<<32)) >> 32
}
