package fold

import (
	"fmt"
	"testing"

	"github.com/tabaproject/taba/state"
)

// One bundle of one event per tab is the worst case per event: all of it is
// finding the State.
func BenchmarkFold(b *testing.B) {
	for _, perBundle := range []int{1, 500} {
		b.Run(fmt.Sprintf("events=%d", perBundle), func(b *testing.B) {
			a := New(testRegistry())
			var bundles []*state.Bundle
			for tab := range 100 {
				bundles = append(bundles, bundle(fmt.Sprint("winning_bid_price.", tab), "web-1.example.com", make([]float64, perBundle)...))
			}
			refuse := func(int, state.Reason) {}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				a.Fold(1, "", "Sum", bundles[i%len(bundles)], refuse)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*perBundle), "ns/event")
		})
	}
}

// A round is what a commit costs beside the store: 1,000 Partials folded,
// merged, encoded and dropped.
func BenchmarkRound(b *testing.B) {
	reg := testRegistry()
	request, pending := New(reg), New(reg)
	var bundles []*state.Bundle
	for tab := range 1000 {
		bundles = append(bundles, bundle(fmt.Sprint("winning_bid_price.", tab), "web-1.example.com", 1))
	}
	var body []byte
	b.ReportAllocs()
	for b.Loop() {
		for _, bundle := range bundles {
			request.Fold(1, "", "Sum", bundle, nil)
		}
		pending.Merge(request)
		body, _ = pending.EncodeAll(body[:0])
		pending.Reset()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(bundles)), "ns/partial")
}

func BenchmarkAddBody(b *testing.B) {
	a := New(testRegistry())
	for tab := range 1000 {
		a.Fold(1, "", "Sum", bundle(fmt.Sprint("winning_bid_price.", tab), "web-1.example.com", 1), nil)
	}
	body, _ := a.EncodeAll(nil)
	b.ReportAllocs()
	for b.Loop() {
		if err := a.AddBody(body, nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*1000), "ns/partial")
}
