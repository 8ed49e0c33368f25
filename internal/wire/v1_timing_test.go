package wire

import (
	"bytes"
	"fmt"
	"io"
	"syscall"
	"testing"
	"time"
)

// bodyOf returns a body of n events over the given number of tabs.
func bodyOf(tabs, n int, event func(e *Encoder, i int)) []byte {
	var e Encoder
	_ = e.Client("web-1.example.com/app")
	for tab := range tabs {
		_ = e.Tab(fmt.Sprintf("winning_bid_price.%d", tab))
		for i := range n / tabs {
			event(&e, tab*(n/tabs)+i)
		}
	}
	return e.Close()
}

// counter is a ColumnSink that takes everything.
type counter struct{ n int }

func (c *counter) Columnar(string, string, string) (int64, bool) { return 1 << 60, true }
func (c *counter) Column(_ int64, values []float64)              { c.n += len(values) }

// cpuTime is what processors have spent on this process: on a machine that is
// shared it says more than the time on the wall.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkDecode(b *testing.B) {
	const n = 50_000
	one := func(name string, tabs int, sink ColumnSink, event func(e *Encoder, i int)) {
		b.Run(name, func(b *testing.B) {
			body := bodyOf(tabs, n, event)
			d := NewDecoder(nil, Limits{})
			taken := new(counter)
			if sink != nil {
				taken = sink.(*counter)
				d.Into(sink)
			}
			r := bytes.NewReader(body)
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			start := cpuTime()
			for b.Loop() {
				r.Reset(body)
				d.Reset(r)
				events := 0
				taken.n = 0
				for {
					bundle, err := d.Next()
					if err == io.EOF {
						break
					}
					if err != nil || len(bundle.Bad) > 0 {
						b.Fatal(err, bundle.Bad)
					}
					events += len(bundle.Events)
				}
				if events+taken.n != n {
					b.Fatal(events, taken.n)
				}
			}
			b.ReportMetric(float64(cpuTime()-start)/float64(b.N*n), "cpu-ns/event")
		})
	}
	run := func(name string, tabs int, event func(e *Encoder, i int)) {
		one(name, tabs, nil, event)
		one(name+"/columns", tabs, new(counter), event)
	}
	run("ints", 100, func(e *Encoder, i int) { e.EventInt("CounterGroup", 1395954314.12+float64(i), 1) })
	run("floats", 100, func(e *Encoder, i int) { e.EventNumber("PercentileGroup", 1395954314.12+float64(i)/7, float64(i)*1.37) })
	run("prices", 100, func(e *Encoder, i int) {
		e.EventText("CounterGroup", fmt.Appendf(nil, "1395954314.%02d", i%100), fmt.Appendf(nil, "%d.%02d", i*7919%1000, i%100))
	})
	run("prices, seconds mixed", 100, func(e *Encoder, i int) {
		e.EventText("CounterGroup", fmt.Appendf(nil, "139595431%d.%02d", i%5, i%100), fmt.Appendf(nil, "%d.%d", i*7919%1000, i%10))
	})
	run("digits=17", 100, func(e *Encoder, i int) {
		e.EventText("PercentileGroup", fmt.Appendf(nil, "1395954314.1%06d", i), []byte("0.12345678901234567"))
	})
	run("java", 100, func(e *Encoder, i int) {
		e.buf = fmt.Appendf(e.buf, "[\"CounterGroup\",%d,\"%d\"]\n", 1395954314+i, i)
	})
	run("events per tab=1", n, func(e *Encoder, i int) { e.EventInt("CounterGroup", 1395954314.12+float64(i), 1) })
	run("gauges", 100, func(e *Encoder, i int) { e.EventString("Gauge", 1395954314.12+float64(i), "1.4.2") })
	run("expiry gauges", 100, func(e *Encoder, i int) {
		e.Event("ExpiryGauge", 1395954314.12+float64(i), []byte(`["leader", 1395954900.0]`))
	})
}

func BenchmarkEncode(b *testing.B) {
	var e Encoder
	b.ReportAllocs()
	for b.Loop() {
		if e.Len() > 1<<20 || e.Len() == 0 {
			e.Reset()
			_ = e.Client("web-1")
			_ = e.Tab("bids_won")
		}
		e.EventNumber("CounterGroup", 1395954314.12, 1.37)
	}
}
