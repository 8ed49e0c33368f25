package query_test

import (
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// documented is the server that docs/queries.md asks.
func documented(t *testing.T) *server {
	s := start(t, mem())
	s.record(t,
		"PercentileGroup bid_latency_ms;dc=us-east;exchange=a@web-1 10 5",
		"PercentileGroup bid_latency_ms;dc=us-east;exchange=a@web-2 10 7",
		"PercentileGroup bid_latency_ms;dc=us-east;exchange=b@web-1 700 11",
		"PercentileGroup bid_latency_ms;dc=eu-west;exchange=a@web-3 10 100",
		"CounterGroup bids_won@web-1 5 2",
	)
	return s
}

// fenced is the blocks of a Markdown text.
var fenced = regexp.MustCompile("(?s)```([a-z]+)\n(.*?)```")

// TestDocumentedQueries asks everything that docs/queries.md shows. An answer
// that follows a request is the one to it.
func TestDocumentedQueries(t *testing.T) {
	text, err := os.ReadFile("../../docs/queries.md")
	if err != nil {
		t.Fatal(err)
	}
	s := documented(t)
	var last answer
	asked := 0
	for _, block := range fenced.FindAllStringSubmatch(string(text), -1) {
		switch body := block[2]; block[1] {
		case "console":
			for line := range strings.Lines(body) {
				_, query, _ := strings.Cut(line, "'")
				query, _, ok := strings.Cut(query, "'")
				if x := s.ask(t, query); !ok || x.Error.Code != "" || len(x.Rows) == 0 {
					t.Errorf("%s: %+v", line, x)
				}
				asked++
			}
		case "http":
			request, body, _ := strings.Cut(body, "\n")
			last = s.do(t, strings.ReplaceAll(request, `"`, "%22"), body)
			asked++
		case "json":
			var got, want any
			if json.Unmarshal([]byte(last.body), &got) != nil || json.Unmarshal([]byte(body), &want) != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("the answer is\n%s, not\n%s", last.body, body)
			}
		}
	}
	if asked < 8 {
		t.Errorf("%d requests were found", asked)
	}
}
