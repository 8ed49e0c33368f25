package view

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// BenchmarkSearch searches as one types, among 1,000,000 names of which half
// have tags, and reports the slowest of a hundred searches.
func BenchmarkSearch(b *testing.B) {
	st := newFakeStore(1)
	v := New(st, testRegistry(b), Options{})
	const names = 1_000_000
	for i := 0; i < names; {
		var batch []event
		for ; len(batch) < 10_000; i++ {
			n := fmt.Sprintf("team%02d.service%03d.metric_%06d", i%40, i%977, i)
			if i%2 == 0 {
				n += fmt.Sprintf(";dc=d%d;host=h%05d", i%5, i%50_000)
			}
			batch = append(batch, event{tab: n, client: fmt.Sprintf("c%d", i%100), value: 1})
		}
		st.append(batch...)
	}
	start := time.Now()
	if _, _, err := v.SearchTabs(b.Context(), Page{Limit: 1}); err != nil {
		b.Fatal(err)
	}
	b.Logf("the first search, which reads the directory and makes the index, took %v", time.Since(start))
	rng := rand.New(rand.NewPCG(1, 2))
	run := func(name string, search func(i int) error) {
		b.Run(name, func(b *testing.B) {
			var took []time.Duration
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				begin := time.Now()
				if err := search(i); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(begin))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100])/1e6, "p99-ms")
		})
	}
	run("prefix", func(int) error {
		whole := fmt.Sprintf("team%02d.service%03d.metric_", rng.IntN(40), rng.IntN(977))
		_, _, err := v.SearchTabs(b.Context(), Page{Prefix: whole[:rng.IntN(len(whole))], Limit: 100})
		return err
	})
	run("prefix after new tabs", func(i int) error {
		st.append(event{tab: fmt.Sprintf("team%02d.fresh%d;dc=d1", i%40, i), client: "c1", value: 1})
		_, _, err := v.SearchTabs(b.Context(), Page{Prefix: fmt.Sprintf("team%02d.f", i%40), Limit: 100})
		return err
	})
	run("tags", func(int) error {
		_, _, err := v.SearchTags(b.Context(), Page{Limit: 100})
		return err
	})
	run("values of a tag", func(int) error {
		_, _, err := v.SearchTagValues(b.Context(), "host", Page{Prefix: fmt.Sprintf("h%d", rng.IntN(100)), Limit: 100})
		return err
	})
}
