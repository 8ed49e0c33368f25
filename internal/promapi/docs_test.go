package promapi_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestDocumentedQueries asks what docs/prometheus.md shows.
func TestDocumentedQueries(t *testing.T) {
	text, err := os.ReadFile("../../docs/prometheus.md")
	if err != nil {
		t.Fatal(err)
	}
	s := start(t)
	for _, age := range []string{"5", "30", "100", "500"} {
		s.record(t, "CounterGroup bids_won;dc=us@web-1 "+age+" 2", "PercentileGroup bid_latency_ms;dc=us@web-1 "+age+" 12")
	}
	asked := 0
	for _, block := range regexp.MustCompile("(?s)```promql\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		for query := range strings.Lines(block[1]) {
			if got := s.ask(t, strings.TrimSpace(query)); !strings.HasPrefix(got, "{") {
				t.Errorf("%s is answered %q", query, got)
			}
			asked++
		}
	}
	if asked < 4 {
		t.Errorf("%d queries were found", asked)
	}
}
