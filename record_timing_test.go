package taba

import (
	"fmt"
	"io"
	"math/bits"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"
)

// BenchmarkRecord records from several goroutines at once: one counter, numbers
// that recur, that never do, and a thousand counters in turn. "mutex" is the
// simple way, beside which the others are to be seen.
func BenchmarkRecord(b *testing.B) {
	for _, k := range []struct {
		name   string
		record func(all []Counter, i int)
	}{
		{"mutex", nil},
		{"counter", func(all []Counter, _ int) { all[0].Add(1) }},
		{"recurring", func(all []Counter, i int) { all[0].Add(float64(i & 127)) }},
		{"different", func(all []Counter, i int) { all[0].Add(float64(i)) }},
		{"1000 counters", func(all []Counter, i int) { all[i%1000].Add(1) }},
	} {
		for _, goroutines := range []int{1, 2, 8} {
			b.Run(fmt.Sprintf("%s/goroutines=%d", k.name, goroutines), func(b *testing.B) {
				c := New(Config{BufferBytes: 256 << 20, HTTPClient: &http.Client{Transport: nowhere{}}})
				b.Cleanup(func() { _ = c.Close(b.Context()) })
				all := make([]Counter, 1000)
				for i := range all {
					all[i] = c.Counter(fmt.Sprint("n", i))
				}
				record, m := k.record, newMutexes()
				if record == nil {
					record = func(_ []Counter, i int) { m.record(1, float64(i)) }
				}
				b.ReportAllocs()
				b.ResetTimer()
				var wg sync.WaitGroup
				for range goroutines {
					wg.Go(func() {
						for i := range b.N / goroutines {
							record(all, i)
						}
					})
				}
				wg.Wait()
				b.ReportMetric(float64(c.Stats().DroppedTotal())/float64(b.N), "dropped/op")
			})
		}
	}
}

// nowhere takes everything.
type nowhere struct{}

func (nowhere) RoundTrip(r *http.Request) (*http.Response, error) {
	_, err := io.Copy(io.Discard, r.Body)
	return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader("")), Request: r}, err
}

// mutexes is the simple way: events, one by one, behind several mutexes. They
// are never sent.
type mutexes struct{ stripes []mutexStripe }

type mutexStripe struct {
	mu     sync.Mutex
	n      int
	events [1024]struct {
		at    int64
		value float64
		id    uint32
	}
	_ [64]byte
}

func newMutexes() *mutexes {
	return &mutexes{make([]mutexStripe, 1<<bits.Len(uint(4*shardCount(16))))}
}

func (m *mutexes) record(id uint32, v float64) {
	var here byte
	h := uintptr(unsafe.Pointer(&here)) >> 10
	h ^= h >> 7
	st := &m.stripes[h&uintptr(len(m.stripes)-1)]
	st.mu.Lock()
	e := &st.events[st.n%len(st.events)]
	e.at, e.value, e.id = 1, v, id
	st.n++
	st.mu.Unlock()
}

// BenchmarkBarrier is what it costs everybody when the clock goes to rest.
func BenchmarkBarrier(b *testing.B) {
	c := newRecorders(1 << 20)
	for b.Loop() {
		c.numbers.barrier()
	}
}

// BenchmarkEncode takes what was recorded and makes bodies of it: different
// numbers of a hundred series.
func BenchmarkEncode(b *testing.B) {
	for _, v2 := range []bool{false, true} {
		b.Run(fmt.Sprintf("v2=%t", v2), func(b *testing.B) {
			c := newRecorders(64 << 20)
			c.clock.Store(time.Now().UnixMilli())
			e := newEncoder(2 << 20)
			all := make([]*series, 100)
			for i := range all {
				all[i], _ = c.addSeries("PercentileGroup", fmt.Sprint("n", i))
			}
			const each = 32_000
			events := uint64(0)
			for b.Loop() {
				b.StopTimer()
				for i := range each {
					all[i%100].number(float64(i) / 8)
				}
				b.StartTimer()
				for e.mark(c); !e.empty(c); {
					body := e.build(c, v2, time.Now(), 0)
					events += body.events
					e.forget(c, body)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(events), "ns/event")
		})
	}
}
