package pyjson

import (
	"bytes"
	"errors"
	"slices"
)

// MaxDepth is how deep arrays and objects may be nested.
const MaxDepth = 500

// Kind of a JSON value.
type Kind uint8

// Kinds of values.
const (
	Null Kind = iota
	Bool
	Int   // a number without point and exponent
	Float // any other number, NaN and the infinities included
	String
	Array
	Object
)

// IsNumber reports whether values of kind k are numbers.
func (k Kind) IsNumber() bool { return k == Int || k == Float }

// Errors of parsing. They are constants because bad input is counted and
// named per event: an error must not cost more than the event.
var (
	ErrEmpty    = errors.New("there is no value")
	ErrValue    = errors.New("a value is not JSON")
	ErrNumber   = errors.New("a number is not valid")
	ErrString   = errors.New("a string does not end")
	ErrEscape   = errors.New("a string has an invalid escape")
	ErrArray    = errors.New("an array has no comma or end where it should")
	ErrObject   = errors.New("an object has no name, colon, comma or end where it should")
	ErrDepth    = errors.New("arrays or objects are nested too deep")
	ErrTrailing = errors.New("something follows the value")
)

// Append reads the one value that src holds and appends it in the original's
// form: ASCII, ", " and ": " between, numbers without the liberties, members
// of objects in the order they came.
func Append(dst, src []byte) ([]byte, Kind, error) { return all(dst, src, parser{}) }

// AppendCanonical is Append with the members of objects sorted by name, of
// equal names the last. Equal values have equal canonical forms, except that
// numbers keep their digits.
func AppendCanonical(dst, src []byte) ([]byte, Kind, error) {
	return all(dst, src, parser{sorted: true})
}

func all(dst, src []byte, p parser) ([]byte, Kind, error) {
	out, rest, kind, err := p.value(dst, src)
	if err == nil && len(SkipSpace(rest)) > 0 {
		err = ErrTrailing
	}
	if err != nil {
		return dst, Null, err
	}
	return out, kind, nil
}

// AppendNext is AppendCanonical for the first of several values: it returns
// what follows it.
func AppendNext(dst, src []byte) (out, rest []byte, kind Kind, err error) {
	p := parser{sorted: true}
	return p.value(dst, src)
}

// SkipSpace returns b without leading space.
func SkipSpace(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] >= '\t' && b[0] <= '\r') {
		b = b[1:]
	}
	return b
}

type parser struct {
	sorted bool
	depth  int
}

func (p *parser) value(dst, src []byte) (out, rest []byte, kind Kind, err error) {
	src = SkipSpace(src)
	if len(src) == 0 || src[0] == 0 {
		return dst, src, Null, ErrEmpty
	}
	switch src[0] {
	case '"':
		dst, src, err = appendString(dst, src)
		return dst, src, String, err
	case '[', '{':
		if p.depth++; p.depth > MaxDepth {
			return dst, src, Null, ErrDepth
		}
		if kind = Array; src[0] == '{' {
			kind = Object
			dst, src, err = p.object(dst, src[1:])
		} else {
			dst, src, err = p.array(dst, src[1:])
		}
		p.depth--
		return dst, src, kind, err
	}
	if isNumberByte(src[0]) && (len(src) == 1 || src[1] != 'I') {
		return appendNumber(dst, src)
	}
	for _, w := range words {
		if bytes.HasPrefix(src, w.read) {
			return append(dst, w.write...), src[len(w.read):], w.kind, nil
		}
	}
	return dst, src, Null, ErrValue
}

var words = []struct {
	read  []byte
	write string
	kind  Kind
}{
	{[]byte("null"), "null", Null},
	{[]byte("true"), "true", Bool},
	{[]byte("false"), "false", Bool},
	{[]byte("NaN"), "NaN", Float},
	{[]byte("Infinity"), "Infinity", Float},
	{[]byte("+Infinity"), "Infinity", Float},
	{[]byte("-Infinity"), "-Infinity", Float},
}

// array reads what follows the bracket.
func (p *parser) array(dst, src []byte) (out, rest []byte, err error) {
	dst = append(dst, '[')
	if src = SkipSpace(src); len(src) > 0 && src[0] == ']' {
		return append(dst, ']'), src[1:], nil
	}
	for {
		if dst, src, _, err = p.value(dst, src); err != nil {
			return dst, src, err
		}
		src = SkipSpace(src)
		switch {
		case len(src) > 0 && src[0] == ',':
			dst, src = append(dst, ", "...), src[1:]
		case len(src) > 0 && src[0] == ']':
			return append(dst, ']'), src[1:], nil
		default:
			return dst, src, ErrArray
		}
	}
}

// object reads what follows the brace.
func (p *parser) object(dst, src []byte) (out, rest []byte, err error) {
	dst = append(dst, '{')
	if src = SkipSpace(src); len(src) > 0 && src[0] == '}' {
		return append(dst, '}'), src[1:], nil
	}
	begin := len(dst)
	var members []member
	for {
		m := member{begin: len(dst) - begin}
		if dst, src, err = p.member(dst, src, &m.name); err != nil {
			return dst, src, err
		}
		m.end = len(dst) - begin
		members = append(members, m)
		src = SkipSpace(src)
		switch {
		case len(src) > 0 && src[0] == ',':
			dst, src = append(dst, ", "...), src[1:]
		case len(src) > 0 && src[0] == '}':
			if p.sorted && len(members) > 1 {
				dst = sortMembers(dst, begin, members)
			}
			return append(dst, '}'), src[1:], nil
		default:
			return dst, src, ErrObject
		}
	}
}

// member is where "name": value was written, counted from the first one.
type member struct {
	begin, end int
	name       int // length of the name
}

func (p *parser) member(dst, src []byte, name *int) (out, rest []byte, err error) {
	src = SkipSpace(src)
	if len(src) == 0 || src[0] != '"' {
		return dst, src, ErrObject
	}
	begin := len(dst)
	if dst, src, err = appendString(dst, src); err != nil {
		return dst, src, err
	}
	*name = len(dst) - begin
	if src = SkipSpace(src); len(src) == 0 || src[0] != ':' {
		return dst, src, ErrObject
	}
	dst, src, _, err = p.value(append(dst, ": "...), src[1:])
	return dst, src, err
}

// sortMembers rewrites the members written from begin on.
func sortMembers(dst []byte, begin int, members []member) []byte {
	text := slices.Clone(dst[begin:])
	nameOf := func(m member) []byte { return text[m.begin : m.begin+m.name] }
	slices.SortStableFunc(members, func(a, b member) int { return bytes.Compare(nameOf(a), nameOf(b)) })
	dst = dst[:begin]
	for i, m := range members {
		if i+1 < len(members) && bytes.Equal(nameOf(m), nameOf(members[i+1])) {
			continue // the last one counts
		}
		if len(dst) > begin {
			dst = append(dst, ", "...)
		}
		dst = append(dst, text[m.begin:m.end]...)
	}
	return dst
}

// appendNumber reads the longest run of bytes that numbers are made of.
func appendNumber(dst, src []byte) (out, rest []byte, kind Kind, err error) {
	if src[0] == '.' || src[0] == 'e' || src[0] == 'E' {
		return dst, src, Null, ErrValue
	}
	n := 0
	for n < len(src) && isNumberByte(src[n]) {
		n++
	}
	token, rest := src[:n], src[n:]
	negative := token[0] == '-'
	if negative || token[0] == '+' {
		token = token[1:]
	}
	whole, token := digits(token)
	if len(token) == 0 {
		if len(whole) == 0 {
			return dst, rest, Null, ErrNumber
		}
		whole = trimZeros(whole)
		if negative && whole[0] != '0' { // as an integer, -0 is 0
			dst = append(dst, '-')
		}
		return append(dst, whole...), rest, Int, nil
	}
	if negative {
		dst = append(dst, '-')
	}
	dst, ok := appendFraction(dst, whole, token)
	if !ok {
		return dst, rest, Null, ErrNumber
	}
	return dst, rest, Float, nil
}

// appendFraction appends a number with a point or an exponent; token is what
// follows its whole part.
func appendFraction(dst, whole, token []byte) ([]byte, bool) {
	hasDigits := len(whole) > 0
	if !hasDigits {
		whole = []byte{'0'}
	}
	dst = append(dst, trimZeros(whole)...)
	if token[0] == '.' {
		var fraction []byte
		fraction, token = digits(token[1:])
		hasDigits = hasDigits || len(fraction) > 0
		if len(fraction) == 0 {
			fraction = []byte{'0'}
		}
		dst = append(append(dst, '.'), fraction...)
	}
	if len(token) == 0 || !hasDigits {
		return dst, hasDigits
	}
	if token[0] != 'e' && token[0] != 'E' {
		return dst, false
	}
	dst, token = append(dst, 'e'), token[1:]
	if len(token) > 0 && (token[0] == '+' || token[0] == '-') {
		dst, token = append(dst, token[0]), token[1:]
	}
	exponent, token := digits(token)
	return append(dst, exponent...), len(exponent) > 0 && len(token) == 0
}

func isNumberByte(c byte) bool {
	return c >= '0' && c <= '9' || c == '.' || c == '-' || c == '+' || c == 'e' || c == 'E'
}

func digits(b []byte) (run, rest []byte) {
	n := 0
	for n < len(b) && b[n] >= '0' && b[n] <= '9' {
		n++
	}
	return b[:n], b[n:]
}

// trimZeros drops leading zeros but leaves a digit.
func trimZeros(b []byte) []byte {
	for len(b) > 1 && b[0] == '0' {
		b = b[1:]
	}
	return b
}
