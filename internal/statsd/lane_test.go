package statsd

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"strings"
	"testing"

	"github.com/tabaproject/taba/internal/fold"
	"github.com/tabaproject/taba/internal/wire/statsdtext"
	"github.com/tabaproject/taba/state"
	"github.com/tabaproject/taba/state/builtin"
)

// naive is the reference: it parses every line by itself and keeps every
// value.
type naive struct {
	now     float64
	events  map[seriesKey][]event
	gauges  map[seriesKey]float64
	changes map[seriesKey]uint64 // of gauges, since batch was called
	typ     map[string]string    // by tab
	carry   map[string]float64
	refused int
}

// An event was received at a time that it need not have happened at.
type event struct {
	now float64
	state.Event
}

func newNaive() *naive {
	return &naive{t0, map[seriesKey][]event{}, map[seriesKey]float64{}, map[seriesKey]uint64{}, map[string]string{}, map[string]float64{}, 0}
}

// lines takes what was received at a time.
func (n *naive) lines(now float64, text []byte) {
	n.now = now
	for line := range bytes.SplitSeq(text, []byte("\n")) {
		n.line(line)
	}
}

// batch ends a batch: what a gauge was last stands for all that it was in it.
func (n *naive) batch() {
	for key, weight := range n.changes {
		n.events[key] = append(n.events[key], event{n.now, state.Event{Time: n.now, Value: n.gauges[key], Number: true, Weight: weight}})
	}
	clear(n.changes)
}

func (n *naive) line(line []byte) {
	metrics, why := statsdtext.Parse(line, 64)
	if why != "" {
		n.refused++
		return
	}
	single := len(metrics) > 0 && !bytes.Contains(line, []byte("|T")) && singleGroup(line)
	for _, m := range metrics {
		key := seriesKey{"here", m.Tab, m.Kind}
		if n.typ[m.Tab] == "" {
			n.typ[m.Tab] = typeOf[m.Kind]
		}
		e := state.Event{Time: n.now, Value: m.Value, Number: true, Weight: uint64(math.Round(1 / m.Rate))}
		if m.Time > 0 && float64(m.Time) <= n.now+60 {
			e.Time = float64(m.Time)
		}
		change := m.Kind == statsdtext.Gauge && m.Signed
		switch {
		case m.Kind == statsdtext.Gauge && (m.Time == 0 || change):
			n.gauges[key] += m.Value
			if !change {
				n.gauges[key] = m.Value
			}
			n.changes[key]++
			continue
		case m.Kind == statsdtext.Gauge:
			e.Weight = 1
		case m.Kind == statsdtext.Set:
			e = state.Event{Time: n.now, JSON: appendJSON(nil, []byte(m.Text))}
		case single && m.Rate != 1: // what a sampled line stands for adds up
			w := 1/m.Rate + n.carry[headOf(line)]
			e.Weight = uint64(w + 0.5)
			n.carry[headOf(line)] = w - float64(e.Weight)
		}
		n.events[key] = append(n.events[key], event{n.now, e})
	}
}

func singleGroup(line []byte) bool {
	_, tail, _ := bytes.Cut(line, []byte("|"))
	return statsdtext.Single(tail)
}

// headOf is what of a line its values do not change.
func headOf(line []byte) string {
	text := strings.TrimRight(string(line), "\r")
	name, rest, _ := strings.Cut(text, ":")
	_, tail, _ := strings.Cut(rest, "|")
	return name + ":" + tail
}

// fold folds all events, each as a bundle of its own.
func (n *naive) fold() *fold.Accumulator {
	acc := fold.New(builtin.Registry())
	for key, events := range n.events {
		for _, e := range events {
			acc.Fold(e.now, "", n.typ[key.tab], &state.Bundle{Tab: key.tab, Client: key.client, Events: []state.Event{e.Event}}, nil)
		}
	}
	return acc
}

// FuzzLane compares what a lane gathers with the reference, byte for byte.
func FuzzLane(f *testing.F) {
	for _, s := range []string{
		"hits:1|c\nhits:2|c\nload:-0.25|g\n\ndb:320:1e3:.5|ms|@0.1|#a:b,c\nusers:x:y|s\nhits:1|c:2|ms|@0.5:3|g",
		"a:1|c|@0.3\na:1|c|@0.3\na:7|c|@0.3\na:1|c\nb:1|ms\nb:2|ms\nb:1|ms\nc:+5|g\nc:-1|g\nc:2|g|T5\nd:\xff|s\nd:é|s\nd:\xff|s\nbad\nbad:1",
		"x:1|c|T12\nx:1|h\nx:a|s\nx:5|g",
		"t:1:2:3:4:5|ms\nt:9|ms|@0.5\nc:1|c\nc:2:3:4:5:6|c\ng:+1|g\nt:5:4:3:2:1|ms\nc:1:2:3:4:5:6|c\ng:+1|g\ng:7|g",
	} {
		f.Add([]byte(s), uint8(7), uint8(0))
		f.Add([]byte(s), uint8(50), uint8(1))
	}
	f.Fuzz(func(t *testing.T, text []byte, cut, later uint8) {
		if bytes.ContainsAny(text, "eE") && bytes.Contains(text, []byte("e3")) {
			text = bytes.ReplaceAll(text, []byte("e3"), []byte("e1")) // sums of great and small numbers depend on the order
		}
		s := newSink()
		o := testOptions(s)
		o.NameBytes = 64
		d := New(o)
		close(d.stop) // the committer is not needed
		<-d.done
		l, n := newLane(d), newNaive()
		// In two pieces, as two datagrams would be, perhaps of two seconds.
		at := bytes.LastIndexByte(text[:min(int(cut), len(text))], '\n') + 1
		l.begin(t0)
		l.consume(text[:at], netip.Addr{})
		n.lines(t0, text[:at])
		if later > 0 {
			l.end()
			n.batch()
			l.begin(t0 + float64(later))
		}
		l.consume(text[at:], netip.Addr{})
		l.mu.Unlock()
		n.lines(t0+float64(later), text[at:])
		n.batch()
		acc := fold.New(builtin.Registry())
		folder := newFolder(func(*series, *state.Event, state.Reason) {}, func() {})
		folder.fold(l.take(), acc)
		got, _ := acc.EncodeAll(nil)
		want, _ := n.fold().EncodeAll(nil)
		if !bytes.Equal(got, want) {
			t.Errorf("%q\n got %s\nwant %s", text, dump(acc), dump(n.fold()))
		}
	})
}

// Thousands of names, in any order, again and again: beyond what is looked up
// near, and through growth of the table.
func TestManyNames(t *testing.T) {
	s := newSink()
	d := open(t, testOptions(s))
	l := d.lane()
	const names = 20_000
	want := map[string]bool{}
	for round := range 3 {
		for i := range names {
			k := (i*7919 + round) % names
			feed(d, l, 0, fmt.Sprintf("service.%d.requests:%d|c\nservice.%d.requests:1|c|@0.5", k, round+1, k))
		}
	}
	for i := range names {
		want[totals(fmt.Sprintf("service.%d.requests", i), 9, 12)] = true
	}
	d.Stop()
	got := map[string]bool{}
	for line := range strings.SplitSeq(s.dump(), "\n") {
		got[line] = true
	}
	if !maps.Equal(got, want) {
		t.Errorf("%d tabs are not what they should be, such as %.300s", len(got), s.dump())
	}
}

func TestLinesAllocateNothing(t *testing.T) {
	s := newSink()
	d := New(testOptions(s))
	close(d.stop)
	<-d.done
	l := newLane(d)
	var text []byte
	for i := range 100 {
		text = fmt.Appendf(text, "hits.%d:%d|c|@0.1|#a:b\nload:%d|g\ndb.%d:%d:5|ms\nusers:%d|s\n", i, i, i, i, i, i)
	}
	acc := fold.New(builtin.Registry())
	folder := newFolder(func(*series, *state.Event, state.Reason) {}, func() {})
	n := testing.AllocsPerRun(50, func() {
		l.mu.Lock()
		l.now, l.b.now = t0, t0
		l.consume(text, netip.Addr{})
		l.mu.Unlock()
		batches := l.take()
		folder.fold(batches, acc)
		l.giveBack(batches)
		acc.Reset()
	})
	if most := 10.0; n > most { // per round of 400 lines: for the lists of batches, and a Gauge
		t.Errorf("%v allocations", n)
	}
}
