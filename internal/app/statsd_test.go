package app

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A server and an agent before it take lines in, and the server shows them.
func TestStatsdIsVisible(t *testing.T) {
	dir := t.TempDir()
	start := func(run func(ctx context.Context, o Options) error) (url string) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		ready, done := make(chan string, 1), make(chan error, 1)
		go func() {
			done <- run(ctx, Options{Logger: slog.New(slog.DiscardHandler), Ready: func(addr string) { ready <- addr }})
		}()
		t.Cleanup(func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
		select {
		case addr := <-ready:
			return "http://" + addr
		case err := <-done:
			done <- nil
			t.Fatal(err)
			return ""
		}
	}
	server := DefaultServerConfig()
	server.Listen, server.Store, server.Statsd.Client = "127.0.0.1:0", "memory", "direct"
	server.Statsd.Unix = []string{filepath.Join(dir, "server.sock")}
	url := start(func(ctx context.Context, o Options) error { return RunServer(ctx, server, o) })

	agent := DefaultAgentConfig()
	agent.Listen, agent.Spool, agent.Servers, agent.Statsd.Client = "127.0.0.1:0", filepath.Join(dir, "spool"), []string{url}, "through-agent"
	agent.Statsd.Unix = []string{"unixstream://" + filepath.Join(dir, "agent.sock")}
	start(func(ctx context.Context, o Options) error { return RunAgent(ctx, agent, o) })

	for network, path := range map[string]string{"unixgram": "server.sock", "unix": "agent.sock"} {
		conn, err := net.Dial(network, filepath.Join(dir, path))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, "hits:2|c\nhits:3|c\n"); err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
	}
	want := `hits: {"1m": {"count": 4, "total": 10.00,`
	deadline := time.Now().Add(20 * time.Second)
	for got := ""; !strings.HasPrefix(got, want); {
		if time.Now().After(deadline) {
			t.Fatalf("got %s, want %s", got, want)
		}
		resp, err := http.Get(url + "/tabs?name=hits")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		got = string(body)
	}
}
