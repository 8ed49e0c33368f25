package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

func refFloat(s string) float64 {
	v, _ := strconv.ParseFloat(s, 64)
	return v
}

// next requires a bundle.
func next(t *testing.T, d *Decoder) *Bundle {
	t.Helper()
	b, err := d.Next()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDecodeSaysWhereBadEventsAre(t *testing.T) {
	body := "1\n\nc\n\nt\njunk\n[\"A\", 1, \"1\"]\n[\"A\", 2]\n[\"A\", 3, 3]\n[\"A\", 4, \"4\"]\n[\"A\", null, \"5\"]\n"
	b := next(t, NewDecoder(strings.NewReader(body), Limits{}))
	if len(b.Events) != 2 || b.Type != "A" || b.First != 6 {
		t.Fatalf("got %+v", b)
	}
	if b.Line(0) != 7 || b.Line(1) != 10 {
		t.Errorf("the good events are on lines %d and %d, want 7 and 10", b.Line(0), b.Line(1))
	}
	want := []Bad{
		{6, BadJSON, "a value is not JSON"},
		{8, BadShape, errShape.Error()},
		{9, BadPayload, errNotString.Error()},
		{11, BadTime, errTime.Error()},
	}
	if fmt.Sprint(b.Bad) != fmt.Sprint(want) {
		t.Errorf("bad events %v, want %v", b.Bad, want)
	}
}

func TestDecodeSyntaxErrors(t *testing.T) {
	f := func(body, want string) {
		t.Helper()
		d := NewDecoder(strings.NewReader(body), Limits{})
		var err error
		for err == nil {
			_, err = d.Next()
		}
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || err.Error() != want {
			t.Errorf("%q: got %v, want %s", body, err, want)
		}
	}
	f("hello", "line 1 of the body: the protocol version has to be 1")
	f("1\r\n\r\n", "line 1 of the body: the protocol version has to be 1")
	f("1\nc\n", "line 2 of the body: a blank line has to follow the protocol version")
	f("1\n\nc\nt\n", "line 4 of the body: a blank line has to follow the name of the client")
	f("1\n\nc\n\nt\n[\"A\", 1, \"1\"]\n\n\nd\nt\n", "line 10 of the body: a blank line has to follow the name of the client")
}

func TestDecodeLimits(t *testing.T) {
	f := func(body string, want LimitError) {
		t.Helper()
		_, err := NewDecoder(strings.NewReader(body), Limits{Name: 10, Line: 40}).Next()
		var limit *LimitError
		if !errors.As(err, &limit) || *limit != want || !strings.Contains(err.Error(), "line") {
			t.Errorf("%.50q: got %v, want %v", body, err, &want)
		}
	}
	long := strings.Repeat("x", 11)
	f("1\n\n"+long+"\n", LimitError{Line: 3, Limit: "name", Max: 10})
	f("1\n\nc\n\n"+long, LimitError{Line: 5, Limit: "name", Max: 10, Name: long})
	f("1\n\nc\n\nt\n"+strings.Repeat("x", 41)+"\n", LimitError{Line: 6, Limit: "line", Max: 40})
	f("1\n\nc\n\nt\n"+strings.Repeat("x", 1<<20), LimitError{Line: 6, Limit: "line", Max: 40})
}

func TestDecodeSplitsBundles(t *testing.T) {
	body := "1\n\nc\n\nt\n" + strings.Repeat("[\"A\", 1, \"1\"]\n", 5)
	d := NewDecoder(strings.NewReader(body), Limits{BundleEvents: 2})
	for _, want := range []int{2, 2, 1} {
		if b := next(t, d); len(b.Events) != want || b.Tab != "t" || b.Client != "c" || b.Type != "A" {
			t.Errorf("got %+v, want %d events", b, want)
		}
	}
	d = NewDecoder(strings.NewReader(body), Limits{BundleBytes: 30})
	for _, want := range []int{3, 2} {
		if b := next(t, d); len(b.Events) != want {
			t.Errorf("got %d events, want %d", len(b.Events), want)
		}
	}
}

func TestDecodeReturnsErrorsOfTheReader(t *testing.T) {
	broken := errors.New("connection reset")
	whole := "1\n\nc\n\nt\n[\"A\", 1, \"1\"]\n\nu\n[\"A\", 1"
	d := NewDecoder(io.MultiReader(strings.NewReader(whole), iotest.ErrReader(broken)), Limits{})
	if b := next(t, d); b.Tab != "t" {
		t.Errorf("got %+v", b)
	}
	if b, err := d.Next(); b != nil || err != broken { // not the half event
		t.Errorf("got %v, %v; want the reader's error itself", b, err)
	}
	d = NewDecoder(idle{}, Limits{})
	if _, err := d.Next(); err != io.ErrNoProgress {
		t.Errorf("a reader that does nothing: %v", err)
	}
	d.Reset(nil)
	if _, err := d.Next(); err != io.EOF {
		t.Errorf("without a reader: %v", err)
	}
}

type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

// Payloads stay as they are while a bundle grows, whatever its size.
func TestDecodeKeepsPayloads(t *testing.T) {
	const n = 20_000
	payload := func(i int) string { return strings.Repeat("x", i%7*i%300) + strconv.Itoa(i) }
	body := bodyOf(1, n, func(e *Encoder, i int) { e.EventString("Gauge", 1, payload(i)) })
	d := NewDecoder(nil, Limits{})
	for range 3 {
		d.Reset(bytes.NewReader(body))
		b := next(t, d)
		for i := range n {
			if got := string(b.Events[i].JSON); got != `"`+payload(i)+`"` {
				t.Fatalf("payload %d is %q", i, got)
			}
		}
	}
}

func TestDecodeMemoryIsBoundedAndReused(t *testing.T) {
	d := NewDecoder(nil, Limits{})
	drain := func(body []byte) {
		d.Reset(bytes.NewReader(body))
		for {
			if _, err := d.Next(); err == io.EOF {
				return
			} else if err != nil {
				t.Fatal(err)
			}
		}
	}
	big := bodyOf(1, 50_000, func(e *Encoder, i int) { e.EventInt("CounterGroup", float64(i), int64(i)) })
	drain(big)
	drain(big)
	if got := testing.AllocsPerRun(5, func() { drain(big) }); got > 1 { // the reader
		t.Errorf("%v allocations for a body of 50,000 events", got)
	}
	small := bodyOf(1, 1, func(e *Encoder, i int) { e.EventInt("CounterGroup", 1, 1) })
	for range 100 {
		drain(small)
		d.Reset(nil)
	}
	if got := cap(d.events); got > minEvents {
		t.Errorf("room for %d events is kept after small bodies", got)
	}
	if got := len(d.lines.buf); got > minLineBuffer {
		t.Errorf("a buffer of %d bytes is kept after small bodies", got)
	}
	if got := len(d.texts.chunks); got > 4 {
		t.Errorf("%d chunks are kept after small bodies", got)
	}
	for i := range 3 * maxNames {
		d.names.of([]byte("name-" + strconv.Itoa(i)))
		if len(d.names.known) > maxNames {
			t.Fatal("names are kept without bound")
		}
	}
}

// What the Encoder writes the Decoder reads, and the reference agrees.
func TestEncodeDecode(t *testing.T) {
	name := rapid.StringMatching(`[A-Za-z0-9._~:/?@!$()*+;=-]{1,9}`)
	rapid.Check(t, func(t *rapid.T) {
		var e Encoder
		var want []string
		for range rapid.IntRange(0, 3).Draw(t, "clients") {
			client := name.Draw(t, "client")
			_ = e.Client(client)
			for range rapid.IntRange(0, 3).Draw(t, "tabs") {
				tab := name.Draw(t, "tab")
				_ = e.Tab(tab)
				for range rapid.IntRange(0, 5).Draw(t, "events") {
					time := rapid.Float64().Draw(t, "time")
					switch rapid.IntRange(0, 2).Draw(t, "kind") {
					case 0:
						v := rapid.Float64().Draw(t, "value")
						e.EventNumber("CounterGroup", time, v)
						want = append(want, fmt.Sprint(client, tab, time, v))
					case 1:
						v := rapid.Int64().Draw(t, "value")
						e.EventInt("CounterGroup", time, v)
						want = append(want, fmt.Sprint(client, tab, time, float64(v)))
					case 2:
						e.EventString("Gauge", time, rapid.String().Draw(t, "text"))
						want = append(want, fmt.Sprint(client, tab, time, 0.0))
					}
				}
			}
		}
		body := e.Close()
		var got []string
		d := NewDecoder(bytes.NewReader(body), Limits{})
		for {
			b, err := d.Next()
			if err == io.EOF {
				break
			}
			if err != nil || len(b.Bad) > 0 {
				t.Fatal(err, b.Bad)
			}
			for _, e := range b.Events {
				got = append(got, fmt.Sprint(b.Client, b.Tab, e.Time, e.Value))
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

func TestEncodeText(t *testing.T) {
	var e Encoder
	e.Reset()
	if err := e.Client("a\nb"); !errors.Is(err, ErrNameLine) {
		t.Errorf("a client of two lines: %v", err)
	}
	_ = e.Client("c")
	if err := e.Tab("a\nb"); !errors.Is(err, ErrNameLine) {
		t.Errorf("a tab of two lines: %v", err)
	}
	_ = e.Tab("t")
	e.Event("Gauge", 1, []byte(`"束"`)) // UTF-8, as encoding/json writes it
	e.EventString("Gauge", 1, "束")
	body := string(e.Close())
	want := "1\n\nc\n\nt\n[\"Gauge\", 1.0, \"\\\"\\u675f\\\"\"]\n[\"Gauge\", 1.0, \"\\\"\\\\u675f\\\"\"]\n\n\n"
	if body != want {
		t.Errorf("got %q, want %q", body, want)
	}
	b := next(t, NewDecoder(strings.NewReader(body), Limits{}))
	for i, e := range b.Events {
		if got := string(e.JSON); got != `"\u675f"` {
			t.Errorf("event %d came back as %s", i, got)
		}
	}
	if got := testing.AllocsPerRun(100, func() {
		e.Reset()
		_ = e.Client("c")
		_ = e.Tab("t")
		e.EventNumber("CounterGroup", 1.5, 2.5)
		e.EventString("Gauge", 1.5, "plain")
		e.Close()
	}); got != 0 {
		t.Errorf("encoding allocates %v times", got)
	}
}

// Every number of up to 19 digits is rounded as strconv rounds it.
func TestPlainNumber(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		digits := strconv.FormatUint(r.Uint64()>>r.IntN(64), 10)
		point := r.IntN(len(digits)) + 1
		text := digits[:point]
		if point < len(digits) {
			text += "." + digits[point:]
		}
		if digits[0] == '0' {
			continue
		}
		got, n := plainNumber([]byte(text))
		if want := refFloat(text); n != len(text) || !same(got, want) {
			t.Fatalf("%s is %v (%d bytes), want %v", text, got, n, want)
		}
	}
	// Halfway between two floats, and just beside it.
	for _, text := range []string{"9007199254740993.0", "9007199254740993.001", "900719925474099.25", "1.00000000000000011", "1152921504606846976.5", "4611686018427387905.0"} {
		if got, n := plainNumber([]byte(text)); n != len(text) || !same(got, refFloat(text)) {
			t.Errorf("%s is %v, want %v", text, got, refFloat(text))
		}
	}
}
