package app

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"testing"
	"time"
)

// BenchmarkPostCommitted measures v1 bodies of 50,000 events over 100 tabs to
// committed state, whole server and real disk.
func BenchmarkPostCommitted(b *testing.B) {
	cfg := DefaultServerConfig()
	cfg.Data = b.TempDir()
	s, err := newServer(cfg, Options{}.withDefaults())
	if err != nil {
		b.Fatal(err)
	}
	defer s.store.Shutdown()
	defer s.query.Close()
	const events, tabs = 50_000, 100
	var body bytes.Buffer
	body.WriteString("1\n\nclient\n\n")
	now := time.Now().Unix()
	for t := range tabs {
		fmt.Fprintf(&body, "tab_%03d\n", t)
		for e := range events / tabs {
			fmt.Fprintf(&body, "[\"CounterGroup\", %d.%02d, \"%d.%d\"]\n", now-int64(e%5), e%100, (e*7919+t)%1000, e%10)
		}
		body.WriteByte('\n')
	}
	body.WriteByte('\n')
	b.SetBytes(int64(body.Len()))
	b.ReportAllocs()
	start := cpuTime()
	for b.Loop() {
		w := httptest.NewRecorder()
		s.front.mux.ServeHTTP(w, httptest.NewRequest("POST", "/post", bytes.NewReader(body.Bytes())))
		if w.Code != 200 {
			b.Fatal(w.Code, w.Body)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/events, "ns/event")
	b.ReportMetric(float64(cpuTime()-start)/float64(b.N)/events, "cpu-ns/event")
}
