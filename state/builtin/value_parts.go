package builtin

import (
	"bytes"
	"strconv"
)

func isNumber(v []byte) bool {
	return len(v) > 0 && (v[0] == '-' || v[0] >= '0' && v[0] <= '9')
}

// nextElement splits the body of a canonical list into its first element and
// what follows it.
func nextElement(body []byte) (element, rest []byte) {
	depth, quoted := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case quoted:
			if c == '\\' {
				i++
			}
			quoted = c != '"'
		case c == '"':
			quoted = true
		case c == '[' || c == '{':
			depth++
		case c == ']' || c == '}':
			depth--
		case c == ',' && depth == 0:
			return body[:i], body[i+2:]
		}
	}
	return body, nil
}

// firstElement returns the first element of a canonical list, nil if it is
// empty.
func firstElement(list []byte) []byte {
	element, _ := nextElement(list[1 : len(list)-1])
	if len(element) == 0 {
		return nil
	}
	return element
}

// nextChar returns the length of the first character of the inside of a
// canonical string, 0 at its end.
func nextChar(s []byte) int {
	switch {
	case len(s) == 0:
		return 0
	case s[0] != '\\':
		return 1
	case s[1] != 'u':
		return 2
	case len(s) >= 12 && isSurrogate(s, '8', 'b') && isSurrogate(s[6:], 'c', 'f'):
		return 12
	}
	return 6
}

// isSurrogate reports whether s begins with an escape \udX... with lo <= X <= hi.
func isSurrogate(s []byte, lo, hi byte) bool {
	return s[0] == '\\' && s[1] == 'u' && s[2] == 'd' && lo <= s[3] && s[3] <= hi
}

// appendText appends, as a JSON string, what Python 2's str says of a
// canonical value; that is how the original shows gauges.
func appendText(dst, v []byte) []byte {
	switch {
	case v[0] == '"':
		return append(dst, v...)
	case isNumber(v) && bytes.ContainsAny(v, ".e"):
		f, _ := strconv.ParseFloat(string(v), 64)
		dst = appendStr(append(dst, '"'), f)
	default:
		dst = appendPython(append(dst, '"'), v)
	}
	return append(dst, '"')
}

// appendPython appends Python's repr of a canonical value, escaped for a JSON
// string; of a number by itself, its str. Canonical separators are those of
// repr, so only words, strings and long integers change.
func appendPython(dst, v []byte) []byte {
	nested := !isNumber(v)
	for i := 0; i < len(v); {
		word := ""
		switch c := v[i]; {
		case c == 't':
			word = "True"
		case c == 'f':
			word = "False"
		case c == 'n':
			word = "None"
		case c == '"':
			n := stringLen(v[i:])
			dst = appendPythonString(dst, v[i+1:i+n-1])
			i += n
			continue
		case isNumber(v[i:]):
			n := numberLen(v[i:])
			dst = append(dst, v[i:i+n]...)
			if nested && isLong(v[i:i+n]) {
				dst = append(dst, 'L')
			}
			i += n
			continue
		default:
			dst = append(dst, c)
			i++
			continue
		}
		dst = append(dst, word...)
		i += len(word)
	}
	return dst
}

// numberLen returns the length of the canonical number that v begins with.
func numberLen(v []byte) int {
	for i, c := range v {
		if (c < '0' || c > '9') && bytes.IndexByte([]byte("+-.e"), c) < 0 {
			return i
		}
	}
	return len(v)
}

// isLong reports whether a canonical number is an integer beyond 64 bits, which
// Python 2 tells apart.
func isLong(number []byte) bool {
	if len(number) < 19 || bytes.ContainsAny(number, ".e") {
		return false
	}
	_, err := strconv.ParseInt(string(number), 10, 64)
	return err != nil
}

// stringLen returns the length of the canonical string that v begins with.
func stringLen(v []byte) int {
	for i := 1; ; i++ {
		switch v[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
}

// appendPythonString appends Python's repr of a string, of which s is the
// inside in canonical form, escaped for a JSON string.
func appendPythonString(dst, s []byte) []byte {
	quote := rune('\'')
	if bytes.IndexByte(s, '\'') >= 0 && !bytes.Contains(s, []byte(`\"`)) {
		quote = '"'
	}
	dst = appendEscaped(dst, quote)
	for len(s) > 0 {
		r, n := rune(s[0]), 1
		if r == '\\' {
			r, n = unescape(s)
		}
		s = s[n:]
		dst = appendPythonRune(dst, r, quote)
	}
	return appendEscaped(dst, quote)
}

func appendPythonRune(dst []byte, r, quote rune) []byte {
	switch {
	case r == '\\' || r == quote:
		dst = appendEscaped(dst, '\\')
		return appendEscaped(dst, r)
	case r == '\n':
		return append(dst, `\\n`...)
	case r == '\r':
		return append(dst, `\\r`...)
	case r == '\t':
		return append(dst, `\\t`...)
	case r < ' ' || r == 0x7f:
		return append(dst, '\\', '\\', 'x', hexDigits[r>>4], hexDigits[r&15])
	}
	return appendEscaped(dst, r)
}
