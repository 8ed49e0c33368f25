package wire

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The v1 protocol decoded in the plainest way: the whole body in memory, one
// function per rule, regular expressions, values as trees. The Decoder is
// compared with it. It shares no code with it.

type refEvent struct {
	time   float64
	number bool
	value  float64
	json   string
}

type refBundle struct {
	client, tab, typ string
	events           []refEvent
	bad              []string // "line reason"
}

// refDecode returns the bundles, and the line of the error if there is one,
// else 0.
func refDecode(body string, lim Limits) (bundles []refBundle, errLine int) {
	if body == "" {
		return nil, 0
	}
	lines := strings.Split(body, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	var b refBundle
	size := 0
	finish := func() {
		if len(b.events)+len(b.bad) > 0 {
			bundles = append(bundles, b)
		}
		b, size = refBundle{client: b.client, tab: b.tab}, 0
	}
	expect := "version"
	for i, line := range lines {
		if len(line) > lim.Line {
			return bundles, i + 1
		}
		switch expect {
		case "version":
			if line != "1" {
				return bundles, i + 1
			}
			expect = "blank after version"
		case "blank after version", "blank after client":
			if line != "" {
				return bundles, i + 1
			}
			expect = map[string]string{"blank after version": "client", "blank after client": "tab"}[expect]
		case "client":
			b.client, expect = line, "blank after client"
			if len(line) > lim.Name {
				return bundles, i + 1
			}
		case "tab":
			b.tab, expect = line, "event"
			if line == "" {
				expect = "client"
			}
			if len(line) > lim.Name {
				return bundles, i + 1
			}
		case "event":
			if line == "" {
				finish()
				expect = "tab"
				continue
			}
			size += len(line)
			typ, e, reason := refParseEvent(line, lim)
			if reason != "" {
				b.bad = append(b.bad, fmt.Sprint(i+1, " ", reason))
			} else {
				if len(b.events) == 0 {
					b.typ = typ
				}
				b.events = append(b.events, e)
			}
			if len(b.events)+len(b.bad) >= lim.BundleEvents || size >= lim.BundleBytes {
				finish()
			}
		}
	}
	finish()
	return bundles, 0
}

func refParseEvent(line string, lim Limits) (typ string, e refEvent, reason string) {
	v, err := refParse(line)
	if err != nil {
		return "", e, BadJSON
	}
	list, ok := v.([]any)
	if !ok || len(list) < 3 {
		return "", e, BadShape
	}
	if s, ok := list[0].(refString); ok {
		typ = s.raw()
	} else {
		typ = refPrint(list[0])
	}
	if len(typ) > lim.Name {
		return "", e, BadType
	}
	if e.time, ok = refTime(list[1]); !ok {
		return "", e, BadTime
	}
	text, ok := list[2].(refString)
	if !ok {
		return "", e, BadPayload
	}
	payload, err := refParse(text.raw())
	if err != nil {
		return "", e, BadPayload
	}
	e.json = refPrint(payload)
	if n, ok := payload.(refNumber); ok {
		e.number = true
		e.value, _ = strconv.ParseFloat(string(n), 64)
	}
	return typ, e, ""
}

var pythonFloat = regexp.MustCompile(`^(?i)[ \t-\r]*([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|[+-]?inf(?:inity)?|nan)[ \t-\r]*$`)

func refTime(v any) (float64, bool) {
	switch v := v.(type) {
	case bool:
		return map[bool]float64{true: 1}[v], true
	case refNumber:
		f, _ := strconv.ParseFloat(string(v), 64)
		return f, true
	case refString:
		m := pythonFloat.FindStringSubmatch(v.raw())
		if m == nil {
			return 0, false
		}
		f, _ := strconv.ParseFloat(m[1], 64)
		return f, true
	}
	return 0, false
}

// JSON as trees: nil, bool, refNumber (in normal form), refString, []any,
// map[string]any by printed name.
type (
	refNumber string
	refString []rune // UTF-16 units
)

// raw is the string as text that is to be parsed again.
func (s refString) raw() string {
	var b strings.Builder
	for _, r := range s {
		if r < 0x100 {
			b.WriteByte(byte(r))
		} else {
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

func refPrint(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return fmt.Sprint(v)
	case refNumber:
		return string(v)
	case refString:
		var b strings.Builder
		short := map[rune]string{'"': `\"`, '\\': `\\`, '\b': `\b`, '\f': `\f`, '\n': `\n`, '\r': `\r`, '\t': `\t`}
		for _, r := range v {
			if s, ok := short[r]; ok {
				b.WriteString(s)
			} else if r >= ' ' && r < 0x7f {
				b.WriteRune(r)
			} else {
				fmt.Fprintf(&b, `\u%04x`, r)
			}
		}
		return `"` + b.String() + `"`
	case []any:
		var parts []string
		for _, e := range v {
			parts = append(parts, refPrint(e))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		var parts []string
		for name, e := range v {
			parts = append(parts, name+": "+refPrint(e))
		}
		slices.SortFunc(parts, func(a, b string) int { // by name
			return strings.Compare(a[:nameEnd(a)], b[:nameEnd(b)])
		})
		return "{" + strings.Join(parts, ", ") + "}"
	}
	panic(fmt.Sprintf("%T", v))
}

func nameEnd(member string) int { return strings.Index(member, `": `) + 1 }

var errRef = errors.New("not JSON")

func refParse(s string) (any, error) {
	v, rest, err := refValue(s, 0)
	if err == nil && refSpace(rest) != "" {
		err = errRef
	}
	return v, err
}

func refSpace(s string) string { return strings.TrimLeft(s, " \t\n\v\f\r") }

var (
	refWord     = regexp.MustCompile(`^(?:null|true|false|NaN|[+-]?Infinity)`)
	refNumeric  = regexp.MustCompile(`^[0-9+-][0-9+.eE-]*`)
	refInteger  = regexp.MustCompile(`^([+-]?)0*(\d+)$`)
	refFloating = regexp.MustCompile(`^([+-]?)0*(\d*)(?:(\.)(\d*))?(?:[eE]([+-]?\d+))?$`)
	refQuoted   = regexp.MustCompile(`^"(?s:[^"\\\x00]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*"`)
)

func refValue(s string, depth int) (v any, rest string, err error) {
	s = refSpace(s)
	if s == "" || depth > 500 {
		return nil, s, errRef
	}
	switch s[0] {
	case '[':
		return refArray(s[1:], depth+1)
	case '{':
		return refObject(s[1:], depth+1)
	case '"':
		return refParseString(s)
	}
	if w := refWord.FindString(s); w != "" {
		switch w {
		case "null":
			v = nil
		case "true", "false":
			v = w == "true"
		default:
			v = refNumber(strings.TrimPrefix(w, "+"))
		}
		return v, s[len(w):], nil
	}
	n := refNumeric.FindString(s)
	number, ok := refNormal(n)
	if n == "" || !ok {
		return nil, s, errRef
	}
	return number, s[len(n):], nil
}

func refNormal(n string) (refNumber, bool) {
	sign := func(s string) string { return strings.TrimPrefix(s, "+") }
	if m := refInteger.FindStringSubmatch(n); m != nil {
		if m[2] == "0" {
			return "0", true
		}
		return refNumber(sign(m[1]) + m[2]), true
	}
	m := refFloating.FindStringSubmatch(n)
	if m == nil || !strings.ContainsAny(strings.SplitN(strings.ToLower(n), "e", 2)[0], "0123456789") {
		return "", false
	}
	if m[2] == "" {
		m[2] = "0"
	}
	if m[3] != "" && m[4] == "" {
		m[4] = "0"
	}
	text := sign(m[1]) + m[2] + m[3] + m[4]
	if m[5] != "" {
		text += "e" + m[5]
	}
	return refNumber(text), true
}

func refParseString(s string) (any, string, error) {
	// Bytes, not UTF-8: as Latin-1 each byte is one rune for the expression.
	wide := make([]rune, len(s))
	for i := range len(s) {
		wide[i] = rune(s[i])
	}
	quoted := []rune(refQuoted.FindString(string(wide)))
	if len(quoted) == 0 {
		return nil, s, errRef
	}
	out := refString{}
	for in := quoted[1 : len(quoted)-1]; len(in) > 0; {
		r, n := in[0], 1
		if r == '\\' {
			r, n = in[1], 2
			if i := strings.IndexRune("bfnrt", r); i >= 0 {
				r = rune("\b\f\n\r\t"[i])
			} else if r == 'u' {
				u, _ := strconv.ParseUint(string(in[2:6]), 16, 16)
				r, n = rune(u), 6
			}
		}
		out, in = append(out, r), in[n:]
	}
	return out, s[len(quoted):], nil
}

func refArray(s string, depth int) (any, string, error) {
	list := []any{}
	if s = refSpace(s); strings.HasPrefix(s, "]") {
		return list, s[1:], nil
	}
	for {
		v, rest, err := refValue(s, depth)
		if err != nil {
			return nil, s, err
		}
		list = append(list, v)
		switch s = refSpace(rest); {
		case strings.HasPrefix(s, ","):
			s = s[1:]
		case strings.HasPrefix(s, "]"):
			return list, s[1:], nil
		default:
			return nil, s, errRef
		}
	}
}

func refObject(s string, depth int) (any, string, error) {
	object := map[string]any{}
	if s = refSpace(s); strings.HasPrefix(s, "}") {
		return object, s[1:], nil
	}
	for {
		if s = refSpace(s); !strings.HasPrefix(s, `"`) {
			return nil, s, errRef
		}
		name, rest, err := refParseString(s)
		if err != nil {
			return nil, s, err
		}
		if rest = refSpace(rest); !strings.HasPrefix(rest, ":") {
			return nil, s, errRef
		}
		v, rest, err := refValue(rest[1:], depth)
		if err != nil {
			return nil, s, err
		}
		object[refPrint(name)] = v
		switch s = refSpace(rest); {
		case strings.HasPrefix(s, ","):
			s = s[1:]
		case strings.HasPrefix(s, "}"):
			return object, s[1:], nil
		default:
			return nil, s, errRef
		}
	}
}
