package builtin

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/tabaproject/taba/state"
)

// A canonical value is JSON text in the one form that States store, compare
// and render: as Python's json.dumps writes it with sorted keys. Separators
// are ", " and ": ", everything outside ASCII is escaped, whole numbers keep
// all their digits and other numbers have the shortest that read back.

var (
	errNotJSON   = errors.New("not JSON")
	errNotFinite = errors.New("not finite")
)

// maxDepth bounds the nesting of values, and with it the stack.
const maxDepth = 128

// canonical appends the canonical form of an event's payload.
func canonical(dst []byte, e *state.Event) ([]byte, state.Reason) {
	if e.Number && e.JSON == nil {
		return canonicalNumber(dst, e.Value)
	}
	dst, err := appendCanonical(dst, e.JSON)
	switch err {
	case nil:
		return dst, ""
	case errNotFinite:
		return dst, state.ReasonNotFinite
	default:
		return dst, state.ReasonPayload
	}
}

// canonicalNumber is canonical for a number that came without its text: whole
// ones are taken for integers.
func canonicalNumber(dst []byte, v float64) ([]byte, state.Reason) {
	if !finite(v) {
		return dst, state.ReasonNotFinite
	}
	if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
		return strconv.AppendInt(dst, int64(v), 10), ""
	}
	return appendRepr(dst, v), ""
}

// appendCanonical appends the canonical form of the JSON text src to dst.
func appendCanonical(dst, src []byte) ([]byte, error) {
	p := valueParser{src: src}
	start := len(dst)
	dst, err := p.value(dst, maxDepth)
	if err == nil && p.space() != 0 {
		err = errNotJSON
	}
	if err != nil {
		return dst[:start], err
	}
	return dst, nil
}

type valueParser struct {
	src []byte // what is left
}

// space skips white space and returns the byte after it, 0 at the end.
func (p *valueParser) space() byte {
	for len(p.src) > 0 {
		switch c := p.src[0]; c {
		case ' ', '\t', '\n', '\r':
			p.src = p.src[1:]
		case 0:
			return 1 // a NUL is no end
		default:
			return c
		}
	}
	return 0
}

func (p *valueParser) value(dst []byte, depth int) ([]byte, error) {
	if depth == 0 {
		return dst, errNotJSON
	}
	switch c := p.space(); c {
	case '"':
		return p.text(dst)
	case '[':
		return p.list(dst, depth)
	case '{':
		return p.object(dst, depth)
	case 't':
		return p.word(dst, "true")
	case 'f':
		return p.word(dst, "false")
	case 'n':
		return p.word(dst, "null")
	default:
		return p.number(dst)
	}
}

func (p *valueParser) word(dst []byte, word string) ([]byte, error) {
	if !bytes.HasPrefix(p.src, []byte(word)) {
		return dst, errNotJSON
	}
	p.src = p.src[len(word):]
	return append(dst, word...), nil
}

func (p *valueParser) list(dst []byte, depth int) ([]byte, error) {
	p.src = p.src[1:]
	dst = append(dst, '[')
	if p.space() == ']' {
		p.src = p.src[1:]
		return append(dst, ']'), nil
	}
	for {
		var err error
		if dst, err = p.value(dst, depth-1); err != nil {
			return dst, err
		}
		switch p.space() {
		case ',':
			p.src = p.src[1:]
			dst = append(dst, ", "...)
		case ']':
			p.src = p.src[1:]
			return append(dst, ']'), nil
		default:
			return dst, errNotJSON
		}
	}
}

// A member is where an object's key and its value lie in the output.
type member struct{ start, colon, end int }

func (p *valueParser) object(dst []byte, depth int) ([]byte, error) {
	p.src = p.src[1:]
	start := len(dst)
	var members []member
	for first := true; ; first = false {
		switch c := p.space(); {
		case c == '}':
			p.src = p.src[1:]
			return sortMembers(dst, start, members), nil
		case c == ',' && !first:
			p.src = p.src[1:]
			if p.space() != '"' {
				return dst, errNotJSON
			}
		case c != '"' || !first:
			return dst, errNotJSON
		}
		m := member{start: len(dst)}
		var err error
		if dst, err = p.text(dst); err != nil {
			return dst, err
		}
		m.colon = len(dst)
		if p.space() != ':' {
			return dst, errNotJSON
		}
		p.src = p.src[1:]
		if dst, err = p.value(dst, depth-1); err != nil {
			return dst, err
		}
		m.end = len(dst)
		members = append(members, m)
	}
}

// sortMembers replaces the members that were written from start on by an
// object that has them sorted by key; of equal keys the last one wins.
func sortMembers(dst []byte, start int, members []member) []byte {
	raw := slices.Clone(dst[start:])
	key := func(m member) []byte { return raw[m.start-start : m.colon-start] }
	slices.SortStableFunc(members, func(a, b member) int { return bytes.Compare(key(a), key(b)) })
	dst = append(dst[:start], '{')
	for i, m := range members {
		if i+1 < len(members) && bytes.Equal(key(m), key(members[i+1])) {
			continue
		}
		if len(dst) > start+1 {
			dst = append(dst, ", "...)
		}
		dst = append(dst, key(m)...)
		dst = append(dst, ": "...)
		dst = append(dst, raw[m.colon-start:m.end-start]...)
	}
	return append(dst, '}')
}

func (p *valueParser) number(dst []byte) ([]byte, error) {
	n := 0
	whole := true
	for ; n < len(p.src); n++ {
		switch c := p.src[n]; {
		case c >= '0' && c <= '9', c == '-' && n == 0, c == '+' && n == 0:
			continue
		case c == '.', c == 'e', c == 'E', c == '-', c == '+':
			whole = false
			continue
		}
		break
	}
	token := p.src[:n]
	p.src = p.src[n:]
	if whole {
		return p.whole(dst, token)
	}
	if isShortest(token) {
		return append(dst, token...), nil
	}
	f, err := strconv.ParseFloat(string(token), 64)
	switch {
	case errors.Is(err, strconv.ErrRange) && !finite(f):
		return dst, errNotFinite
	case err != nil && !errors.Is(err, strconv.ErrRange):
		return dst, errNotJSON
	}
	return appendRepr(dst, f), nil
}

// isShortest reports whether a number is certainly written in the shortest way
// that reads back: at most 15 digits, not below 1, no zeros at the ends.
func isShortest(token []byte) bool {
	whole, fraction, _ := bytes.Cut(bytes.TrimPrefix(token, []byte("-")), []byte("."))
	return onlyDigits(whole) && onlyDigits(fraction) && len(whole)+len(fraction) <= 15 &&
		whole[0] != '0' && (len(fraction) == 1 || fraction[len(fraction)-1] != '0')
}

func onlyDigits(s []byte) bool {
	for _, c := range s {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(s) > 0
}

// whole appends an integer: its digits without a plus or leading zeros.
func (p *valueParser) whole(dst, token []byte) ([]byte, error) {
	negative := len(token) > 0 && token[0] == '-'
	digits := bytes.TrimLeft(token, "+-")
	if len(digits) == 0 {
		if bytes.HasPrefix(p.src, []byte("NaN")) || bytes.HasPrefix(p.src, []byte("Infinity")) {
			return dst, errNotFinite
		}
		return dst, errNotJSON
	}
	digits = bytes.TrimLeft(digits, "0")
	if len(digits) == 0 {
		return append(dst, '0'), nil
	}
	if negative {
		dst = append(dst, '-')
	}
	return append(dst, digits...), nil
}

// text appends a string. Bytes that are not UTF-8 are taken for Latin-1.
func (p *valueParser) text(dst []byte) ([]byte, error) {
	dst = append(dst, '"')
	src := p.src[1:]
	for len(src) > 0 {
		c := src[0]
		switch {
		case c == '"':
			p.src = src[1:]
			return append(dst, '"'), nil
		case c == '\\':
			r, n := unescape(src)
			if n == 0 {
				return dst, errNotJSON
			}
			dst, src = appendEscaped(dst, r), src[n:]
		case c < utf8.RuneSelf:
			dst, src = appendEscaped(dst, rune(c)), src[1:]
		default:
			r, n := utf8.DecodeRune(src)
			if r == utf8.RuneError && n == 1 {
				r = rune(c)
			}
			dst, src = appendEscaped(dst, r), src[n:]
		}
	}
	return dst, errNotJSON
}

// unescape reads an escape sequence: what it stands for, a half of a surrogate
// pair as itself, and its length, 0 if it is none.
func unescape(src []byte) (rune, int) {
	if len(src) < 2 {
		return 0, 0
	}
	if i := bytes.IndexByte([]byte(`"\/bfnrt`), src[1]); i >= 0 {
		return rune("\"\\/\b\f\n\r\t"[i]), 2
	}
	if src[1] != 'u' || len(src) < 6 {
		return 0, 0
	}
	v, err := strconv.ParseUint(string(src[2:6]), 16, 16)
	if err != nil {
		return 0, 0
	}
	return rune(v), 6
}

const hexDigits = "0123456789abcdef"

// appendEscaped appends one character of a JSON string as cjson writes it.
func appendEscaped(dst []byte, r rune) []byte {
	switch {
	case r == '"' || r == '\\':
		return append(dst, '\\', byte(r))
	case r >= ' ' && r < 0x7f:
		return append(dst, byte(r))
	case r == '\b':
		return append(dst, `\b`...)
	case r == '\f':
		return append(dst, `\f`...)
	case r == '\n':
		return append(dst, `\n`...)
	case r == '\r':
		return append(dst, `\r`...)
	case r == '\t':
		return append(dst, `\t`...)
	case r >= 0x10000:
		r -= 0x10000
		dst = appendEscaped(dst, 0xd800+r>>10)
		return appendEscaped(dst, 0xdc00+r&0x3ff)
	}
	return append(dst, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}
