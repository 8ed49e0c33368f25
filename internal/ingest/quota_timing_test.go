package ingest

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/tabaproject/taba/state/builtin"
)

// BenchmarkPostQuota takes in bodies of one event of each of 100 known tabs, where
// a look at each State would be dearest: without limits, far from them, where
// nobody looks, and at them, where each State is looked up.
func BenchmarkPostQuota(b *testing.B) {
	const tabs = 100
	known := &table{tabs: map[string]string{}, states: map[[2]string]bool{}}
	var names []string
	for i := range tabs {
		name := fmt.Sprint("shop.checkout.requests.", i)
		names = append(names, name)
		known.tabs[name] = "CounterGroup"
		known.states[[2]string{name, "web-1"}] = true
	}
	body := []byte(strings.ReplaceAll(ofTabs("web-1", names...), "\n\n\n", "\n\n"))
	for _, c := range []struct {
		name string
		q    *Quota
	}{{"none", nil}, {"far", quota(known, math.MaxInt32, math.MaxInt32)}, {"near", quota(known, tabs, tabs)}} {
		b.Run(c.name, func(b *testing.B) {
			h := New(builtin.Registry(), nobody{}, known, Options{Now: at(clock), Quota: c.q})
			if c.q != nil {
				c.q.count()
			}
			start := cpuTime()
			benchmarkPost(b, h, body, "", tabs)
			b.ReportMetric(float64(cpuTime()-start)/float64(b.N*tabs), "cpu-ns/event")
		})
	}
}
