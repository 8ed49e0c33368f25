package taba_test

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/tabaproject/taba"
)

// swallow answers 200 to everything.
func swallow(r *http.Request) (*http.Response, error) {
	_, err := io.Copy(io.Discard, r.Body)
	return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader("")), Request: r}, err
}

func benchmarkClient(b *testing.B) *taba.Client {
	c := taba.New(taba.Config{
		Client: "bench", BufferBytes: 64 << 20,
		HTTPClient: &http.Client{Transport: transport(swallow)},
	})
	b.Cleanup(func() { _ = c.Close(ended()) })
	return c
}

// BenchmarkAdd records into one hot counter, faster than can be sent: what
// part is dropped is shown.
func BenchmarkAdd(b *testing.B) {
	for _, goroutines := range []int{1, 2, 8} {
		b.Run(map[int]string{1: "goroutines=1", 2: "goroutines=2", 8: "goroutines=8"}[goroutines], func(b *testing.B) {
			c := benchmarkClient(b)
			n := c.Counter("bids_won")
			b.ReportAllocs()
			b.ResetTimer()
			var wg sync.WaitGroup
			for range goroutines {
				wg.Go(func() {
					for range b.N / goroutines {
						n.Add(1)
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(c.Stats().DroppedTotal())/float64(b.N), "dropped/op")
		})
	}
}

// BenchmarkAddByName resolves the handle each time.
func BenchmarkAddByName(b *testing.B) {
	c := benchmarkClient(b)
	b.ReportAllocs()
	for b.Loop() {
		c.Counter("bids_won").Add(1)
	}
}

func BenchmarkGaugeSet(b *testing.B) {
	g := benchmarkClient(b).Gauge("build")
	b.ReportAllocs()
	for b.Loop() {
		g.Set("v1.2.3")
	}
}

// Recording a number must not allocate, once there is memory for it.
func TestRecordingDoesNotAllocate(t *testing.T) {
	c := newClient(t, &agent{}, taba.Config{})
	n, p := c.Counter("n"), c.Percentile("p")
	n.Add(1)
	if got := testing.AllocsPerRun(100, func() {
		n.Add(1)
		p.Record(2.5)
	}); got > 0 {
		t.Errorf("%v allocations", got)
	}
}
