// Package pyjson reads and writes JSON as the original's Python did, whose
// answers and bodies Taba matches byte for byte: floats as repr, ", " and ": "
// as separators, everything but printable ASCII escaped; and when reading, a
// few liberties that its clients have taken for granted. It is apart from
// encoding/json because that can be brought to neither, and apart from
// package wire because state/builtin needs it and must not know the wire.
//
// # The liberties
//
// NaN, Infinity and -Infinity are numbers; so are +5, 007, 5. and -.5. Bytes
// above 127 in strings are Latin-1, so raw UTF-8 is not decoded; other bytes
// may stand in strings unescaped, except NUL. Space is what C's isspace says.
//
// # Concurrency and back-pressure
//
// Everything here is a pure function. Nesting is limited to MaxDepth.
package pyjson

import (
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// AppendString appends s as a JSON string, ASCII only. s is UTF-8; bytes that
// are not are taken as Latin-1.
func AppendString[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			dst = appendUnit(dst, uint16(c))
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
		if r == utf8.RuneError && n == 1 {
			r = rune(s[i])
		}
		i += n
		if hi, lo := utf16.EncodeRune(r); hi != utf8.RuneError {
			dst = appendUnit(appendUnit(dst, uint16(hi)), uint16(lo))
		} else {
			dst = appendUnit(dst, uint16(r))
		}
	}
	return append(dst, '"')
}

// AppendASCII appends JSON text that is UTF-8, as others than Python write it,
// with everything but ASCII escaped: then it is read as it was meant. Bytes
// that are not UTF-8 are taken as Latin-1.
func AppendASCII(dst, src []byte) []byte {
	for len(src) > 0 {
		r, n := utf8.DecodeRune(src)
		switch hi, lo := utf16.EncodeRune(r); {
		case n == 1: // or not UTF-8
			dst = append(dst, src[0])
		case hi != utf8.RuneError:
			dst = appendEscape(appendEscape(dst, uint16(hi)), uint16(lo))
		default:
			dst = appendEscape(dst, uint16(r))
		}
		src = src[n:]
	}
	return dst
}

// AppendLatin1 appends s as a JSON string, ASCII only, each byte being one
// character: the view the original's servers have of names and texts.
func AppendLatin1[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	for i := range len(s) {
		dst = appendUnit(dst, uint16(s[i]))
	}
	return append(dst, '"')
}

// appendUnit appends one UTF-16 unit of a string.
func appendUnit(dst []byte, u uint16) []byte {
	switch {
	case u == '"' || u == '\\':
		return append(dst, '\\', byte(u))
	case u >= ' ' && u < 0x7f:
		return append(dst, byte(u))
	case u == '\t':
		return append(dst, '\\', 't')
	case u == '\n':
		return append(dst, '\\', 'n')
	case u == '\r':
		return append(dst, '\\', 'r')
	case u == '\f':
		return append(dst, '\\', 'f')
	case u == '\b':
		return append(dst, '\\', 'b')
	}
	return appendEscape(dst, u)
}

func appendEscape(dst []byte, u uint16) []byte {
	return append(dst, '\\', 'u', hexDigits[u>>12], hexDigits[u>>8&15], hexDigits[u>>4&15], hexDigits[u&15])
}

// AppendFloat appends f as Python's repr shows a float: the shortest digits
// that give f back, always with a point or an exponent.
func AppendFloat(dst []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, "NaN"...)
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.AppendFloat(dst, f, 'e', -1, 64) // has two digits of exponent, as repr
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
	for _, c := range dst[start:] {
		if c == '.' {
			return dst
		}
	}
	return append(dst, '.', '0')
}
