package app

import (
	"context"
	"net/http"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/ingest"
)

// TestReloadTokens: a token that is added is let in after a reload, one that
// is revoked no longer, and a bad file changes nothing.
func TestReloadTokens(t *testing.T) {
	file := t.TempDir() + "/tokens"
	write := func(lines string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(lines), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	first, firstLine := ingest.GenerateToken("first", ingest.Read)
	second, secondLine := ingest.GenerateToken("second", ingest.Read)
	write(firstLine + "\n")

	cfg := DefaultServerConfig()
	cfg.Store, cfg.TokensFile, cfg.Listen = "memory", file, "127.0.0.1:0"
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	addr, hangup, done := make(chan string, 1), make(chan os.Signal), make(chan error, 1)
	go func() {
		done <- RunServer(ctx, cfg, Options{Ready: func(a string) { addr <- a }, Reload: hangup})
	}()
	url := "http://" + <-addr + "/names"
	want := func(token string, status int) {
		t.Helper()
		got := 0
		for deadline := time.Now().Add(10 * time.Second); got != status && time.Now().Before(deadline); {
			req, _ := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
			req.Header.Set("Authorization", "Bearer "+token)
			r, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = r.Body.Close()
			got = r.StatusCode
		}
		if got != status {
			t.Errorf("got %d, want %d", got, status)
		}
	}
	want(first, http.StatusOK)
	want(second, http.StatusUnauthorized)
	write(secondLine + "\n")
	hangup <- syscall.SIGHUP
	want(second, http.StatusOK)
	want(first, http.StatusUnauthorized)
	write("no token\n")
	hangup <- syscall.SIGHUP
	hangup <- syscall.SIGHUP // taken only after the first was acted on
	want(second, http.StatusOK)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
