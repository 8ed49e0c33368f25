package builtin_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/tabaproject/taba/state"
	"github.com/tabaproject/taba/state/builtin"
)

const t0 = 1_395_954_300.0

// payloadOf returns a payload of a realistic stream: latencies for the
// numeric Types, versions for gauges, messages for buffers, users for Unique.
func payloadOf(typ string, rng *rand.Rand, now float64) state.Event {
	switch typ {
	case "Gauge":
		return state.Event{Time: now, JSON: []byte(`"1.4.2"`)}
	case "ExpiryGauge":
		return state.Event{Time: now, JSON: fmt.Appendf(nil, `["1.4.2", %.1f]`, now+3600)}
	case "Buffer":
		return state.Event{Time: now, JSON: fmt.Appendf(nil, `["message %d", %.1f]`, rng.IntN(1000), now+3600)}
	case "Unique":
		return state.Event{Time: now, JSON: fmt.Appendf(nil, `"user %d"`, rng.IntN(5000))}
	}
	x := 0.2 + float64(0.8*rng.Float64()) // from 8 to 1000, most of them small
	return state.Event{Time: now, Value: 1000 * x * x * x, Number: true}
}

// bundleOf returns n events that happened within two seconds before now.
func bundleOf(typ string, n int, now float64) *state.Bundle {
	rng := rand.New(rand.NewPCG(1, uint64(now)))
	b := &state.Bundle{Tab: "tab", Client: "client"}
	for i := range n {
		b.Events = append(b.Events, payloadOf(typ, rng, now-2+2*float64(i)/float64(n)))
	}
	return b
}

// busy returns a State after a day of 20 events every 30 seconds; Types that
// have no windows are full much earlier.
func busy(h state.Handler) state.State {
	s := h.New()
	from := t0 - 86400
	switch h.Type() {
	case "Gauge", "ExpiryGauge", "Buffer":
		from = t0 - 3600
	}
	for at := from; at <= t0; at += 30 {
		s.Fold(at, bundleOf(h.Type(), 20, at), nil)
	}
	return s
}

func forEachType(b *testing.B, f func(b *testing.B, h state.Handler)) {
	for _, h := range builtin.Handlers() {
		b.Run(h.Type(), func(b *testing.B) { f(b, h) })
	}
}

// BenchmarkFold folds bundles of 500 events into a State of a day.
func BenchmarkFold(b *testing.B) {
	forEachType(b, func(b *testing.B, h state.Handler) {
		s := busy(h)
		bundle := bundleOf(h.Type(), 500, t0)
		benchFold(b, bundle, func() { s.Fold(t0, bundle, nil) })
	})
}

// BenchmarkFoldPartial folds bundles of 500 events into Partials of their own,
// whose memory is used again.
func BenchmarkFoldPartial(b *testing.B) {
	forEachType(b, func(b *testing.B, h state.Handler) {
		s := h.New()
		bundle := bundleOf(h.Type(), 500, t0)
		benchFold(b, bundle, func() { s.Reset(); s.Fold(t0, bundle, nil) })
	})
}

// BenchmarkFoldOnes folds bundles of 500 times 1, as counters get.
func BenchmarkFoldOnes(b *testing.B) {
	s := builtin.CounterGroup{}.New()
	bundle := bundleOf("CounterGroup", 500, t0)
	for i := range bundle.Events {
		bundle.Events[i].Value = 1
	}
	benchFold(b, bundle, func() { s.Reset(); s.Fold(t0, bundle, nil) })
}

func benchFold(b *testing.B, bundle *state.Bundle, fold func()) {
	b.ReportAllocs()
	for b.Loop() {
		fold()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(bundle.Events)), "ns/event")
}

// BenchmarkMergeTiny merges Partials of three events into a State of a day,
// the work of views and compaction.
func BenchmarkMergeTiny(b *testing.B) {
	forEachType(b, func(b *testing.B, h state.Handler) {
		s, tiny := busy(h), h.New()
		tiny.Fold(t0, bundleOf(h.Type(), 3, t0), nil)
		b.ReportAllocs()
		for b.Loop() {
			s.Merge(tiny)
		}
	})
}

// BenchmarkMergeBusy merges States of a day.
func BenchmarkMergeBusy(b *testing.B) {
	forEachType(b, func(b *testing.B, h state.Handler) {
		s, o := busy(h), busy(h)
		b.ReportAllocs()
		for b.Loop() {
			s.Merge(o)
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	forEachType(b, func(b *testing.B, h state.Handler) {
		tiny := h.New()
		tiny.Fold(t0, bundleOf(h.Type(), 1, t0), nil)
		benchEncode(b, "1 event", tiny)
		benchEncode(b, "a day", busy(h))
		for _, n := range []int{100, 1000} {
			if c, ok := h.New().(state.Columnar); ok { // as most Partials are made
				c.FoldColumn(t0, prices(n))
				benchEncode(b, fmt.Sprintf("%d prices", n), c)
			}
		}
	})
}

func benchEncode(b *testing.B, name string, s state.State) {
	b.Run(name, func(b *testing.B) {
		var buf []byte
		b.ReportAllocs()
		for b.Loop() {
			buf = s.Append(buf[:0])
		}
		b.ReportMetric(float64(len(buf)), "bytes")
		b.ReportMetric(float64(s.Size()), "bytes-in-memory")
	})
}

func BenchmarkDecode(b *testing.B) {
	forEachType(b, func(b *testing.B, h state.Handler) {
		tiny := h.New()
		tiny.Fold(t0, bundleOf(h.Type(), 1, t0), nil)
		benchDecode(b, "1 event", h, tiny.Append(nil))
		benchDecode(b, "a day", h, busy(h).Append(nil))
		if c, ok := h.New().(state.Columnar); ok {
			c.FoldColumn(t0, prices(100))
			benchDecode(b, "100 prices", h, c.Append(nil))
		}
	})
}

func benchDecode(b *testing.B, name string, h state.Handler, src []byte) {
	b.Run(name, func(b *testing.B) {
		s := h.New()
		b.ReportAllocs()
		for b.Loop() {
			if err := s.Decode(src); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkRender(b *testing.B) {
	forEachType(b, func(b *testing.B, h state.Handler) {
		s := busy(h)
		var buf []byte
		b.ReportAllocs()
		for b.Loop() {
			buf = s.Render(buf[:0], t0, state.Text)
		}
	})
}
