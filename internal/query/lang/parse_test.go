package lang_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/tabaproject/taba/internal/query/lang"
)

// TestParse: what a text means is told by the text that means the same.
func TestParse(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		q, err := lang.Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			return
		}
		if got := q.String(); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	same := func(text string) { t.Helper(); f(text, text) }
	same("bids_won")
	same("bid*")
	same("/bids?_[a-z]+/")
	same(`"any text, (really)"`)
	same("bids_won;dc=us-east")
	same(`p99.9(bid_latency_ms{dc="us-east"}) by (exchange) last 37m`)
	same("top 10 rate(bid*) by (client) last 10m")
	same(`name{env="prod",dc=~"us-.*",x!="y",z!~"…"}`)
	same("count, total, p50(a, b{x=\"1\"}) client web-1, web-*, /db-\\d+/ by (tab, prefix(2), \"tab\", dc) last 90s step 15s limit 7")
	same("bottom 3 (a)")
	same("last last 1d")
	same("top last 1d")
	same("count")
	same("rate, p50 by (client)")
	same("/a\\/b/")
	same("glob \"a b*\"")
	f("  p50 ( x )  step auto\nlast 60s ", "p50(x) last 1m step auto")
	f("x last 1h30m", "x last 90m")
	f("x last 86400s", "x last 1d")
	f("x by dc, client", "x by (dc, client)")
	f(`x{dc=us, az = "a"}`, `x{dc="us",az="a"}`)
	f(`x{dc=~"a\.b"}`, `x{dc=~"a\\.b"}`)
	f("x{}", "x")
	f(`"bids*"`, `"bids*"`)
	f(`"bids"`, "bids")
	f("avg(x)", "avg(x)")
}

func TestParseErrors(t *testing.T) {
	f := func(text string, column int, message string) {
		t.Helper()
		_, err := lang.Parse(text)
		var e *lang.Error
		if !errors.As(err, &e) {
			t.Errorf("%s: %v", text, err)
			return
		}
		if e.Column != column || e.Message != message {
			t.Errorf("%s:\n  %d %s, want\n  %d %s", text, e.Column, e.Message, column, message)
		}
	}
	const pattern = `expected a name, a glob such as bid*, "any text" or /a regular expression/`
	f("bid last 37x", 12, `last 37x: unknown unit "x" at column 12; use s, m, h, d`)
	f("bid last 37", 12, `last 37: a unit is missing at column 12; use s, m, h, d`)
	f("bid last m", 10, `last m: expected a number at column 10; write for example 37m`)
	f("bid last 0s", 10, `last 0s: nothing lasts no time at column 10; write for example 37m`)
	f("bid last", 9, `unexpected end at column 9; expected a duration such as 37m`)
	f("bid last 2d", 10, `last 2d: a window is at most 1d at column 10; ask for 1d or less`)
	f("", 1, "unexpected end at column 1; "+pattern)
	f("p99(", 5, "unexpected end at column 5; "+pattern)
	f("p99(x", 6, `unexpected end at column 6; expected "," or ")"`)
	f("p101(x)", 1, `unknown value "p101" at column 1; use count, total, average, rate, total_rate, min, max, distinct or a quantile such as p99.9`)
	f("count, nth(x)", 8, `unknown value "nth" at column 8; use count, total, average, rate, total_rate, min, max, distinct or a quantile such as p99.9`)
	f("nth, count(x)", 1, `unknown value "nth" at column 1; use count, total, average, rate, total_rate, min, max, distinct or a quantile such as p99.9`)
	f("x first 1m", 3, `unexpected "first" at column 3; expected client, by, last, step or limit`)
	f("x last 1m last 2m", 11, "a second last at column 11; give it once")
	f("x{dc}", 5, `unexpected "}" at column 5; expected =, !=, =~ or !~`)
	f("x{dc=}", 6, `unexpected "}" at column 6; expected a value in quotes`)
	f(`x{dc="us}`, 6, `" is not closed at column 6; end with "`)
	f(`x{dc="us"`, 10, `unexpected end at column 10; expected "," or "}"`)
	f(`xé by ü`, 2, `unexpected "é" at column 2; expected client, by, last, step or limit`)
	f(`"é" by (ü)`, 9, `unexpected "ü" at column 9; expected tab, name, client, prefix(N) or a tag`)
	f(`x{dc=~"("}`, 7, "regular expression \"(\": missing closing ): `(` at column 7; the syntax is that of Go's package regexp")
	f(`/(a{900}){900}/`, 1, "regular expression \"(a{900}){900}\": invalid repeat count: `{900}` at column 1; the syntax is that of Go's package regexp")
	f(`/(aaaaaaaaaa){999}/`, 1, "regular expression \"(aaaaaaaaaa){999}\": it repeats too much, more than 4000 steps at column 1; the syntax is that of Go's package regexp")
	f("x by (prefix(0))", 14, `unexpected "0" at column 14; expected how many parts of the name, such as 2`)
	f("x limit 0", 9, `limit: unexpected "0" at column 9; expected a number from 1 to 10000`)
	f("top 99999 x", 5, `top: unexpected "99999" at column 5; expected a number from 1 to 10000`)
	if _, err := lang.Parse(strings.Repeat("x", lang.MaxText+1)); err == nil || !strings.Contains(err.Error(), "65536") {
		t.Errorf("a long text: %v", err)
	}
	if _, err := lang.Parse(strings.Repeat("x,", 2001) + "x"); err == nil || !strings.Contains(err.Error(), "more than 2000") {
		t.Errorf("a long list: %v", err)
	}
	if _, err := lang.Parse(strings.Repeat("x*,", 101) + "x"); err == nil || !strings.Contains(err.Error(), "more than 100 globs") {
		t.Errorf("many globs: %v", err)
	}
}

func TestMatch(t *testing.T) {
	f := func(matcher, tab string, want bool) {
		t.Helper()
		m, err := lang.ParseMatcher(matcher)
		if err != nil {
			t.Errorf("%s: %v", matcher, err)
			return
		}
		if got := m.Match(tab); got != want {
			t.Errorf("%s chooses %s: %v, want %v", matcher, tab, got, want)
		}
		if want && !strings.HasPrefix(tab, m.Name.Prefix()) {
			t.Errorf("%s chooses %s, which does not begin with %q", matcher, tab, m.Name.Prefix())
		}
	}
	f("a", "a", true)
	f("a", "a;x=1", true)
	f("a", "ab", false)
	f("a*", "ab;x=1", true)
	f("a?c", "abc", true)
	f("a?c", "abbc", false)
	f("a.c", "abc", false)
	f("/a.c/", "abc", true)
	f("/a.c/", "abcd", false)
	f("/b/", "abc", false)
	f("a;x=1", "a;x=1", true)
	f("a;x=1", "a", false)
	f("a;*", "a;x=1", true)
	f(`a{x="1"}`, "a;x=1", true)
	f(`a{x="1"}`, "a", false)
	f(`a{x=""}`, "a", true)
	f(`a{x!="1"}`, "a", true)
	f(`a{x!="1"}`, "a;x=1", false)
	f(`a{x=~"1|2",y!~"b.*"}`, "a;x=2;y=a", true)
	f(`a{x=~"1"}`, "a;x=12", false)
	f(`a{x="é;"}`, "a;x=~C3~A9~3B", true)
	f(`a{x="~"}`, "a;x=~", true)
}

func TestPrefix(t *testing.T) {
	f := func(name string, parts int, want string) {
		t.Helper()
		if got := lang.Prefix(name, parts); got != want {
			t.Errorf("%d parts of %s are %q, want %q", parts, name, got, want)
		}
	}
	f("a.b.c", 1, "a")
	f("a.b.c", 2, "a.b")
	f("a.b.c", 3, "a.b.c")
	f("a.b.c", 4, "a.b.c")
	f(".a", 1, "")
	f("", 1, "")
}

// FuzzParse: whatever the text is, nothing breaks, an error is somewhere in
// it, and what was understood is understood again the same way.
func FuzzParse(f *testing.F) {
	f.Add(`p99.9(bid_latency_ms{dc="us-east"}) by (exchange) last 37m`)
	f.Add(`top 10 rate(bid*, /a\/b\d/) client web-1, "x y" by (client, prefix(2)) last 1h30m step auto limit 7`)
	f.Add(`a{x="1",y!="\"",z=~"a|b",w!~"\\."} last 37x`)
	f.Add(`"é" glob "*" by "tab"`)
	f.Fuzz(func(t *testing.T, text string) {
		q, err := lang.Parse(text)
		if err != nil {
			var e *lang.Error
			if !errors.As(err, &e) || e.Column < 0 || e.Column > len(text)+1 {
				t.Fatalf("%q: %#v", text, err)
			}
			return
		}
		canonical := q.String()
		if len(canonical) > lang.MaxText {
			return
		}
		again, err := lang.Parse(canonical)
		if err != nil {
			t.Fatalf("%q is %q, which does not parse: %v", text, canonical, err)
		}
		if got := again.String(); got != canonical {
			t.Fatalf("%q is %q, which is %q", text, canonical, got)
		}
		for _, m := range q.Select {
			m.Match(text)
		}
	})
}
