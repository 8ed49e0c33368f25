package builtin

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestCanonical(t *testing.T) {
	f := func(src, want string) {
		t.Helper()
		got, err := appendCanonical([]byte("x"), []byte(src))
		if err != nil || string(got) != "x"+want {
			t.Errorf("canonical form of %s: got %s, %v, want %s", src, got, err, want)
		}
		again, err := appendCanonical(nil, []byte(want))
		if err != nil || string(again) != want {
			t.Errorf("canonical form of the canonical %s: got %s, %v", want, again, err)
		}
		if !json.Valid([]byte(want)) {
			t.Errorf("%s is not JSON", want)
		}
	}
	f("5", "5")
	f(" +007 ", "7")
	f("-0", "0")
	f("123456789012345678901234567890", "123456789012345678901234567890")
	f("1.0", "1.0")
	f("1.50", "1.5")
	f("0.1", "0.1")
	f("-12.25", "-12.25")
	f("10.0", "10.0")
	f("00.5", "0.5")
	f("1e3", "1000.0")
	f("1E+16", "1e+16")
	f("0.00001", "1e-05")
	f("1e-400", "0.0")
	f("true", "true")
	f("[ ]", "[]")
	f("{ }", "{}")
	f("[1,2 , [null,false]]", "[1, 2, [null, false]]")
	f(`{"b":1,"a":{"d":[],"c":2}}`, `{"a": {"c": 2, "d": []}, "b": 1}`)
	f(`{"a":1,"b":2,"a":3}`, `{"a": 3, "b": 2}`)
	f(`"a\/b\u0041\n\u0007"`, `"a/bA\n\u0007"`)
	f("\"\x7f\"", `"\u007f"`)
	f(`"é😀"`, `"\u00e9\ud83d\ude00"`)
	f(`"\u00E9\ud83d\ude00\ud83d"`, `"\u00e9\ud83d\ude00\ud83d"`)
	f("\"caf\xe9\"", `"caf\u00e9"`) // Latin-1
}

func TestCanonicalRefuses(t *testing.T) {
	f := func(src string, want error) {
		t.Helper()
		if got, err := appendCanonical([]byte("x"), []byte(src)); !errors.Is(err, want) || string(got) != "x" {
			t.Errorf("canonical form of %q: got %s, %v, want %v", src, got, err, want)
		}
	}
	for _, src := range []string{"", " ", "x", "tru", "[1", "[1,", "[1,]", "[,1]", "{", `{"a"}`, `{"a":}`, `{"a":1,}`, `{,}`, `{1:2}`, `{"a":1 "b":2}`,
		`"`, `"\x"`, `"\u12"`, `"\u12g4"`, "1 2", "1.2.3", "--1", "+-1", "-", "1\x00", "\x00", "[1]]", "0x10", "1_0"} {
		f(src, errNotJSON)
	}
	for _, src := range []string{"NaN", "Infinity", "-Infinity", "[1, NaN]", "1e999", "-1.5e999"} {
		f(src, errNotFinite)
	}
	f(strings.Repeat("[", 1000)+strings.Repeat("]", 1000), errNotJSON)
	f(strings.Repeat(`{"a":`, 1000), errNotJSON)
}

// Values are shown as Python 2's str shows them.
func TestAppendText(t *testing.T) {
	f := func(src, want string) {
		t.Helper()
		v, err := appendCanonical(nil, []byte(src))
		if err != nil {
			t.Fatal(err)
		}
		var got string
		if err := json.Unmarshal(appendText(nil, v), &got); err != nil || got != want {
			t.Errorf("text of %s: got %s (%v), want %s", src, got, err, want)
		}
	}
	f(`"a b"`, "a b")
	f("24", "24")
	f("1.0", "1.0")
	f("3.14159265358979", "3.14159265359")
	f("100000000000.0", "100000000000.0")
	f("1e12", "1e+12")
	f("1e20", "1e+20")
	f("1.5e-7", "1.5e-07")
	f("true", "True")
	f("null", "None")
	f("[1, 2.5, false]", "[1, 2.5, False]")
	f("[0.1234567890123456]", "[0.1234567890123456]")
	f(`{"a": "x", "b": [null]}`, "{'a': 'x', 'b': [None]}")
	f("100000000000000000000", "100000000000000000000")
	f("[9223372036854775807, -9223372036854775808]", "[9223372036854775807, -9223372036854775808]")
	f(`{"a": [9223372036854775808, -9223372036854775809, 1e22]}`, "{'a': [9223372036854775808L, -9223372036854775809L, 1e+22]}")
	f(`["it's"]`, `["it's"]`)
	f(`["'\""]`, `['\'"']`)
	f(`["a\\b\n\u0001\u007f"]`, `['a\\b\n\x01\x7f']`)
	f(`["é"]`, "['é']")
	f(`["true, null"]`, "['true, null']")
}

func TestElements(t *testing.T) {
	f := func(src string, want ...string) {
		t.Helper()
		list, err := appendCanonical(nil, []byte(src))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for rest := list[1 : len(list)-1]; len(rest) > 0; {
			var element []byte
			element, rest = nextElement(rest)
			got = append(got, string(element))
		}
		if strings.Join(got, "|") != strings.Join(want, "|") {
			t.Errorf("elements of %s: got %q, want %q", src, got, want)
		}
	}
	f("[]")
	f("[1]", "1")
	f(`[1, "a, b", [2, {"c": 3, "d": 4}], "\", "]`, "1", `"a, b"`, `[2, {"c": 3, "d": 4}]`, `"\", "`)
}
