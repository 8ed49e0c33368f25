package ingest

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/gather"
	"github.com/tabaproject/taba/internal/wire"
)

func newFile(t *testing.T, max int64) *gather.File {
	f := gather.NewFile(t.TempDir(), max)
	t.Cleanup(func() {
		wantEqual(t, "held of the file", f.Held(), 0)
		_ = f.Close()
	})
	return f
}

// Bodies of slow senders come to the same as those of others, in every
// encoding and of every length.
func TestSlowBodiesAreGathered(t *testing.T) {
	file := newFile(t, 64<<20)
	f := func(path, encoding string, body []byte) {
		t.Helper()
		var want string
		for _, slow := range []bool{false, true} {
			s := newSink()
			o := Options{Pace: func() time.Duration { return time.Hour }, Gather: file}
			if slow {
				o.Pace = nil
			}
			var h http.Handler = newTestHandler(s, nil, o)
			if strings.HasPrefix(path, "/v2") {
				h = newTestEvents(s, nil, o)
			}
			before := file.Written()
			r, text := post(h, path, io.MultiReader(bytes.NewReader(body)), "Content-Encoding", encoding) // of unknown length
			wantStatus(t, r, text, http.StatusOK)
			written := file.Written() - before
			if slow {
				wantEqual(t, "committed", s.String(), want)
				if len(body) > headSizes[0] {
					wantEqual(t, "gathered", written, uint64(len(body)))
				}
			} else {
				want = s.String()
				wantEqual(t, "gathered", written, 0)
			}
		}
	}
	for _, n := range []int{1, 200, 3000, 40_000} {
		text := manyEvents(n)
		f("/post", "", []byte(text))
		for encoding, body := range compressed(t, text) {
			f("/post", encoding, body)
		}
		f("/v2/batch", "", encoded(func(e *wire.BatchEncoder) {
			e.Values(e.Series("a", "CounterGroup", "c"), clock, make([]float64, n))
		}))
	}
}

func TestSlowSendersHoldAReadBuffer(t *testing.T) {
	const clients, sent = 50, 100_000
	file := newFile(t, 64<<20)
	h := newTestHandler(newSink(), nil, Options{Gather: file})
	body := []byte(manyEvents(sent / 20))
	var done sync.WaitGroup
	var writers []*io.PipeWriter
	for range clients {
		r, w := io.Pipe()
		writers = append(writers, w)
		done.Go(func() {
			if r, text := post(h, "/post", r); r.StatusCode != http.StatusOK {
				t.Errorf("status %d %q", r.StatusCode, text)
			}
		})
	}
	for _, w := range writers {
		_, _ = w.Write(body[:sent]) // returns when it was read
	}
	if used, most := h.Budget().Used(), int64(clients*headSizes[0]); used > most {
		t.Errorf("%d clients that sent %d bytes hold %d bytes, want at most %d", clients, sent, used, most)
	}
	for _, w := range writers {
		_, _ = w.Write(body[sent:])
		_ = w.Close()
	}
	done.Wait()
	wantEqual(t, "budget held", h.Budget().Used(), 0)
}

func TestGatheredBodiesAreRefusedLikeOthers(t *testing.T) {
	f := func(want int, reason string, file *gather.File, body io.Reader, o Options) {
		t.Helper()
		s := newSink()
		o.Gather = file
		h := newTestHandler(s, nil, o)
		r, text := post(h, "/post", io.MultiReader(body))
		wantStatus(t, r, text, want)
		wantEqual(t, "counted", h.Metrics().RefusedRequests(reason), 1)
		wantEqual(t, "commits", s.commits, 0)
		wantEqual(t, "budget held", h.Budget().Used(), 0)
	}
	body := manyEvents(10_000)
	f(503, reasonCapacity, newFile(t, 64<<10), strings.NewReader(body), Options{})
	f(413, reasonTooLarge, newFile(t, 64<<20), strings.NewReader(body), Options{Limits: Limits{Body: 100_000}})
	f(400, reasonMalformed, newFile(t, 64<<20), strings.NewReader("x"+body), Options{})
	f(400, reasonAborted, newFile(t, 64<<20), io.MultiReader(strings.NewReader(body), brokenReader{}), Options{})
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// Those whose turn it is not yet wait, and leave if their sender does.
func TestGatheredBodiesAreDecodedAFewAtATime(t *testing.T) {
	budget := NewBudget(1 << 20)
	for range cap(budget.decoding) {
		budget.decoding <- struct{}{}
	}
	s := newSink()
	h := newTestHandler(s, nil, Options{Gather: newFile(t, 64<<20), Budget: budget})
	ctx, cancel := context.WithCancel(t.Context())
	body := manyEvents(1000)
	answered := make(chan int)
	serve := func(ctx context.Context) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/post", strings.NewReader(body)).WithContext(ctx))
		answered <- w.Code
	}
	go serve(ctx)
	cancel()
	wantEqual(t, "status", <-answered, http.StatusBadRequest)
	wantEqual(t, "commits", s.commits, 0)
	go serve(t.Context())
	<-budget.decoding
	wantEqual(t, "status", <-answered, http.StatusOK)
	wantEqual(t, "turns taken", len(budget.decoding), cap(budget.decoding)-1)
}

// A body that is complete waits for others to give back what they hold, and is
// not refused.
func TestGatheredBodiesWaitForTheBudget(t *testing.T) {
	budget := NewBudget(4 << 20)
	other := lease{of: budget}
	other.hold(budget.Max() - int64(headSizes[0]))
	file := newFile(t, 64<<20)
	h := newTestHandler(newSink(), nil, Options{Gather: file, Budget: budget})
	body := manyEvents(1000)
	answered := make(chan int)
	go func() {
		r, _ := post(h, "/post", strings.NewReader(body))
		answered <- r.StatusCode
	}()
	for budget.waited.Load() == false {
		<-time.After(time.Millisecond)
	}
	wantEqual(t, "gathered", file.Written(), uint64(len(body)))
	other.free()
	wantEqual(t, "status", <-answered, http.StatusOK)
}
