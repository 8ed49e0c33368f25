package app

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tabaproject/taba"
)

// runAgent runs an agent that also listens on a unix socket, until stop.
func runAgent(t *testing.T, socket string) (stop func() error) {
	t.Helper()
	cfg := DefaultAgentConfig()
	cfg.Listen, cfg.ListenUnix, cfg.Servers, cfg.Spool = "127.0.0.1:0", socket, []string{"http://127.0.0.1:1"}, t.TempDir()
	cfg.DrainTimeout = 0
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- RunAgent(ctx, cfg, Options{Ready: func(addr string) { ready <- addr }}) }()
	select {
	case <-ready:
	case err := <-ended:
		ended <- err
	}
	return func() error {
		cancel()
		return <-ended
	}
}

// TestUnixSocket: programs of the host post to the agent over a socket, by hand
// and with the client.
func TestUnixSocket(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "agent.sock")
	if err := os.WriteFile(socket+".else", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	stop := runAgent(t, socket)
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	defer client.CloseIdleConnections()
	resp, err := client.Post("http://agent/post", "text/plain", strings.NewReader("1\n\nhand\n\nwon\n[\"TotalsCounter\", 1, \"2\"]\n\n\n"))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("a post is answered %s", resp.Status)
	}
	c := taba.New(taba.Config{URL: "unix://" + socket, Client: "program"})
	c.Counter("won").Add(1)
	if err := c.Flush(t.Context()); err != nil {
		t.Error(err)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := runAgent(t, socket)(); err == nil || !strings.Contains(err.Error(), "another process listens there") {
		t.Errorf("a second agent: got %v", err)
	}
	if err := runAgent(t, socket+".else")(); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("where a file is: got %v", err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(socket); !os.IsNotExist(err) {
		t.Errorf("the socket is left behind: %v", err)
	}
}
