package app

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/ingest"
)

// crowded runs a server that lets no connection straight through, and returns
// its address and a function that stops it.
func crowded(t *testing.T, tokens string) (addr string, stop func()) {
	t.Helper()
	cfg := DefaultServerConfig()
	cfg.Data, cfg.Listen, cfg.TokensFile = t.TempDir(), "127.0.0.1:0", tokens
	cfg.Limits.InFlightBytes, cfg.Limits.BodyBytes = 1<<20, 1<<20
	ctx, cancel := context.WithCancel(t.Context())
	ready, done := make(chan string, 1), make(chan error, 1)
	go func() { done <- RunServer(ctx, cfg, Options{Ready: func(a string) { ready <- a }}) }()
	select {
	case addr = <-ready:
	case err := <-done:
		t.Fatal(err)
	}
	return addr, func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// upload is a connection that has sent some of a request.
func upload(t *testing.T, addr, text string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	_, _ = io.WriteString(c, text)
	return c, bufio.NewReader(c)
}

func wantStatus(t *testing.T, r *bufio.Reader, want int) {
	t.Helper()
	a, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if text, _ := io.ReadAll(a.Body); a.StatusCode != want {
		t.Errorf("status %d %q, want %d", a.StatusCode, text, want)
	}
}

func slowPost(path string, events int) string {
	body := "1\n\nc\n\na\n" + strings.Repeat(fmt.Sprintf("[\"CounterGroup\", %d, \"1\"]\n", time.Now().Unix()), events) + "\n\n"
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
}

// Uploads in pieces are counted like others, and those under way when a server
// stops are waited for.
func TestSlowUploadsAreCounted(t *testing.T) {
	addr, stop := crowded(t, "")
	post := slowPost("/post", 5000)
	c, answers := upload(t, addr, post[:len(post)/2])
	last, lastAnswers := upload(t, addr, post[:10])
	_, _ = io.WriteString(c, post[len(post)/2:])
	wantStatus(t, answers, http.StatusOK)
	_, _ = io.WriteString(c, post) // the connection is kept
	wantStatus(t, answers, http.StatusOK)
	get, err := http.Get("http://" + addr + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(get.Body)
	_ = get.Body.Close()
	for _, line := range []string{"taba_ingest_events_total 10000\n", "taba_waiting_connections 1\n", "taba_budget_used_bytes 0\n"} {
		if !strings.Contains(string(text), line) {
			t.Errorf("/metrics lacks %q", line)
		}
	}
	stopped := make(chan struct{})
	go func() {
		stop()
		close(stopped)
	}()
	_, _ = io.WriteString(last, post[10:])
	wantStatus(t, lastAnswers, http.StatusOK)
	<-stopped
}

// Who may not write, or writes where nothing is read, is told before all of it
// has come.
func TestSlowUploadsThatAreRefusedAreNotWaitedFor(t *testing.T) {
	file := t.TempDir() + "/tokens"
	_, line := ingest.GenerateToken("writer", ingest.Write)
	if err := os.WriteFile(file, []byte(line+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	addr, stop := crowded(t, file)
	defer stop()
	post := slowPost("/post", 5000)
	_, answers := upload(t, addr, post[:len(post)/2])
	wantStatus(t, answers, http.StatusUnauthorized)
	_, answers = upload(t, addr, strings.Replace(post[:len(post)/2], "/post", "/nowhere", 1))
	wantStatus(t, answers, http.StatusNotFound)
	_, answers = upload(t, addr, "POST /post HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n1")
	wantStatus(t, answers, http.StatusUnauthorized)
}
