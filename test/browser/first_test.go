package browser_test

import (
	"flag"
	"fmt"
	"slices"
	"testing"
)

// BenchmarkFirstNumbers measures how long it takes, in a window that has nothing
// of the page yet, from asking for the page to the first numbers of a server with
// 10,000 tabs: how much comes in, and which of them get most.
func BenchmarkFirstNumbers(b *testing.B) {
	s, err := startDemo()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.stop)
	s.manyTabs(b, 10_000)
	var took []float64
	for b.Loop() {
		p := look(b, s, "/", desk, tall)
		p.until(`performance.getEntriesByName("taba:numbers").length > 0`)
		took = append(took, value[float64](p, `performance.getEntriesByName("taba:numbers")[0].startTime`))
		p.close()
	}
	slices.Sort(took)
	b.ReportMetric(took[len(took)/2], "ms-to-numbers")
	b.ReportMetric(took[len(took)-1], "ms-at-worst")
	b.ReportMetric(0, "ns/op") // with the making of a window
}

var tabs = flag.Int("tabs", 10_000, "how many tabs TestManyTabs makes; beyond 100,000 they cannot be ranked one by one")

// TestManyTabs searches and turns pages where there are more tabs than one wants
// to see.
func TestManyTabs(t *testing.T) {
	s, err := startServer("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	s.manyTabs(t, *tabs)
	p := look(t, s, "/", desk, tall)
	p.sees(".tile", "0,000")
	p.sees("table", "shop")
	p.press("/", "s", "h", "o", "p", "7", "7")
	p.sees("#hits li", "all tabs with it")
	p.open("/ui/tabs")
	p.sees("table", "shop0;shelf=0")
	p.click(`a[rel="next"]`)
	p.until(`location.search.includes("after=")`)
	p.until(`!document.querySelector("main").innerText.includes("shop0;shelf=0")`)
	p.sees("table", "shop")
	p.shot("many-tabs")
}

// manyTabs records tabs by the ten thousand: a hundred of each name, told apart
// by a tag.
func (s *server) manyTabs(t testing.TB, count int) {
	const each = 10_000
	for first := 0; first < count; first += each {
		body := ""
		for i := first; i < first+each; i++ {
			body += fmt.Sprintf("shop%d;shelf=%d\n%s\n\n", i/100, i%100, event("CounterGroup", "1"))
		}
		s.send(t, fmt.Sprintf("web-%d", first), body)
	}
}
