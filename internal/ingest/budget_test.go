package ingest

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
)

func TestOverBudgetIsToldToRetry(t *testing.T) {
	s := newSink()
	budget := NewBudget(300 << 10)
	h := newTestHandler(s, nil, Options{Budget: budget})
	other := lease{of: budget}
	if !other.hold(299 << 10) {
		t.Fatal("an empty budget has no room")
	}
	f := func(want int) {
		t.Helper()
		r, text := post(h, "/post", strings.NewReader(doc("c", "a", counterEvent(1))))
		wantStatus(t, r, text, want)
		if want == http.StatusServiceUnavailable {
			wantEqual(t, "text", text, "Service is temporarily at capacity. Retry later.\n")
			wantEqual(t, "Retry-After", r.Header.Get("Retry-After"), "1")
		}
	}
	f(503)
	other.free()
	f(200)
	wantEqual(t, "budget held", budget.Used(), 0)
	wantEqual(t, "counted", h.Metrics().RefusedRequests(reasonCapacity), 1)
	wantEqual(t, "commits", s.commits, 1)
}

func TestOneBodyCannotTakeMoreThanTheBudget(t *testing.T) {
	h := newTestHandler(newSink(), nil, Options{Budget: NewBudget(256 << 10)})
	// One bundle of many events is held until it is complete.
	r, text := post(h, "/post", strings.NewReader(manyEvents(50_000)))
	wantStatus(t, r, text, 503)
	wantEqual(t, "budget held", h.Budget().Used(), 0)
}

func TestBudgetIsHeldUntilTheCommit(t *testing.T) {
	s := newSink()
	s.gate, s.entered = make(chan struct{}), make(chan struct{})
	h := newTestHandler(s, nil, Options{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		post(h, "/post", strings.NewReader(doc("c", "a", counterEvent(1))))
	}()
	<-s.entered
	if h.Budget().Used() == 0 {
		t.Error("nothing is charged while the commit is awaited")
	}
	close(s.gate)
	<-done
	wantEqual(t, "budget held", h.Budget().Used(), 0)
}

// A slow client holds a small multiple of what it sent, however long its body
// is said to be.
func TestSlowClientsHoldWhatTheySent(t *testing.T) {
	const clients = 100
	h := newTestHandler(newSink(), nil, Options{})
	var done sync.WaitGroup
	var writers []*io.PipeWriter
	for range clients {
		r, w := io.Pipe()
		writers = append(writers, w)
		done.Go(func() { post(h, "/post", r) })
	}
	for _, w := range writers {
		_, _ = io.WriteString(w, "1\n\nc\n\n") // returns when it was read
	}
	if used, most := h.Budget().Used(), int64(clients*headSizes[0]); used > most {
		t.Errorf("%d clients that sent 6 bytes hold %d bytes, want at most %d", clients, used, most)
	}
	for _, w := range writers {
		_, _ = w.Write(make([]byte, 5000))
	}
	if used, most := h.Budget().Used(), int64(clients*headSizes[1]); used > most {
		t.Errorf("%d clients that sent 5006 bytes hold %d bytes, want at most %d", clients, used, most)
	}
	for _, w := range writers {
		_ = w.CloseWithError(io.ErrUnexpectedEOF)
	}
	done.Wait()
	wantEqual(t, "budget held", h.Budget().Used(), 0)
}

func TestPoolIsBounded(t *testing.T) {
	made := 0
	p := pool[[]byte]{
		fresh: func() []byte { made++; return nil },
		size:  func(b []byte) int { return len(b) },
	}
	p.put(make([]byte, poolBytes+1))
	p.get()
	wantEqual(t, "made after too large an item", made, 1)
	for range 100 {
		p.put(make([]byte, 1<<20))
	}
	if p.bytes > poolBytes {
		t.Fatalf("the pool holds %d bytes, want at most %d", p.bytes, poolBytes)
	}
	for range 200 {
		p.get()
	}
	wantEqual(t, "bytes accounted when empty", p.bytes, 0)
}
