package taba_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"sort"
	"strconv"
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
	old     bool          // knows no v2
	status  int           // answered instead of 200; nothing counts
	header  map[string]string
	reply   []byte        // to a body of v2
	gate    chan struct{} // if not nil, requests wait for it
	arrived chan struct{} // if not nil, told of every request
	takes   time.Duration // for an answer
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
	if a.takes > 0 {
		<-time.After(a.takes)
	}
	if a.old && r.URL.Path != "/post" {
		http.NotFound(w, r)
		return
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
	if r.URL.Path == "/post" {
		a.count(body)
		return
	}
	a.countBatch(body)
	_, _ = w.Write(a.reply)
}

// countBatch counts what a body of v2 says, in the words of v1.
func (a *agent) countBatch(body []byte) {
	d := wire.NewBatchDecoder(0)
	if _, err := d.Begin(body); err != nil {
		panic(fmt.Sprintf("%v in %q", err, body))
	}
	var e wire.Encoder
	for d.Next() == wire.FoundBundle {
		b := &d.Bundle
		s := d.Series()[b.Series]
		_, _ = e.Client(s.Client), e.Tab(s.Tab)
		for second, n := b.NextRun(); n > 0; second, n = b.NextRun() {
			values := make([]float64, n)
			b.Floats(values)
			for _, v := range values {
				e.EventText(s.Type, strconv.AppendInt(nil, second, 10), strconv.AppendFloat(nil, v, 'f', -1, 64))
				e.Repeat(int(b.Weight()) - 1)
			}
		}
		for ev, ok := b.NextEvent(); ok; ev, ok = b.NextEvent() {
			e.Event(s.Type, ev.Time, ev.Payload)
		}
	}
	a.count(e.Close())
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
	if cfg.FlushEvery == 0 {
		cfg.FlushEvery = time.Hour // when the test says so
	}
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
