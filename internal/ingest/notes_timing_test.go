package ingest

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/fold"
	"github.com/tabaproject/taba/internal/trail"
	"github.com/tabaproject/taba/state/builtin"
)

// BenchmarkBookkeeping compares, round by round, ingestion that keeps what became
// of names with one that does not: of events that simply count, of bodies a
// hundredth of which is refused, and while somebody looks. In each round both take
// in the same.
func BenchmarkBookkeeping(b *testing.B) {
	const events = 50_000
	clean := fleetDocument(events, "CounterGroup")
	refused := bytes.Replace(clean, []byte("bench.tab.042\n"), []byte("bench.tab.\x01\n"), 1)
	frames, inFrames := bundleFrames(100)
	b.Run("v1", func(b *testing.B) { compare(b, events, posting(b, clean)) })
	b.Run("v1/refused=1%", func(b *testing.B) { compare(b, events, posting(b, refused)) })
	b.Run("v1/looked-at", func(b *testing.B) {
		compare(b, events, func(t *trail.Trail) func() {
			if t != nil {
				t.Look(func(name string) bool { return name == "bench.tab.042" }, 100)
			}
			return posting(b, clean)(t)
		})
	})
	b.Run("v2", func(b *testing.B) { compare(b, inFrames, unbundling(b, frames)) })
}

// compare measures what make returns with a Trail and without.
func compare(b *testing.B, events int, make func(*trail.Trail) func()) {
	sides := [2]func(){make(nil), make(trail.New(trail.Options{}))}
	var took [2]time.Duration
	for i := range 4 { // the first rounds are for warming up
		sides[i%2]()
	}
	for n := 0; b.Loop(); n++ {
		for i := range sides {
			side := (i + n) % 2 // neither is always the first
			start := cpuTime()
			sides[side]()
			took[side] += cpuTime() - start
		}
	}
	per := func(side int) float64 { return float64(took[side]) / float64(b.N*events) }
	b.ReportMetric(per(0), "cpu-ns/event-without")
	b.ReportMetric(per(1), "cpu-ns/event-with")
	b.ReportMetric(100*(per(1)/per(0)-1), "%more")
}

func posting(b *testing.B, body []byte) func(*trail.Trail) func() {
	return func(t *trail.Trail) func() {
		m := NewMetrics()
		m.Trail = t
		h := New(builtin.Registry(), nobody{}, nil, Options{Now: at(clock), Metrics: m})
		r := httptest.NewRequest(http.MethodPost, "/post", nil)
		reader := bytes.NewReader(body)
		r.Body = closer{reader}
		w := &answerSheet{header: make(http.Header)}
		return func() {
			reader.Reset(body)
			clear(w.header)
			if h.ServeHTTP(w, r); w.status != http.StatusOK {
				b.Fatalf("status %d", w.status)
			}
		}
	}
}

func unbundling(b *testing.B, frames [][]byte) func(*trail.Trail) func() {
	return func(t *trail.Trail) func() {
		m := NewMetrics()
		m.Trail = t
		o := Options{Metrics: m}.withDefaults()
		o.door = m.v2
		u, acc := newUnbundler(nil, &o), fold.New(builtin.Registry())
		first := true
		return func() {
			u.begin(acc, clock)
			for i, m := range frames {
				if i == 0 && !first { // it declares the series
					continue
				}
				if err := u.check(m); err != nil {
					b.Fatal(err)
				}
				if err := u.fold(func() bool { return true }); err != nil {
					b.Fatal(err)
				}
			}
			first = false
			o.note(u.received().notes, "127.0.0.1:4711")
			u.end()
			acc.Reset()
		}
	}
}
