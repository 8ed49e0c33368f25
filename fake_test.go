package taba_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tabaproject/taba"
	"github.com/tabaproject/taba/internal/wire"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// agent answers as an agent does and remembers the events it was sent. It is
// an http.Handler, and a RoundTripper for tests without a network.
type agent struct {
	mu      sync.Mutex
	bodies  [][]byte
	events  []string // "client tab Type payload", in order of arrival
	times   map[string][]float64
	request *http.Request // the last one
	status  int           // answered instead of 200; nothing counts
	header  map[string]string
	gate    chan struct{} // if not nil, requests wait for it
	arrived chan struct{} // if not nil, told of every request
}

func (a *agent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if a.arrived != nil {
		a.arrived <- struct{}{}
	}
	if a.gate != nil {
		select {
		case <-a.gate:
		case <-r.Context().Done():
			return
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.request = r
	a.bodies = append(a.bodies, body)
	for k, v := range a.header {
		w.Header().Set(k, v)
	}
	if a.status != 0 {
		http.Error(w, "no luck", a.status)
		return
	}
	a.count(body)
}

func (a *agent) count(body []byte) {
	d := wire.NewDecoder(strings.NewReader(string(body)), wire.Limits{})
	if a.times == nil {
		a.times = make(map[string][]float64)
	}
	for {
		b, err := d.Next()
		if err == io.EOF {
			return
		}
		if err != nil || len(b.Bad) > 0 {
			panic(fmt.Sprintf("%v %v in %q", err, b.Bad, body))
		}
		for _, e := range b.Events {
			a.events = append(a.events, fmt.Sprintf("%s %s %s %s", b.Client, b.Tab, b.Type, e.JSON))
			a.times[b.Tab] = append(a.times[b.Tab], e.Time)
		}
	}
}

// RoundTrip implements http.RoundTripper.
func (a *agent) RoundTrip(r *http.Request) (*http.Response, error) {
	done := make(chan *http.Response, 1)
	go func() {
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		done <- w.Result()
	}()
	select {
	case response := <-done:
		response.Request = r
		return response, nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// set changes how the agent answers.
func (a *agent) set(status int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.status = status
}

func (a *agent) requests() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.bodies)
}

// got is every event, sorted.
func (a *agent) got() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	events := append([]string(nil), a.events...)
	sort.Strings(events)
	return strings.Join(events, "\n")
}

// newClient returns a client of a, over HTTP.
func newClient(t testing.TB, a *agent, cfg taba.Config) *taba.Client {
	t.Helper()
	s := httptest.NewServer(a)
	t.Cleanup(s.Close)
	cfg.URL = s.URL
	if cfg.Client == "" {
		cfg.Client = "test"
	}
	c := taba.New(cfg)
	t.Cleanup(func() { _ = c.Close(ended()) })
	return c
}

// offline returns a client of a without a network, for use with synctest.
func offline(a *agent, cfg taba.Config) *taba.Client {
	cfg.Client = "test"
	cfg.HTTPClient = &http.Client{Transport: a}
	return taba.New(cfg)
}

// ended is a context that has ended.
func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func flush(t testing.TB, c *taba.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := c.Flush(ctx); err != nil {
		t.Fatal(err)
	}
}

func wantEqual[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

// balanced checks that nothing was forgotten.
func balanced(t testing.TB, s taba.Stats) {
	t.Helper()
	lost := s.Dropped[taba.DropRejected] + s.Dropped[taba.DropClosed]
	if sum := s.Sent + s.Refused + s.Superseded + s.Pending; sum > s.Recorded || sum+lost < s.Recorded {
		t.Fatalf("the figures do not add up: %+v", s)
	}
}
