package app

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/child"
)

// startRedis starts a real server and returns its address.
func startRedis(t *testing.T) string {
	t.Helper()
	addr, err := child.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(addr)
	cmd := exec.Command("redis-server", "--port", port, "--bind", host, "--dir", t.TempDir(), "--save", "", "--appendonly", "yes")
	child.Prepare(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: install redis-server", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})
	for end := time.Now().Add(3 * time.Minute); ; {
		if c, err := net.Dial("tcp", addr); err == nil {
			_ = c.Close()
			return addr
		}
		if time.Now().After(end) {
			t.Fatal("redis-server does not listen")
		}
		<-time.After(time.Millisecond)
	}
}

// serve runs a server on a store. stop waits until it has ended.
func serve(t *testing.T, store string) (url string, stop func()) {
	t.Helper()
	cfg := DefaultServerConfig()
	cfg.Listen, cfg.Store = "127.0.0.1:0", store
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- RunServer(ctx, cfg, Options{Ready: func(addr string) { ready <- addr }}) }()
	stop = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		ended <- nil
	}
	t.Cleanup(stop)
	select {
	case addr := <-ready:
		return "http://" + addr, stop
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
		return "", nil
	}
}

// TestServersOnRedis: servers that share a store count what any of them is
// sent, answer everything, and may come and go.
func TestServersOnRedis(t *testing.T) {
	store := "redis://" + startRedis(t)
	one, stop := serve(t, store)
	two, _ := serve(t, store)
	ask := func(url string) string {
		t.Helper()
		resp, err := http.Get(url + "/tabs?name=won")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatal(resp.Status, string(text), err)
		}
		return string(text)
	}
	post := func(url, client string) {
		t.Helper()
		body := fmt.Sprintf("1\n\n%s\n\nwon\n[\"TotalsCounter\", %d, \"2\"]\n\n\n", client, time.Now().Unix())
		resp, err := http.Post(url+"/post", "text/plain", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			text, _ := io.ReadAll(resp.Body)
			t.Fatal(resp.Status, string(text))
		}
	}
	want := func(n int, urls ...string) {
		t.Helper()
		for _, url := range urls {
			if got := ask(url); !strings.Contains(got, fmt.Sprintf(`"count": %d, "total": %d.00`, n, 2*n)) {
				t.Errorf("after %d posts %s answers %s", n, url, got)
			}
		}
	}
	post(one, "a")
	want(1, one, two)
	post(two, "b")
	post(one, "b")
	want(3, one, two)
	stop()
	want(3, two)
	post(two, "a")
	one, _ = serve(t, store)
	want(4, one, two)
}

func TestStoreURLs(t *testing.T) {
	f := func(store string, want ...string) {
		t.Helper()
		cfg := DefaultServerConfig()
		cfg.Store = store
		err := cfg.Validate()
		for _, w := range want {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%s: got %v, want it to say %q", store, err, w)
			}
		}
		if len(want) == 0 && err != nil {
			t.Errorf("%s: %v", store, err)
		}
	}
	f("redis://h")
	f("redis+sentinel://h?master=a:0-7,b:9-15", "server.store", "vbucket 8 belongs to nobody")
	f("redis://u:p4ss@h?wait=x", "server.store", "wait")

	cfg := DefaultServerConfig()
	cfg.Store = "redis://u:p4ss@h/1?prefix=x"
	for _, s := range Settings(SectionServer, &cfg, nil) {
		if s.Key.Name == "store" && s.Value != "redis://(hidden)@h/1?prefix=x" {
			t.Errorf("the setting is shown as %s", s.Value)
		}
	}
}
