package wire

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/tabaproject/taba/internal/pyjson"
)

// smallLimits make limits reachable for short inputs.
var smallLimits = Limits{Name: 24, Line: 120, BundleEvents: 3, BundleBytes: 150}

// compare requires that d, reading body, gives what the reference gives.
func compare(t *testing.T, d *Decoder, body []byte, lim Limits) {
	t.Helper()
	want, errLine := refDecode(string(body), lim)
	for i, w := range want {
		b, err := d.Next()
		if err != nil {
			t.Fatalf("bundle %d: %v, want %+v", i, err, w)
		}
		if b.Client != w.client || b.Tab != w.tab || len(b.Events) != len(w.events) || len(b.Bad) != len(w.bad) {
			t.Fatalf("bundle %d: %+v, want %+v", i, b, w)
		}
		if len(w.events) > 0 && b.Type != w.typ {
			t.Fatalf("bundle %d has Type %q, want %q", i, b.Type, w.typ)
		}
		for j, bad := range b.Bad {
			if got := fmt.Sprint(bad.Line, " ", bad.Reason); got != w.bad[j] || bad.Detail == "" {
				t.Fatalf("bundle %d: bad event %q (%s), want %q", i, got, bad.Detail, w.bad[j])
			}
		}
		for j, e := range b.Events {
			v := w.events[j]
			if !same(e.Time, v.time) || e.Number != v.number || !same(e.Value, v.value) || string(e.JSON) != v.json {
				t.Fatalf("bundle %d event %d: %v %v %v %s, want %+v", i, j, e.Time, e.Number, e.Value, e.JSON, v)
			}
		}
		// Which line an event was on: no bad one is there.
		for j := range b.Events {
			for _, bad := range b.Bad {
				if b.Line(j) == bad.Line {
					t.Fatalf("bundle %d: event %d and a bad one are both on line %d", i, j, bad.Line)
				}
			}
		}
	}
	b, err := d.Next()
	if b != nil || errLine == 0 && err != io.EOF || errLine > 0 && lineOf(err) != errLine {
		t.Fatalf("the body ends with %v, %v; want an error in line %d", b, err, errLine)
	}
	if _, again := d.Next(); !errors.Is(again, err) {
		t.Fatalf("the error was %v, then %v", err, again)
	}
}

func same(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) || a != a && b != b }

func lineOf(err error) int {
	var syntax *SyntaxError
	if errors.As(err, &syntax) {
		return syntax.Line
	}
	var limit *LimitError
	if errors.As(err, &limit) {
		return limit.Line
	}
	return 0
}

// FuzzV1Decode compares the Decoder with the reference, reading by whole
// buffers, byte by byte, and with the end in the last read; the second and
// third time it was used before.
func FuzzV1Decode(f *testing.F) {
	var vectors transportVectors
	readVectors(f, "transport.json", &vectors)
	for _, c := range vectors.Decode {
		f.Add(c.Body)
	}
	event := func(lines ...string) { f.Add([]byte("1\n\nc\n\nt\n" + strings.Join(lines, "\n"))) }
	event(`["A", 1.5, "5"]`, `["A", 2, "6"]`, `["B", 3, "7"]`, `["A", 4, "8"]`)
	event(`["A",1395954314.1234567,"-0"]`, `["A",1,"-0.0"]`, `["A",-1,"00"]`, `["A",1,"1e5"]`)
	event(`["A", 1, "\"x\""]`, `["A", 1, "\"\\u00e9\""]`, `["A", 1, "\"\u675f\""]`, "[\"A\", 1, \"\\\"\xc3\xa9\\\"\"]")
	event(`["A", "inf", "[1,{\"b\":2,\"a\":null,\"b\":+.5}]", {}]`, `[true, true, "NaN"]`, `[["A"], " 1 ", "5."]`)
	event(`{"a": 1}`, `["A", 1]`, `["A", null, "1"]`, `["A", 1, 5]`, `["A", 1, "x"]`, `["A", 1, ""]`, `["A", 1, "1"] x`)
	f.Add([]byte("1\n\n" + strings.Repeat("c", 25) + "\n\nt\n"))
	f.Add([]byte("1\n\nc\n\nt\n[\"" + strings.Repeat("T", 25) + "\", 1, \"1\"]\n" + strings.Repeat("x", 121)))
	f.Fuzz(func(t *testing.T, body []byte) {
		d := NewDecoder(nil, smallLimits)
		d.Reset(strings.NewReader(string(body)))
		compare(t, d, body, smallLimits)
		d.Reset(iotest.OneByteReader(strings.NewReader(string(body))))
		compare(t, d, body, smallLimits)
		d.Reset(iotest.DataErrReader(strings.NewReader(string(body))))
		compare(t, d, body, smallLimits)
	})
}

// FuzzNumber: a plain number is what strconv says, and its own normal form.
func FuzzNumber(f *testing.F) {
	for _, s := range []string{"0", "-1", "1.0", "-0", "-0.0", "1395954314.1234567", "9007199254740993", "0.30000000000000004",
		"99999999999999999999", "1.7976931348623157", "18446744073709551616", "-18446744073709551616", "0.0000000000000000001", "9999999999999999999", "12.", "1e5"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, n := plainNumber(b)
		if n == 0 {
			return
		}
		if text, _, err := pyjson.Append(nil, b[:n]); err != nil || string(text) != string(b[:n]) {
			t.Fatalf("%q has the normal form %q (%v)", b[:n], text, err)
		}
		if want := refFloat(string(b[:n])); !same(got, want) {
			t.Fatalf("%q is %v, want %v", b[:n], got, want)
		}
	})
}
