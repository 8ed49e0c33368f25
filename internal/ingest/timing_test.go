package ingest

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tabaproject/taba/internal/fold"
	"github.com/tabaproject/taba/state/builtin"
)

// nobody commits nothing.
type nobody struct{}

func (nobody) Commit(_ context.Context, acc *fold.Accumulator, taken func()) error {
	acc.Reset()
	tell(taken)
	return nil
}

// fleetDocument has n events over 100 tabs of the given Type.
func fleetDocument(n int, typ string) []byte {
	var b strings.Builder
	b.WriteString("1\n\nbench-client\n\n")
	for tab := range 100 {
		fmt.Fprintf(&b, "bench.tab.%03d\n", tab)
		for i := range n / 100 {
			fmt.Fprintf(&b, "[\"%s\", %d.%03d, \"%d.%d\"]\n", typ, clock-i/200, i%1000, i%89, i%10)
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
	return []byte(b.String())
}

// answerSheet is a ResponseWriter that costs nothing.
type answerSheet struct {
	header http.Header
	status int
}

func (a *answerSheet) Header() http.Header         { return a.header }
func (a *answerSheet) Write(b []byte) (int, error) { return len(b), nil }
func (a *answerSheet) WriteHeader(status int)      { a.status = status }

func benchmarkPost(b *testing.B, h http.Handler, body []byte, encoding string, events int) {
	r := httptest.NewRequest(http.MethodPost, "/post", nil)
	if encoding != "" {
		r.Header.Set("Content-Encoding", encoding)
	}
	reader := bytes.NewReader(body)
	r.Body = closer{reader}
	w := &answerSheet{header: make(http.Header)}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		reader.Reset(body)
		clear(w.header)
		if h.ServeHTTP(w, r); w.status != http.StatusOK {
			b.Fatalf("status %d", w.status)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*events), "ns/event")
}

type closer struct{ *bytes.Reader }

func (closer) Close() error { return nil }

// BenchmarkPost takes in bodies of 50,000 events over 100 tabs. Allocations
// are per body, not per event.
func BenchmarkPost(b *testing.B) {
	const events = 50_000
	for _, typ := range []string{"CounterGroup", "PercentileGroup", "TotalsCounter"} {
		b.Run(typ, func(b *testing.B) {
			benchmarkPost(b, New(builtin.Registry(), nobody{}, nil, Options{Now: at(clock)}), fleetDocument(events, typ), "", events)
		})
	}
	for name, body := range compressed(b, string(fleetDocument(events, "CounterGroup"))) {
		b.Run("CounterGroup/"+name, func(b *testing.B) {
			benchmarkPost(b, New(builtin.Registry(), nobody{}, nil, Options{Now: at(clock)}), body, name, events)
		})
	}
}

// BenchmarkPostSmall takes in bodies of one event: what a request costs.
func BenchmarkPostSmall(b *testing.B) {
	h := New(builtin.Registry(), nobody{}, nil, Options{Now: at(clock)})
	benchmarkPost(b, h, []byte(doc("c", "a", counterEvent(1))), "", 1)
}

// Allocations must not grow with the number of events.
func TestNoAllocationPerEvent(t *testing.T) {
	h := New(builtin.Registry(), nobody{}, nil, Options{Now: at(clock)})
	perBody := func(events int) float64 {
		body := fleetDocument(events, "CounterGroup")
		reader := bytes.NewReader(body)
		r := httptest.NewRequest(http.MethodPost, "/post", nil)
		r.Body = closer{reader}
		w := &answerSheet{header: make(http.Header)}
		serve := func() {
			reader.Reset(body)
			h.ServeHTTP(w, r)
		}
		for range 30 { // until every State that is used again has been the largest
			serve()
		}
		return testing.AllocsPerRun(5, serve)
	}
	few, many := perBody(1000), perBody(20_000)
	if (many-few)/19_000 > 0.001 {
		t.Errorf("%v allocations for 1,000 events, %v for 20,000", few, many)
	}
}
