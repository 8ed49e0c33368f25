package ingest

import (
	"bytes"
	"compress/zlib"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/fold"
	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/state"
	"github.com/tabaproject/taba/state/builtin"
)

// clock is where the tests' handlers stand in time.
const clock = 1395954300

// sink is a Committer that remembers, in an accumulator, what it was given.
type sink struct {
	mu      sync.Mutex
	acc     *fold.Accumulator
	commits int
	err     error         // of every Commit
	gate    chan struct{} // if not nil, Commit waits for it
	entered chan struct{} // if not nil, told when Commit begins
}

func newSink() *sink { return &sink{acc: fold.New(builtin.Registry())} }

func (s *sink) Commit(ctx context.Context, acc *fold.Accumulator, taken func()) error {
	if s.entered != nil {
		s.entered <- struct{}{}
	}
	if s.gate != nil {
		<-s.gate
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commits++
	if s.err != nil {
		return s.err
	}
	s.acc.Merge(acc)
	tell(taken)
	return nil
}

// tell calls taken as a Committer does.
func tell(taken func()) {
	if taken != nil {
		taken()
	}
}

// String lists what was committed: tab Type client n, sorted.
func (s *sink) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []string
	s.acc.Encode(store.Partition{VBuckets: 1}, func(_ int, body []byte, _ uint64) {
		r := store.NewBodyReader(body)
		for r.NextTab() {
			for r.NextPartial() {
				lines = append(lines, fmt.Sprintf("%s %s %s %d", r.Tab.Name, r.Tab.Type, r.Partial.Client, r.Partial.Events))
			}
		}
	})
	return strings.Join(lines, "\n")
}

// rendered is the answer for the all-clients State of a tab.
func (s *sink) rendered(tab string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := ""
	for t, clients := range s.acc.Tabs {
		if t.Name != tab {
			continue
		}
		for _, st := range clients {
			out += string(st.Render(nil, clock, state.Text))
		}
	}
	return out
}

// types is a TypeTable.
type types map[string]string

func (t types) TypeOf(_, tab string) (string, bool) {
	typ, ok := t[tab]
	return typ, ok
}

func at(seconds int64) func() time.Time {
	return func() time.Time { return time.Unix(seconds, 0) }
}

func newTestHandler(s *sink, tt TypeTable, o Options) *Handler {
	o.Now = at(clock)
	return New(builtin.Registry(), s, tt, o)
}

// post sends a body and returns the response with its text.
func post(h http.Handler, path string, body io.Reader, header ...string) (*http.Response, string) {
	r := httptest.NewRequest(http.MethodPost, path, body)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result(), w.Body.String()
}

// doc is a v1 document of one client and tab.
func doc(client, tab string, events ...string) string {
	return "1\n\n" + client + "\n\n" + tab + "\n" + strings.Join(events, "\n") + "\n\n\n"
}

func counterEvent(n int) string {
	return fmt.Sprintf(`["CounterGroup", %d.0, "%d"]`, clock-5, n)
}

func zlibbed(s string) io.Reader {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, _ = w.Write([]byte(s))
	_ = w.Close()
	return &b
}

func wantStatus(t *testing.T, r *http.Response, text string, want int) {
	t.Helper()
	if r.StatusCode != want {
		t.Fatalf("status %d %q, want %d", r.StatusCode, text, want)
	}
}

func wantText(t *testing.T, got, part string) {
	t.Helper()
	if !strings.Contains(got, part) {
		t.Fatalf("got %q, want it to contain %q", got, part)
	}
}

func wantEqual[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}
