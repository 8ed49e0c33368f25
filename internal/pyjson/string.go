package pyjson

// Plain returns how many bytes at the start of b stand for themselves within
// a string: printable ASCII other than quote and backslash.
func Plain(b []byte) int {
	for i, c := range b {
		if c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return i
		}
	}
	return len(b)
}

// appendString reads a string and appends it in normal form.
func appendString(dst, src []byte) (out, rest []byte, err error) {
	return copyString(append(dst, '"'), src, true)
}

// Unquote reads the string at the start of src and appends its characters to
// dst: as one byte where they are Latin-1, else as \uXXXX. That is the form in
// which the original parses a string as JSON once more. It returns what
// follows the string.
func Unquote(dst, src []byte) (out, rest []byte, err error) {
	if src = SkipSpace(src); len(src) == 0 || src[0] != '"' {
		return dst, src, ErrValue
	}
	return copyString(dst, src, false)
}

// copyString appends the characters of the string at the start of src, which
// begins with a quote; if quoted, with the escapes and quote of a string.
func copyString(dst, src []byte, quoted bool) (out, rest []byte, err error) {
	for src = src[1:]; ; {
		n := Plain(src)
		dst, src = append(dst, src[:n]...), src[n:]
		if len(src) == 0 || src[0] == 0 {
			return dst, nil, ErrString
		}
		u := uint16(src[0])
		n = 1
		switch u {
		case '"':
			if quoted {
				dst = append(dst, '"')
			}
			return dst, src[1:], nil
		case '\\':
			if u, n = escape(src[1:]); n == 0 {
				return dst, nil, ErrEscape
			}
			n++
		}
		src = src[n:]
		switch {
		case quoted:
			dst = appendUnit(dst, u)
		case u < 0x100:
			dst = append(dst, byte(u))
		default:
			dst = appendEscape(dst, u)
		}
	}
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
