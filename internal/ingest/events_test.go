package ingest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tabaproject/taba/internal/fold"
	"github.com/tabaproject/taba/internal/wire"
	"github.com/tabaproject/taba/state"
	"github.com/tabaproject/taba/state/builtin"
	"pgregory.net/rapid"
)

func newTestEvents(s *sink, tt types, o Options) *Events {
	o.Now = at(clock)
	return NewEvents(builtin.Registry(), s, tt, nil, o)
}

// encoded is a Batch for a POST.
func encoded(f func(e *wire.BatchEncoder)) []byte {
	var e wire.BatchEncoder
	e.Begin(clock)
	f(&e)
	return bytes.Clone(e.Bytes())
}

// postBatch sends a Batch and returns what it was answered.
func postBatch(t *testing.T, h http.Handler, body []byte, header ...string) (wire.BatchReply, *http.Response) {
	t.Helper()
	r, text := post(h, "/v2/batch", bytes.NewReader(body), header...)
	wantStatus(t, r, text, http.StatusOK)
	var reply wire.BatchReply
	if err := wire.DecodeBatchReply([]byte(text), &reply); err != nil {
		t.Fatal(err)
	}
	return reply, r
}

func TestBatchOfEventsIsCommitted(t *testing.T) {
	s := newSink()
	h := newTestEvents(s, nil, Options{})
	total := builtin.TotalsCounter{}.New()
	total.Fold(clock, &state.Bundle{Events: []state.Event{{Time: clock, Value: 4, Number: true, Weight: 5}}}, nil)
	body := encoded(func(e *wire.BatchEncoder) {
		e.Values(e.Series("a", "CounterGroup", "web-1"), clock, []float64{1, 2, 3})
		e.Runs(e.Series("b", "PercentileGroup", "web-1"), []wire.Run{{Second: clock - 1, N: 1}, {Second: clock, N: 1}}, []float64{1, 2}, []uint64{1, 10})
		e.Events(e.Series("c", "Gauge", "web-2"), []wire.RawEvent{{Time: clock, Payload: []byte(`"x"`)}})
		e.Partial(e.Series("d", "TotalsCounter", "web-1"), 5, total.Append(nil))
	})
	reply, _ := postBatch(t, h, body)
	wantEqual(t, "committed", s.String(), "a CounterGroup web-1 3\nb PercentileGroup web-1 11\nc Gauge web-2 1\nd TotalsCounter web-1 5")
	if reply.Events != 20 || len(reply.Refused) > 0 {
		t.Errorf("the reply is %+v, want 20 events", reply)
	}
	wantEqual(t, "events counted", h.Metrics().Events.Get(), 20)
	wantEqual(t, "budget held", h.o.Budget.Used(), 0)
	for name, body := range compressed(t, string(body)) {
		reply, _ := postBatch(t, h, body, "Content-Encoding", name)
		wantEqual(t, "events "+name, reply.Events, 20)
	}
}

func TestBatchRefusesEventsByReason(t *testing.T) {
	s := newSink()
	h := newTestEvents(s, types{"known": "TotalsCounter"}, Options{})
	reply, r := postBatch(t, h, encoded(func(e *wire.BatchEncoder) {
		e.Values(e.Series("known", "CounterGroup", "c"), clock, []float64{1, math.NaN(), 3})
		e.Values(e.Series("alien", "Alien", "c"), clock, []float64{1, 2})
		e.Values(e.Series("bad\n", "CounterGroup", "c"), clock, []float64{1})
		e.Values(e.Series("", "CounterGroup", "c"), clock, []float64{1})
		e.Events(e.Series("x", "CounterGroup", "c"), []wire.RawEvent{
			{Time: clock, Payload: []byte(`[`)}, {Time: clock, Payload: []byte(`"x"`), Weight: 7}, {Time: math.Inf(1), Payload: []byte("1")}, {Time: clock, Payload: []byte("[2]")},
		})
		e.Values(e.Series("only", "CounterGroup", "c"), clock, []float64{math.Inf(1)})
		e.Partial(e.Series("p", "CounterGroup", "c"), 9, []byte("??"))
		e.Partial(e.Series("q", "Alien", "c"), 9, []byte("??"))
	}))
	wantEqual(t, "committed", s.String(), "known TotalsCounter c 2\nx CounterGroup c 1")
	var got []string
	for _, r := range reply.Refused {
		got = append(got, fmt.Sprint(r.Reason, " ", r.Events, " ", r.Tabs))
	}
	wantEqual(t, "refused", strings.Join(got, ", "),
		"not_finite 3 [known x only], unknown_type 11 [alien], name 2 [bad\n ], payload 8 [x], state 9 [p]")
	wantText(t, r.Header.Get(HeaderRefused), "unknown_type=11")
	wantEqual(t, "metric", h.Metrics().RefusedEvents("state"), 9)
}

func TestBatchIsRefusedAsAWhole(t *testing.T) {
	f := func(o Options, body []byte, status int, reason, text string) {
		t.Helper()
		s := newSink()
		h := newTestEvents(s, nil, o)
		r, got := post(h, "/v2/batch", bytes.NewReader(body))
		wantStatus(t, r, got, status)
		wantText(t, got, text)
		wantEqual(t, "commits", s.commits, 0)
		wantEqual(t, "refused for "+reason, h.Metrics().RefusedRequests(reason), 1)
		wantEqual(t, "budget held", h.o.Budget.Used(), 0)
	}
	good := encoded(func(e *wire.BatchEncoder) { e.Values(e.Series("a", "CounterGroup", "c"), clock, []float64{1}) })
	f(Options{}, good[:len(good)-1], 400, reasonMalformed, "batch: it is cut off")
	f(Options{}, encoded(func(e *wire.BatchEncoder) { e.Series(strings.Repeat("x", 513), "CounterGroup", "c") }), 413, reasonName, "limit of 512 bytes")
	f(Options{}, []byte{0x22, 0}, 400, reasonOtherHome, "Only servers take parts")
	f(Options{Limits: Limits{Body: 10}}, good, 413, reasonTooLarge, "limit of 10 bytes")
	f(Options{Budget: NewBudget(100)}, good, 503, reasonCapacity, "at capacity")
	many := encoded(func(e *wire.BatchEncoder) {
		for i := range 5000 {
			e.Values(e.Series(fmt.Sprint(i), "CounterGroup", "c"), clock, []float64{1})
		}
	})
	f(Options{Budget: NewBudget(2 << 20)}, many, 503, reasonCapacity, "at capacity")
}

func TestBatchClampsTheFuture(t *testing.T) {
	s := newSink()
	h := newTestEvents(s, nil, Options{})
	postBatch(t, h, encoded(func(e *wire.BatchEncoder) {
		e.Values(e.Series("a", "CounterGroup", "c"), clock+60, []float64{1})
		e.Values(e.Series("a", "CounterGroup", "c"), clock+61, []float64{1})
		e.Values(e.Series("a", "CounterGroup", "c"), clock+1e9, []float64{1, 1})
	}))
	wantEqual(t, "clamped", h.Metrics().Clamped.Get(), 3)
	wantText(t, s.rendered("a"), `"10m": {"count": 4,`)
}

// reference folds Batches event by event, as v1's events are folded.
func reference(t *rapid.T, batches [][]byte, tt types) []byte {
	acc := fold.New(builtin.Registry())
	o := Options{}.withDefaults()
	f := newFolding(tt, &o)
	f.begin(acc, clock)
	d := wire.NewBatchDecoder(0)
	for _, m := range batches {
		if _, err := d.Begin(m); err != nil {
			t.Fatal(err)
		}
		for d.Next() == wire.FoundBundle {
			c, name := &d.Bundle, d.Series()[d.Bundle.Series]
			b := state.Bundle{Tab: name.Tab, Client: name.Client}
			for second, n := c.NextRun(); n > 0; second, n = c.NextRun() {
				for range n {
					var v [1]float64
					c.Floats(v[:])
					b.Events = append(b.Events, state.Event{Time: float64(second), Value: v[0], Number: true, Weight: c.Weight()})
				}
			}
			for e, ok := c.NextEvent(); ok; e, ok = c.NextEvent() {
				v, _, err := e.AppendEvent(nil)
				if err != nil {
					t.Fatal(err)
				}
				b.Events = append(b.Events, v)
			}
			f.bundle(name.Type, &b)
		}
	}
	body, _ := acc.EncodeAll(nil)
	return body
}

// However bundles are cut into frames and loads, the same States come of them
// as of their events one by one.
func TestColumnsFoldAsEvents(t *testing.T) { rapid.Check(t, columnsFoldAsEvents) }

// FuzzColumnsFoldAsEvents looks for them on purpose.
func FuzzColumnsFoldAsEvents(f *testing.F) { f.Fuzz(rapid.MakeFuzz(columnsFoldAsEvents)) }

func columnsFoldAsEvents(t *rapid.T) {
	tt := types{"c": "PercentileCounter"}
	var e wire.BatchEncoder
	var frames [][]byte
	for range rapid.IntRange(1, 5).Draw(t, "frames") {
		if rapid.IntRange(0, 4).Draw(t, "forget") == 0 {
			e.Forget()
		}
		e.Begin(clock - int64(rapid.IntRange(0, 3).Draw(t, "base")))
		for range rapid.IntRange(0, 6).Draw(t, "bundles") {
			drawBundle(t, &e)
		}
		frames = append(frames, bytes.Clone(e.Bytes()))
	}
	want := reference(t, frames, tt)
	o := Options{}.withDefaults()
	u := newUnbundler(tt, &o)
	acc, sum := fold.New(builtin.Registry()), fold.New(builtin.Registry())
	u.begin(acc, clock)
	for _, m := range frames {
		if err := u.check(m); err != nil {
			t.Fatal(err)
		}
		if err := u.fold(func() bool { return true }); err != nil {
			t.Fatal(err)
		}
		if rapid.Bool().Draw(t, "commit") {
			u.end()
			sum.Merge(acc)
			for tab := range sum.Tabs {
				tt[tab.Name] = tab.Type // is known from now on
			}
			u.begin(acc, clock)
		}
	}
	if u.end(); !acc.Empty() {
		sum.Merge(acc)
	}
	if got, _ := sum.EncodeAll(nil); !bytes.Equal(got, want) {
		t.Fatalf("got  %q\nwant %q", got, want)
	}
}

func drawBundle(t *rapid.T, e *wire.BatchEncoder) {
	id := e.Series(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "tab"),
		rapid.SampledFrom([]string{"CounterGroup", "PercentileGroup", "TotalsCounter", "Gauge"}).Draw(t, "type"), "c")
	values := rapid.SliceOfN(rapid.SampledFrom([]float64{0, 1, 1, 2.5, -3, 1e6, 0.1, math.Copysign(0, -1), math.NaN(), math.Inf(-1)}), 1, 30).Draw(t, "values")
	if rapid.IntRange(0, 5).Draw(t, "many") == 0 {
		for i := range 700 {
			values = append(values, float64(i)*0.25)
		}
	}
	second := clock - int64(rapid.SampledFrom([]int{0, 0, 1, 14, 75, 4000, -500}).Draw(t, "ago"))
	switch rapid.IntRange(0, 3).Draw(t, "form") {
	case 0:
		var weights []uint64
		for range values {
			weights = append(weights, rapid.SampledFrom([]uint64{1, 1, 3}).Draw(t, "weight"))
		}
		e.Runs(id, []wire.Run{{Second: second, N: len(values)}}, values, weights)
	case 1:
		n := rapid.IntRange(0, len(values)-1).Draw(t, "cut")
		runs := []wire.Run{{Second: second, N: n}, {Second: second + 1, N: len(values) - n}}
		if n == 0 {
			runs = runs[1:]
		}
		e.Runs(id, runs, values, nil)
	case 2:
		e.Events(id, []wire.RawEvent{{Time: float64(second) + 0.5, Payload: []byte("7")}, {Time: float64(second), Payload: []byte(`"x"`), Weight: 2}})
	default:
		e.Values(id, second, values)
	}
}

// FuzzEvents: whatever is posted or streamed, nothing panics, memory that was
// taken is given back, and nothing of what was refused is committed.
func FuzzEvents(f *testing.F) {
	good := encoded(func(e *wire.BatchEncoder) {
		e.Values(e.Series("a", "CounterGroup", "c"), clock, []float64{1, math.NaN()})
		e.Events(e.Series("c", "Gauge", "web-2"), []wire.RawEvent{{Time: clock, Payload: []byte(`"x"`)}})
		e.Partial(e.Series("d", "TotalsCounter", "web-1"), 5, []byte{1, 5, 0, 0})
	})
	f.Add(good, false)
	f.Add(append(binary.AppendUvarint(nil, uint64(len(good))), good...), true)
	f.Add([]byte("\x02\x28\x01\x00\xff\xff"), true)
	f.Fuzz(func(t *testing.T, body []byte, framed bool) {
		s := newSink()
		h := newTestEvents(s, nil, Options{Limits: Limits{Body: 1 << 20}})
		if framed {
			fuzzFrames(t, h, body)
			return
		}
		r := httptest.NewRequest(http.MethodPost, "/v2/batch", bytes.NewReader(body))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 200 && s.commits > 0 {
			t.Fatalf("status %d after a commit", w.Code)
		}
		if h.o.Budget.Used() != 0 {
			t.Fatalf("%d bytes are held", h.o.Budget.Used())
		}
	})
}

// fuzzFrames folds what frames there are in body, as a stream does.
func fuzzFrames(t *testing.T, h *Events, body []byte) {
	r := bytes.NewReader(body)
	s := &stream{e: h, frames: &frames{conn: r, want: minFrameBuffer}, folder: h.folders.get(), spare: make(chan *load)}
	for {
		s.drain()
		l := s.open
		if l != nil && uint64(l.frames+len(l.refused)) != l.upTo {
			t.Fatalf("%d frames taken and %d refused of %d", l.frames, len(l.refused), l.upTo)
		}
		if l != nil && l.begun {
			if got := s.folder.received(); got.events != l.Events() {
				t.Fatalf("%d events counted, %d folded", got.events, l.Events())
			}
		}
		if s.refusal != nil || l != nil && len(l.refused) >= maxRefusedFrames || s.frames.fill() != nil {
			return
		}
	}
}
