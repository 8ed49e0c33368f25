package statsdtext

import (
	"bytes"
	"math"
	"strconv"
	"unsafe"
)

// A Line is one line as Cut found it: name, values and tail are
// buf[Name:NameEnd], buf[NameEnd+1:TailStart-1] and buf[TailStart:End].
type Line struct {
	Name, NameEnd  int32
	TailStart, End int32 // both 0 if there is no colon or no bar
	// Value is the value if there is a single one that is plain: a few digits,
	// perhaps with a point and a sign.
	Value  float64
	Plain  bool // there is
	Signed bool // Value was written with a sign
}

// Cut finds the lines that begin at buf[at:], up to as many as fit into lines.
// It returns how many there are and where the next one begins. Every line must
// end within buf: by a newline, or with buf. Empty lines are skipped. buf is
// at most 2 GiB long.
func Cut(buf []byte, at int, lines []Line) (n, next int) {
	for at < len(buf) && n < len(lines) {
		end, skip := len(buf), 0
		if i := bytes.IndexByte(buf[at:], '\n'); i >= 0 {
			end, skip = at+i, 1
		}
		start := at
		at = end + skip
		for end > start && buf[end-1] == '\r' {
			end--
		}
		if end == start {
			continue
		}
		lines[n].cut(buf[:end], start)
		n++
	}
	return n, at
}

// cut finds the parts of the line buf[start:].
func (l *Line) cut(buf []byte, start int) {
	*l = Line{Name: int32(start)}
	colon := bytes.IndexByte(buf[start:], ':')
	if colon < 0 {
		l.End = int32(len(buf))
		return
	}
	colon += start
	l.NameEnd = int32(colon)
	bar := l.plain(buf, colon+1)
	if bar < 0 {
		bar = bytes.IndexByte(buf[colon+1:], '|')
		if bar < 0 {
			l.End = int32(len(buf))
			return
		}
		bar += colon + 1
	}
	l.TailStart, l.End = int32(bar+1), int32(len(buf))
}

// plain reads a plain number at buf[at:] that a bar follows, and returns where
// the bar is; -1 if there is none such.
func (l *Line) plain(buf []byte, at int) int {
	if at < len(buf) && (buf[at] == '-' || buf[at] == '+') {
		l.Signed = true
	}
	v, n := plainNumber(buf[at:])
	if n == 0 || at+n >= len(buf) || buf[at+n] != '|' {
		return -1
	}
	l.Value, l.Plain = v, true
	return at + n
}

// powers of ten that float64 holds exactly.
var powers = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// plainNumber reads a plain number of at most 15 digits at the beginning of s
// and returns how long it is, 0 if there is none. Both its digits and its
// power of ten are exact float64s, so their quotient is the number rounded
// correctly.
func plainNumber(s []byte) (v float64, n int) {
	negative := false
	i := 0
	if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
		negative = s[0] == '-'
		i = 1
	}
	first := i
	var digits uint64
	for i < len(s) && s[i]-'0' <= 9 {
		digits = digits*10 + uint64(s[i]-'0')
		i++
	}
	count, decimals := i-first, 0
	if i < len(s) && s[i] == '.' {
		i++
		point := i
		for i < len(s) && s[i]-'0' <= 9 {
			digits = digits*10 + uint64(s[i]-'0')
			i++
		}
		decimals = i - point
		count += decimals
	}
	if count == 0 || count > 15 {
		return 0, 0
	}
	v = float64(digits)
	if decimals > 0 {
		v /= powers[decimals]
	}
	if negative {
		v = -v
	}
	return v + 0, i // + 0 turns -0 into 0
}

// Number reads a decimal number, all of s; -0 is 0. It reports false for what
// is none, and for one that is not finite.
func Number(s []byte) (float64, bool) {
	if v, n := plainNumber(s); n == len(s) && n > 0 {
		return v, true
	}
	for _, c := range s {
		if c-'0' > 9 && c != '.' && c != '-' && c != '+' && c|0x20 != 'e' {
			return 0, false // strconv knows more forms of numbers
		}
	}
	if len(s) == 0 {
		return 0, false
	}
	v, err := strconv.ParseFloat(unsafe.String(&s[0], len(s)), 64)
	return v + 0, err == nil && !math.IsInf(v, 0)
}

// Single reports whether a tail is one that ParseHead takes: it has no further
// group.
func Single(tail []byte) bool {
	if bytes.IndexByte(tail, ':') < 0 {
		return true
	}
	_, _, more := cutGroup(string(tail))
	return !more
}
