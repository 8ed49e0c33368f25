package pyjson

// appendString reads a string and appends it in normal form.
func appendString(dst, src []byte) (out, rest []byte, err error) {
	dst = append(dst, '"')
	rest, err = eachUnit(src, func(u uint16) { dst = appendUnit(dst, u) })
	return append(dst, '"'), rest, err
}

// Unquote reads the string at the start of src and appends its characters to
// dst: as one byte where they are Latin-1, else as \uXXXX. That is the form in
// which the original parses a string as JSON once more. It returns what
// follows the string.
func Unquote(dst, src []byte) (out, rest []byte, err error) {
	if src = SkipSpace(src); len(src) == 0 || src[0] != '"' {
		return dst, src, ErrValue
	}
	rest, err = eachUnit(src, func(u uint16) {
		if u < 0x100 {
			dst = append(dst, byte(u))
		} else {
			dst = appendEscape(dst, u)
		}
	})
	return dst, rest, err
}

// eachUnit calls f with each UTF-16 unit of the string at the start of src,
// which begins with a quote, and returns what follows the string.
func eachUnit(src []byte, f func(uint16)) (rest []byte, err error) {
	for i := 1; i < len(src); i++ {
		switch c := src[i]; c {
		case '"':
			return src[i+1:], nil
		case 0:
			return nil, ErrString
		case '\\':
			u, n := escape(src[i+1:])
			if n == 0 {
				return nil, ErrEscape
			}
			f(u)
			i += n
		default:
			f(uint16(c))
		}
	}
	return nil, ErrString
}

// escape reads what follows a backslash; n is its length, 0 if it is invalid.
func escape(src []byte) (u uint16, n int) {
	if len(src) == 0 {
		return 0, 0
	}
	switch src[0] {
	case '"', '\\', '/':
		return uint16(src[0]), 1
	case 'b':
		return '\b', 1
	case 'f':
		return '\f', 1
	case 'n':
		return '\n', 1
	case 'r':
		return '\r', 1
	case 't':
		return '\t', 1
	case 'u':
		if len(src) < 5 {
			return 0, 0
		}
		for _, c := range src[1:5] {
			d := hexValue(c)
			if d > 15 {
				return 0, 0
			}
			u = u<<4 | d
		}
		return u, 5
	}
	return 0, 0
}

func hexValue(c byte) uint16 {
	switch {
	case c >= '0' && c <= '9':
		return uint16(c - '0')
	case c >= 'a' && c <= 'f':
		return uint16(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return uint16(c-'A') + 10
	}
	return 16
}
