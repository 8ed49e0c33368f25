package view_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/tabaproject/taba/internal/fold"
	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/view"
	"github.com/tabaproject/taba/internal/wire"
	"github.com/tabaproject/taba/state"
	"github.com/tabaproject/taba/state/builtin"
)

// What the benchmarks read: tabs of Type CounterGroup, each of many clients,
// with a day of events.
const (
	benchTabs    = 1000
	benchClients = 20
	benchEvents  = 60 // of each client of each tab
	benchNow     = 1395954300.0
)

// source appends Partials to a store, as a server does.
type source struct {
	st   store.Store
	id   store.SourceID
	head []store.Head
}

func newSource(b testing.TB, st store.Store) *source {
	id, err := st.Open(context.Background(), store.ClassDirect, store.Nonce{1}, st.Meta().Created)
	if err != nil {
		b.Fatal(err)
	}
	return &source{st: st, id: id, head: make([]store.Head, st.Meta().Partition.VBuckets)}
}

func (s *source) append(b testing.TB, acc *fold.Accumulator) {
	acc.Encode(s.st.Meta().Partition, func(vb int, body []byte, events uint64) { s.appendBody(b, body, vb, events) })
	acc.Reset()
}

func (s *source) appendBody(b testing.TB, body []byte, vb int, events uint64) {
	h := s.head[vb]
	p := store.Part{Source: s.id, VB: vb, Seq: h.Seq + 1, Prev: h.Seq, Digest: wire.DigestOf(body), Events: events, Body: body}
	p.Chain = store.NextChain(h.Chain, p.Seq, p.Prev, p.Digest)
	r, err := s.st.Append(context.Background(), []store.Part{p})
	if err != nil || r[0].Verdict != store.Applied {
		b.Fatalf("append: %v, %+v", err, r)
	}
	s.head[vb] = r[0].Head
}

func name(i int) string { return fmt.Sprintf("bench.counter.%04d", i) }

// filled returns a store with the benchmark's data, compacted.
func filled(b testing.TB, reg *state.Registry) (store.Store, *source) {
	st := store.NewMem(store.MemOptions{VBuckets: 1})
	src := newSource(b, st)
	rng := rand.New(rand.NewPCG(1, 2))
	acc := fold.New(reg)
	for tab := range benchTabs {
		for client := range benchClients {
			events := make([]state.Event, benchEvents)
			for i := range events {
				age := rng.ExpFloat64() * 3600 // most of them lately, some long ago
				events[i] = state.Event{Time: benchNow - age, Value: rng.Float64() * 100, Number: true}
			}
			bundle := state.Bundle{Tab: name(tab), Client: fmt.Sprintf("client-%02d", client), Events: events}
			acc.Fold(benchNow, "", "CounterGroup", &bundle, nil)
		}
		if tab%50 == 49 {
			src.append(b, acc)
		}
	}
	c := view.NewCompactor(st, reg, view.CompactorOptions{})
	if err := c.Compact(context.Background()); err != nil {
		b.Fatal(err)
	}
	return st, src
}

// recent appends what a second of a small fleet is.
func recent(b testing.TB, src *source, acc *fold.Accumulator, i int) {
	for n := range 100 {
		bundle := state.Bundle{
			Tab: name((i*100 + n) % benchTabs), Client: fmt.Sprintf("client-%02d", n%benchClients),
			Events: []state.Event{{Time: benchNow, Value: float64(n), Number: true}},
		}
		acc.Fold(benchNow, "", "CounterGroup", &bundle, nil)
	}
	src.append(b, acc)
}

func benchmark(b *testing.B, query func(v *view.View) int) {
	reg := builtin.Registry()
	st, src := filled(b, reg)
	v := view.New(st, reg, view.Options{})
	query(v)
	acc := fold.New(reg)
	b.ReportAllocs()
	b.ResetTimer()
	bytes := 0
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		recent(b, src, acc, i)
		b.StartTimer()
		bytes += query(v)
	}
	b.ReportMetric(float64(bytes)/float64(b.N), "bytes/answer")
	b.ReportMetric(float64(v.Stats().HotBytes)/(1<<20), "hot-MiB")
}

func request(names ...string) view.Request {
	r := view.Request{Now: benchNow, At: benchNow}
	if names != nil {
		r.Names = view.List(names...)
	}
	return r
}

func BenchmarkTabs1000Warm(b *testing.B) {
	benchmark(b, func(v *view.View) (bytes int) {
		_ = v.Tabs(b.Context(), request(), func(r view.Row) error { bytes += len(r.Render); return nil })
		return bytes
	})
}

func BenchmarkTabs1Warm(b *testing.B) {
	benchmark(b, func(v *view.View) (bytes int) {
		_ = v.Tabs(b.Context(), request(name(7)), func(r view.Row) error { bytes += len(r.Render); return nil })
		return bytes
	})
}

func BenchmarkProjection20000Warm(b *testing.B) {
	benchmark(b, func(v *view.View) (bytes int) {
		_ = v.Projection(b.Context(), request(), func(r view.Row) error { bytes += len(r.Render); return nil })
		return bytes
	})
}

func BenchmarkTabsOfClients1000Warm(b *testing.B) {
	benchmark(b, func(v *view.View) (bytes int) {
		r := request()
		r.Clients = view.List("client-01", "client-02")
		_ = v.Tabs(b.Context(), r, func(r view.Row) error { bytes += len(r.Render); return nil })
		return bytes
	})
}

func benchmarkCold(b *testing.B, query func(v *view.View) int) {
	reg := builtin.Registry()
	st, _ := filled(b, reg)
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		query(view.New(st, reg, view.Options{}))
	}
}

func BenchmarkTabs1000Cold(b *testing.B) {
	benchmarkCold(b, func(v *view.View) (bytes int) {
		_ = v.Tabs(b.Context(), request(), func(r view.Row) error { bytes += len(r.Render); return nil })
		return bytes
	})
}

func BenchmarkProjection20000Cold(b *testing.B) {
	benchmarkCold(b, func(v *view.View) (bytes int) {
		_ = v.Projection(b.Context(), request(), func(r view.Row) error { bytes += len(r.Render); return nil })
		return bytes
	})
}

// BenchmarkCatchUp is the cost of following the log, per entry of 100
// Partials.
func BenchmarkCatchUp(b *testing.B) {
	benchmark(b, func(v *view.View) int {
		if err := v.CatchUp(b.Context()); err != nil {
			b.Fatal(err)
		}
		return 0
	})
}

func BenchmarkCompact(b *testing.B) {
	reg := builtin.Registry()
	st, src := filled(b, reg)
	c := view.NewCompactor(st, reg, view.CompactorOptions{})
	acc := fold.New(reg)
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		for n := range 10 {
			recent(b, src, acc, i*10+n)
		}
		b.StartTimer()
		if err := c.Compact(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
