package statsdtext

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
)

// describe renders what a line says, for tests.
func describe(metrics []Metric, why Reason) string {
	if why != "" {
		return "refused: " + string(why)
	}
	var b strings.Builder
	for i, m := range metrics {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s %s", m.Tab, [...]string{"", "c", "g", "ms", "s"}[m.Kind])
		if m.Kind == Set {
			fmt.Fprintf(&b, " %q", m.Text)
		} else {
			fmt.Fprintf(&b, " %v", m.Value)
		}
		if m.Signed {
			b.WriteString(" signed")
		}
		if m.Rate != 1 {
			fmt.Fprintf(&b, " @%v", m.Rate)
		}
		if m.Time != 0 {
			fmt.Fprintf(&b, " T%d", m.Time)
		}
	}
	return b.String()
}

func TestParse(t *testing.T) {
	f := func(line, want string) {
		t.Helper()
		if got := describe(Parse([]byte(line), 64)); got != want {
			t.Errorf("%s\n got %s\nwant %s", line, got, want)
		}
	}
	f("", "")
	f("hits:1|c", "hits c 1")
	f("hits:1|c\r", "hits c 1")
	f("hits:3.50|c|@0.1", "hits c 3.5 @0.1")
	f("load:-2|g", "load g -2 signed")
	f("load:+2|g", "load g 2 signed")
	f("load:-0|g", "load g 0 signed")
	f("db:320|ms", "db ms 320")
	f("db:320|h", "db ms 320")
	f("db:1e-3|d", "db ms 0.001")
	f("users:anna:b|s", `users s "anna:b"`)
	f("db:1:2.5:-3|ms|@0.5|#b:2,a:1", "db;a=1;b=2 ms 1 @0.5, db;a=1;b=2 ms 2.5 @0.5, db;a=1;b=2 ms -3 signed @0.5")
	f("hits:1|c:320|ms|@0.1:4|g", "hits c 1, hits ms 320 @0.1, hits g 4")
	f("hits:1|c|#url:http://x|c:abc:def|e:it-false", "hits;url=http://x c 1")
	f("hits:1|c|T1656581400", "hits c 1 T1656581400")
	f("hits:1|c|#", "hits c 1")
	f("hits:1|c|@1|", "hits c 1")
	f("hits:1|c|#z,a:2,,a:1,a:2,é:=;~", "hits;a=1;a=2;z=;~C3~A9=~3D~3B~7E c 1")
	f("hits;dc=eu;b=1:1|c|#a:2", "hits;a=2;b=1;dc=eu c 1")
	f("a b\x00~=:1|c", "a~20b~00~7E= c 1")
	f("a:1|c|#ab:1,a.:1,a:1", "a;a=1;a.=1;ab=1 c 1") // keys are compared as a whole
	f(strings.Repeat("x", 64)+":1|c", strings.Repeat("x", 64)+" c 1")

	f("hits", "refused: no_value")
	f("hits:1", "refused: no_type")
	f("hits:1|c:2", "refused: no_type")
	f(":1|c", "refused: name")
	f(";a=1:1|c", "refused: name")
	f("hits:1|x", "refused: type")
	f("hits:1|", "refused: type")
	f("hits:|c", "refused: value")
	f("hits:1:|c", "refused: value")
	f("hits:NaN|g", "refused: value")
	f("hits:0x10|g", "refused: value")
	f("hits:1e999|g", "refused: value")
	f("users:|s", "refused: value")
	f("hits:1|c|@0", "refused: rate")
	f("hits:1|c|@1.1", "refused: rate")
	f("hits:1|c|@-0.5", "refused: rate")
	f("hits:1|c|@x", "refused: rate")
	f("hits:1|c|@", "refused: rate")
	f("hits:1|c|Tnow", "refused: time")
	f("hits:1|c|T0", "refused: time")
	f(strings.Repeat("x", 65)+":1|c", "refused: name_long")
	f("_e{5,4}:title|text|t:info", "refused: event")
	f("_sc|redis|0|m:fine", "refused: service_check")
}

// fast reads buf as those do who use Cut, and describes each line.
func fast(buf []byte, maxName int) (got []string) {
	var lines [3]Line
	for at := 0; at < len(buf); {
		var n int
		n, at = Cut(buf, at, lines[:])
		for i := range lines[:n] {
			got = append(got, describe(lines[i].metrics(buf, maxName)))
		}
	}
	return got
}

// metrics is Parse by the parts of a line.
func (l *Line) metrics(buf []byte, maxName int) ([]Metric, Reason) {
	line := buf[l.Name:l.End]
	if l.TailStart == 0 || Other(line) != "" || !Single(buf[l.TailStart:l.End]) {
		return Parse(line, maxName)
	}
	h, why := ParseHead(buf[l.Name:l.NameEnd], buf[l.TailStart:l.End], maxName)
	values := buf[l.NameEnd+1 : l.TailStart-1]
	switch {
	case why != "":
		return nil, why
	case h.Kind == Set && len(values) == 0:
		return nil, BadValue
	case h.Kind == Set:
		return []Metric{{Head: h, Text: string(values)}}, ""
	case l.Plain:
		return []Metric{{Head: h, Value: l.Value, Signed: l.Signed}}, ""
	}
	var metrics []Metric
	for _, v := range bytes.Split(values, []byte(":")) {
		f, ok := Number(v)
		if !ok {
			return nil, BadValue
		}
		metrics = append(metrics, Metric{Head: h, Value: f, Signed: v[0] == '+' || v[0] == '-'})
	}
	return metrics, ""
}

// FuzzCut compares the parts with the whole.
func FuzzCut(f *testing.F) {
	for _, s := range []string{
		"hits:1|c\nload:-0.25|g\r\n\n\ndb:320:1e3:.5|ms|@0.1|#a:b,c\nusers:x:y|s\nhits:1|c:2|ms|@0.5:3|g",
		"x:123456789012345678|c\nx:1234567890.123456|c\nx:1.|c\nx:.|c\nx:+|c\nx:1|c|T12|c:id\n_e{1,1}:a|b\n_sc|a|0\nnothing\nx:1\n:1|c",
		"a;b=c:1|c|#d:e|@0.5\nx:1|c|@2\nx:1|c|Tx\r\r\n|:|:|",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, buf []byte) {
		var want []string
		for line := range bytes.SplitSeq(buf, []byte("\n")) {
			if len(bytes.TrimRight(line, "\r")) > 0 {
				want = append(want, describe(Parse(line, 64)))
			}
		}
		got := fast(buf, 64)
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%q\n got %q\nwant %q", buf, got, want)
		}
	})
}

// FuzzNumber compares numbers with those of strconv, which Parse uses.
func FuzzNumber(f *testing.F) {
	for _, s := range []string{"", "0", "-0", "1.5", "0.1", "123456789012345", "1234567890123456", "9007199254740993", "1e22", "1e999", "4.35", "0.000001", ".", "-.5e-3", "1_0", "inf", "0x1p4"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		metrics, why := parseValues(strings.ReplaceAll(s, ":", ""), Head{Kind: Counter})
		v, ok := Number([]byte(strings.ReplaceAll(s, ":", "")))
		if ok != (why == "") {
			t.Fatalf("%q: Number takes it: %v, Parse: %v", s, ok, why)
		}
		if ok && math.Float64bits(v) != math.Float64bits(metrics[0].Value) {
			t.Fatalf("%q is %v, want %v", s, v, metrics[0].Value)
		}
	})
}

func TestCutAllocatesNothing(t *testing.T) {
	buf := bytes.Repeat([]byte("some.service.requests.count:1|c\nsome.service.requests.time:12.75|ms|@0.1|#dc:eu\n"), 50)
	var lines [64]Line
	if n := testing.AllocsPerRun(100, func() { Cut(buf, 0, lines[:]) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkCut(b *testing.B) {
	var buf []byte
	for i := range 64 {
		buf = fmt.Appendf(buf, "service.%03d.requests.%s:%d.%d|%s\n", i, strings.Repeat("x", 10+i%8), i, i%10, []string{"c", "ms", "g"}[i%3])
	}
	var lines [64]Line
	b.ReportAllocs()
	for b.Loop() {
		Cut(buf, 0, lines[:])
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*64), "ns/line")
}

func BenchmarkParse(b *testing.B) {
	line := []byte("service.001.requests.xxxxxxxxxx:12.5|ms|@0.1")
	b.ReportAllocs()
	for b.Loop() {
		_, _ = Parse(line, 512)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N), "ns/line")
}
