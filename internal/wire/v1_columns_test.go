package wire

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
)

// gatherer is a ColumnSink that takes the columns of some bundles.
type gatherer struct {
	before int64
	refuse bool
	bundle string
	taken  map[string][]string // what was passed, by bundle
	n      int
}

func (g *gatherer) Columnar(client, tab, typ string) (int64, bool) {
	g.bundle = fmt.Sprintf("%q %q %q", client, tab, typ)
	return g.before, !g.refuse
}

func (g *gatherer) Column(second int64, values []float64) {
	for _, v := range values {
		g.taken[g.bundle] = append(g.taken[g.bundle], plain(float64(second), v))
		g.n++
	}
}

// plain is an event as far as a column tells.
func plain(at, v float64) string {
	return fmt.Sprint(math.Floor(at), " ", math.Float64bits(v))
}

// events returns all events of a body, by bundle, in order of their values;
// what a column does not tell is left out. d passes some of them to g.
func (g *gatherer) events(d *Decoder, body string) (map[string][]string, error) {
	out := map[string][]string{}
	d.Reset(strings.NewReader(body))
	for {
		b, err := d.Next()
		if err != nil {
			for bundle, list := range g.taken {
				out[bundle] = append(out[bundle], list...)
			}
			for _, list := range out {
				slices.SortFunc(list, cmp.Compare[string])
			}
			return out, err
		}
		key := fmt.Sprintf("%q %q %q", b.Client, b.Tab, b.Type)
		for _, e := range b.Events {
			text := plain(e.Time, e.Value)
			if !e.Number {
				text += string(e.JSON)
			}
			out[key] = append(out[key], text)
		}
		for _, bad := range b.Bad {
			out[key] = append(out[key], fmt.Sprint(bad.Line, bad.Reason))
		}
	}
}

// compareColumns requires that a Decoder with a ColumnSink reads what one
// without reads.
func compareColumns(t *testing.T, body string, lim Limits, before int64) (taken int) {
	t.Helper()
	want, wantErr := (&gatherer{}).events(NewDecoder(nil, lim), body)
	for _, refuse := range []bool{false, true} {
		g := &gatherer{before: before, refuse: refuse, taken: map[string][]string{}}
		d := NewDecoder(nil, lim)
		d.Into(g)
		got, err := g.events(d, body)
		if fmt.Sprint(err) != fmt.Sprint(wantErr) {
			t.Fatalf("the body ends with %v, want %v", err, wantErr)
		}
		if err == io.EOF && fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("got  %v\nwant %v", got, want)
		}
		taken = max(taken, g.n)
	}
	return taken
}

func TestColumnsTakeWhatIsPlain(t *testing.T) {
	body := "1\n\nc\n\na\n" + strings.Repeat(`["CounterGroup", 1395954314.12, "5"]`+"\n", 300) +
		`["CounterGroup", 1395954315, "-0.5"]` + "\n" + `["CounterGroup", 1395954316.999999, "12.25"]` + "\n" +
		`["CounterGroup", 1395954316.99999999, "1"]` + "\n" + `["Other", 1395954316.5, "1"]` + "\n" +
		`["CounterGroup", 1395954400.5, "7"]` + "\n" + `["CounterGroup",1395954314.5,"7"]` + "\n" +
		"\nb\n" + strings.Repeat(`["CounterGroup", 1395954319.1234567, "1234567.1234567"]`+"\n", 20) + strings.Repeat("\n", 100)
	if got := compareColumns(t, body, Limits{}, 1395954399); got < 310 {
		t.Errorf("%d events were passed in columns, want nearly all of 326", got)
	}
	compareColumns(t, body, Limits{BundleEvents: 7}, 1395954399)
}

// FuzzV1Columns compares a Decoder that passes columns on with one that does
// not.
func FuzzV1Columns(f *testing.F) {
	tail := strings.Repeat("\n", 2*longestPlain) // so that lines are read from the buffer
	event := func(lines ...string) { f.Add("1\n\nc\n\nt\n" + strings.Join(lines, "\n") + "\n" + tail) }
	event(`["A", 1395954314.5, "5"]`, `["A", 1395954314.25, "6"]`, `["B", 1395954313.25, "7.5"]`, `["A", 1395954317.25, "8"]`)
	event(`["A",1395954314,"1"]`, `["A",1395954314,"-0"]`, `["A",1395954314,"-0.0"]`, `["A",1395954314,"00"]`, `["A",1395954314,"0.10"]`)
	event(`["A",1395954314.9999999,"1"]`, `["A",1395954314.99999949,"1"]`, `["A",1395954314.9999995,"1"]`, `["A",139595431.5,"1"]`, `["A",13959543141.5,"1"]`)
	event(`["A", 1395954314.5, "\"x\""]`, `["A", 1395954314.5, "1"]`, `["A", 1395954314.5, "1"] `, `["A", 1395954314.5, "1e5"]`, `["A", 1395954314.5, "12345678"]`)
	f.Fuzz(func(t *testing.T, body string) {
		compareColumns(t, body, Limits{}, 1395954316)
		compareColumns(t, body, smallLimits, math.MaxInt64)
	})
}

// FuzzShortNumber compares it with plainNumber.
func FuzzShortNumber(f *testing.F) {
	for _, s := range []string{"0", "-1", "1.0", "-0", "-0.0", "1234567.1234567", "12345678", "1.12345678", "00", "01.5", "0.5x", ".5", "5.", "-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b := append([]byte(s), make([]byte, 24)...)
		v, n := shortNumber(b)
		if n == 0 {
			return
		}
		want, m := plainNumber(b)
		if n != m || !same(v, want) {
			t.Fatalf("%q is %v in %d bytes, want %v in %d", s, v, n, want, m)
		}
	})
}
