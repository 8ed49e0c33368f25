package taba_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tabaproject/taba"
	"github.com/tabaproject/taba/internal/app"
)

// To an agent that does not know v2 the same events go in v1, and v2 is tried
// again now and then.
func TestOldAgentsAreSentV1(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &agent{old: true}
		c := offline(a, taba.Config{})
		next := 0.0
		record := func(path string) {
			t.Helper()
			for range 3 {
				c.Counter("n").Add(next)
			}
			c.Percentile("p").Record(next)
			c.Buffer("b").Push(next, time.Now().Add(time.Hour))
			c.Counter("bad name").Add(1)
			next++
			flush(t, c)
			wantEqual(t, "path", a.request.URL.Path, path)
		}
		record("/post")
		record("/post")
		a.old = false // it is replaced
		record("/post")
		pass(time.Hour)
		record("/v2/batch")
		record("/v2/batch")
		a.old = true // and that is taken back
		record("/post")
		s := c.Stats()
		wantEqual(t, "sent", s.Sent, uint64(5*next))
		wantEqual(t, "failures", s.Failures, 0)
		wantEqual(t, "last error", fmt.Sprint(s.LastError), `taba: tab name "bad name" has the byte ' '; names are made of A-Z a-z 0-9 and ._~:/?@!$()*+;=-; its events are dropped`)
		wantEqual(t, "reported drops", dropsReported(a), uint64(next))
		for i := range int(next) {
			wantEqual(t, "counted", strings.Count(a.got(), fmt.Sprintf("test n CounterGroup %d\n", i)), 3)
			wantEqual(t, "recorded", strings.Count(a.got(), fmt.Sprintf("test p PercentileGroup %d\n", i)), 1)
		}
		_ = c.Close(context.Background())
	})
}

// A run of v1 is as many lines as it has events: it goes into as many bodies
// as it takes. In v2 it is a number.
func TestLongRuns(t *testing.T) {
	const n = 100_000
	for _, old := range []bool{true, false} {
		a := &agent{old: old}
		c := newClient(t, a, taba.Config{BufferBytes: 1 << 20})
		won := c.Counter("n")
		for range n {
			won.Add(1.5)
		}
		flush(t, c)
		wantEqual(t, "events", strings.Count(a.got(), "test n CounterGroup 1.5"), n)
		wantEqual(t, "sent", c.Stats().Sent, n)
		longest := 0
		for _, b := range a.bodies {
			longest = max(longest, len(b))
		}
		if limit := map[bool]int{true: 140 << 10, false: 400}[old]; longest > limit {
			t.Errorf("a body has %d bytes", longest)
		}
	}
}

// What a server tells of events that came in v2, by itself or through an
// agent, is what it tells of those that came in v1.
func TestAgentsAndServersTakeBoth(t *testing.T) {
	server := start(t, func(ctx context.Context, o app.Options) error {
		cfg := app.DefaultServerConfig()
		cfg.Listen, cfg.Store = "127.0.0.1:0", "memory"
		return app.RunServer(ctx, cfg, o)
	})
	agent := start(t, func(ctx context.Context, o app.Options) error {
		cfg := app.DefaultAgentConfig()
		cfg.Listen, cfg.Spool, cfg.Servers = "127.0.0.1:0", filepath.Join(t.TempDir(), "spool"), []string{server}
		return app.RunAgent(ctx, cfg, o)
	})
	expiry := time.Now().Add(time.Hour)
	var want map[string]string
	for name, to := range map[string]string{"direct": server, "agent": agent} {
		for _, old := range []bool{true, false} {
			client := fmt.Sprintf("%s-%t", name, old)
			var paths []string
			// All of it in one body, so that it arrives at the server at once.
			c := taba.New(taba.Config{URL: to, Client: client, FlushEvery: time.Hour, HTTPClient: &http.Client{
				Transport: transport(func(r *http.Request) (*http.Response, error) {
					if old && r.URL.Path != "/post" {
						return &http.Response{StatusCode: http.StatusNotFound, Body: http.NoBody, Request: r}, nil
					}
					paths = append(paths, r.URL.Path)
					return http.DefaultTransport.RoundTrip(r)
				}),
			}})
			recordEverything(c, expiry)
			if err := c.Close(context.Background()); err != nil {
				t.Fatal(err)
			}
			wantEqual(t, "sent", c.Stats().Sent, 5006)
			if wrong := map[bool]string{true: "/v2/batch", false: "/post"}[old]; strings.Contains(strings.Join(paths, " "), wrong) {
				t.Errorf("%s: posted to %v", client, paths)
			}
			got := ask(t, server, client)
			if want == nil {
				want = got
			}
			for tab, answer := range want {
				wantEqual(t, client+" "+tab, got[tab], answer)
			}
		}
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

func recordEverything(c *taba.Client, expiry time.Time) {
	n, p, total := c.Counter("n"), c.Percentile("p"), c.Totals("total")
	for i := range 1000 {
		n.Add(1)
		n.Add(0.1)
		n.Add(float64(i % 3))
		p.Record(float64(i) / 8)
		total.Add(-2)
	}
	c.Counter("last").Add(math.Copysign(0, -1))
	c.Gauge("gauge").Set(map[string]any{"b": "<é>", "a": []float64{1, 2.5}})
	c.GaugeUntil("until").Set("me", expiry)
	c.Buffer("buffer").Push("one", expiry)
	c.Buffer("buffer").Push("two", expiry.Add(time.Second))
	c.Gauge("none").Set(nil)
}

// whens are times, which are never the same.
var whens = regexp.MustCompile(`1\d{9}\.\d+`)

// ask returns what the server tells of each tab of a client, once it has all of
// them.
func ask(t *testing.T, server, client string) map[string]string {
	t.Helper()
	deadline := time.After(20 * time.Second)
	got := make(map[string]string)
	for _, tab := range []string{"n", "p", "total", "last", "gauge", "until", "buffer", "none"} {
		for {
			r, err := http.Get(server + "/projection?" + url.Values{"name": {tab}, "client": {client}}.Encode())
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(r.Body)
			_ = r.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			if got[tab] = whens.ReplaceAllString(strings.ReplaceAll(string(text), client, "CLIENT"), "WHEN"); r.StatusCode == 200 && len(text) > 0 {
				break
			}
			select {
			case <-deadline:
				t.Fatalf("%s of %s: %s %q", tab, client, r.Status, text)
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
	return got
}

// start runs a server or an agent until the end of the test, and returns its
// URL.
func start(t *testing.T, run func(context.Context, app.Options) error) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	address, done := make(chan string, 1), make(chan error, 1)
	go func() {
		done <- run(ctx, app.Options{Logger: slog.New(slog.DiscardHandler), Ready: func(a string) { address <- a }})
	}()
	select {
	case a := <-address:
		t.Cleanup(func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
		return "http://" + a
	case err := <-done:
		cancel()
		t.Fatal(err)
		return ""
	}
}
