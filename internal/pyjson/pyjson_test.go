package pyjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
)

func TestAppendFloat(t *testing.T) {
	f := func(v float64, want string) {
		t.Helper()
		if got := string(AppendFloat([]byte("x"), v)); got != "x"+want {
			t.Errorf("%g: got %s, want %s", v, got[1:], want)
		}
	}
	f(0, "0.0")
	f(math.Copysign(0, -1), "-0.0")
	f(5, "5.0")
	f(-1.5, "-1.5")
	f(0.1, "0.1")
	f(1e15, "1000000000000000.0")
	f(1e16, "1e+16")
	f(123456789012345678, "1.2345678901234568e+17")
	f(1e-4, "0.0001")
	f(1e-5, "1e-05")
	f(1.5e300, "1.5e+300")
	f(5e-324, "5e-324")
	f(math.NaN(), "NaN")
	f(math.Inf(1), "Infinity")
	f(math.Inf(-1), "-Infinity")
}

func TestAppendString(t *testing.T) {
	f := func(s, want, latin1 string) {
		t.Helper()
		if got := string(AppendString(nil, s)); got != want {
			t.Errorf("AppendString(%q) is %s, want %s", s, got, want)
		}
		if got := string(AppendString(nil, []byte(s))); got != want {
			t.Errorf("AppendString of the bytes %q is %s, want %s", s, got, want)
		}
		if got := string(AppendLatin1(nil, s)); got != latin1 {
			t.Errorf("AppendLatin1(%q) is %s, want %s", s, got, latin1)
		}
	}
	f("", `""`, `""`)
	f("a/b it's", `"a/b it's"`, `"a/b it's"`)
	f("\"\\\b\f\n\r\t", `"\"\\\b\f\n\r\t"`, `"\"\\\b\f\n\r\t"`)
	f("\x00\x1f\x7f", `"\u0000\u001f\u007f"`, `"\u0000\u001f\u007f"`)
	f("café", `"caf\u00e9"`, `"caf\u00c3\u00a9"`)
	f("束😀", `"\u675f\ud83d\ude00"`, `"\u00e6\u009d\u009f\u00f0\u009f\u0098\u0080"`)
	f("\xe9\xe6", `"\u00e9\u00e6"`, `"\u00e9\u00e6"`)
	f("\uFFFD", `"\ufffd"`, `"\u00ef\u00bf\u00bd"`)
}

func TestAppendASCII(t *testing.T) {
	for src, want := range map[string]string{
		``:                          ``,
		`{"a": [1, "x\n"]}`:         `{"a": [1, "x\n"]}`,
		`["é", "束", "𝄞", "\u00e9"]`: `["\u00e9", "\u675f", "\ud834\udd1e", "\u00e9"]`,
		"\"\xe9\"":                  "\"\xe9\"",
		"\"\ufffd\"":                `"\ufffd"`,
	} {
		if got := string(AppendASCII(nil, []byte(src))); got != want {
			t.Errorf("AppendASCII(%q) is %q, want %q", src, got, want)
		}
	}
}

func TestAppend(t *testing.T) {
	f := func(src string, kind Kind, want string) {
		t.Helper()
		got, k, err := Append([]byte("x"), []byte(src))
		if err != nil || string(got) != "x"+want || k != kind {
			t.Errorf("%s: got %q, kind %d, error %v; want %q, kind %d", src, got[1:], k, err, want, kind)
		}
	}
	f(" null\t", Null, "null")
	f("true", Bool, "true")
	f("\vfalse\f", Bool, "false")
	f("5", Int, "5")
	f("+5", Int, "5")
	f("007", Int, "7")
	f("-007", Int, "-7")
	f("-0", Int, "0")
	f("00", Int, "0")
	f("100000000000000000000", Int, "100000000000000000000")
	f("5.0", Float, "5.0")
	f("-0.0", Float, "-0.0")
	f("5.", Float, "5.0")
	f("-.5", Float, "-0.5")
	f("+007.50", Float, "7.50")
	f("1e+16", Float, "1e+16")
	f("1E05", Float, "1e05")
	f("1.e5", Float, "1.0e5")
	f("NaN", Float, "NaN")
	f("+Infinity", Float, "Infinity")
	f("-Infinity", Float, "-Infinity")
	f(`"a\/b\u0041\u00E9\u675f"`, String, `"a/bA\u00e9\u675f"`)
	f("\"caf\xc3\xa9\t\x01\"", String, `"caf\u00c3\u00a9\t\u0001"`)
	f(`"\u0000"`, String, `"\u0000"`)
	f(`[]`, Array, `[]`)
	f(`[ 1,"a" , [null]]`, Array, `[1, "a", [null]]`)
	f(`{ }`, Object, `{}`)
	f(`{"b":1,"a" : {"c":[+2]},"b":3}`, Object, `{"b": 1, "a": {"c": [2]}, "b": 3}`)
}

func TestAppendRefuses(t *testing.T) {
	f := func(src string, want error) {
		t.Helper()
		got, _, err := Append([]byte("x"), []byte(src))
		if !errors.Is(err, want) || string(got) != "x" {
			t.Errorf("%q: got %q, error %v; want error %v", src, got, err, want)
		}
	}
	for _, src := range []string{"", "  ", "[", "\x00"} {
		f(src, ErrEmpty)
	}
	for _, src := range []string{"junk", "tru", "nan", ".5", "[1,]", "'a'", "\x85", "[,]"} {
		f(src, ErrValue)
	}
	for _, src := range []string{"-", "+", "--5", "1-2", "1.2.3", "1e", "1e+", "-.", "-e5", "1.5e5.", "1ee5"} {
		f(src, ErrNumber)
	}
	for _, src := range []string{`"abc`, "\"a\x00b\"", `"a\"`} {
		f(src, ErrString)
	}
	for _, src := range []string{`"\x41"`, `"\u12"`, `"\u12g4"`, `"\`} {
		f(src, ErrEscape)
	}
	f("[1 2]", ErrArray)
	f("[1", ErrArray)
	for _, src := range []string{`{1:2}`, `{"a"}`, `{"a":1 "b":2}`, `{"a":1,}`, `{"a":1`, `{`} {
		f(src, ErrObject)
	}
	for _, src := range []string{"1 x", "[] []", "5\x00", "nullx"} {
		f(src, ErrTrailing)
	}
	f(strings.Repeat("[", MaxDepth+1), ErrDepth)
	f(strings.Repeat(`{"a":`, MaxDepth+1), ErrDepth)
}

func TestAppendCanonical(t *testing.T) {
	f := func(src, want string) {
		t.Helper()
		got, _, err := AppendCanonical([]byte("x"), []byte(src))
		if err != nil || string(got) != "x"+want {
			t.Errorf("%s: got %q, error %v; want %q", src, got, err, want)
		}
	}
	f(`{"b":1,"a":{"d":1,"c":2},"b":3}`, `{"a": {"c": 2, "d": 1}, "b": 3}`)
	f(`[{"b":1,"aa":2,"a":3},{"z":[],"y":{}}]`, `[{"a": 3, "aa": 2, "b": 1}, {"y": {}, "z": []}]`)
	f(`{"a":1,"a":2,"a":3}`, `{"a": 3}`)
	f(`{"a":1}`, `{"a": 1}`)
}

func TestAppendNext(t *testing.T) {
	out, rest, kind, err := AppendNext(nil, []byte(` [1] , 2`))
	if string(out) != "[1]" || string(rest) != " , 2" || kind != Array || err != nil {
		t.Errorf("got %q, rest %q, kind %d, error %v", out, rest, kind, err)
	}
}

func TestUnquote(t *testing.T) {
	out, rest, err := Unquote([]byte("x"), []byte(` "a\u00e9\u675f\"`+"\xe9"+`" 5`))
	if string(out) != "xa\xe9\\u675f\"\xe9" || string(rest) != " 5" || err != nil {
		t.Errorf("got %q, rest %q, error %v", out, rest, err)
	}
	if _, _, err := Unquote(nil, []byte(`5`)); err == nil {
		t.Error("a number was taken for a string")
	}
}

// FuzzAppend: whatever the input, the output is ASCII, its own canonical form,
// and means what encoding/json says if that can read the input.
func FuzzAppend(f *testing.F) {
	for _, s := range []string{"", "null", "+5", "007", "-.5e3", "NaN", `"caf\u00e9"`, "\"\xe9\"", `[1, "a", {"b": [2.50, null], "a": 1}]`, `{"a": 1, "a": 2}`, "[[[["} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		once, kind, err := AppendCanonical(nil, src)
		if err != nil {
			if json.Valid(src) && !errors.Is(err, ErrDepth) {
				t.Fatalf("%q is JSON, but: %v", src, err)
			}
			return
		}
		for _, c := range once {
			if c < ' ' || c >= 0x7f {
				t.Fatalf("%q became %q, which is not printable ASCII", src, once)
			}
		}
		if twice, again, err := AppendCanonical(nil, once); err != nil || again != kind || !bytes.Equal(once, twice) {
			t.Fatalf("%q became %q, then %q (%v)", src, once, twice, err)
		}
		ascii := !bytes.ContainsFunc(src, func(r rune) bool { return r >= 0x80 })
		if ascii && json.Valid(src) && !sameJSON(src, once) {
			t.Fatalf("%s became %s", src, once)
		}
	})
}

func sameJSON(a, b []byte) bool {
	var x, y any
	errX, errY := json.Unmarshal(a, &x), json.Unmarshal(b, &y)
	return errX != nil && errY != nil || reflect.DeepEqual(x, y)
}

func BenchmarkAppendCanonical(b *testing.B) {
	src := []byte(`{"version": "1.4.2", "hosts": [1, 2.5, null], "ok": true}`)
	var dst []byte
	b.ReportAllocs()
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		dst, _, _ = AppendCanonical(dst[:0], src)
	}
}
