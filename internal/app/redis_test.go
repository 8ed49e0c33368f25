package app

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/child"
	"github.com/tabaproject/taba/internal/redisrun"
)

// startRedis starts a real server and returns its address.
func startRedis(t *testing.T) string {
	t.Helper()
	port, err := child.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	r, err := redisrun.New("redis", t.TempDir(), redisrun.Loopback, port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r.Addr
}

// serve runs a server on a store. stop waits until it has ended.
func serve(t *testing.T, store, name string, roles ...string) (url string, stop func()) {
	t.Helper()
	cfg := DefaultServerConfig()
	cfg.Listen, cfg.Store, cfg.Name = "127.0.0.1:0", store, name
	if roles != nil {
		cfg.Roles = roles
	}
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

func get(t *testing.T, url string) (status int, text string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func mustGet(t *testing.T, url string) string {
	t.Helper()
	status, text := get(t, url)
	if status != http.StatusOK {
		t.Fatal(url, status, text)
	}
	return text
}

// send posts an event of 2 of each tab.
func send(t *testing.T, url, client string, tabs ...string) (status int, text string) {
	t.Helper()
	body := "1\n\n" + client + "\n\n"
	for _, tab := range tabs {
		body += fmt.Sprintf("%s\n[\"TotalsCounter\", %d, \"2\"]\n\n", tab, time.Now().Unix())
	}
	resp, err := http.Post(url+"/post", "text/plain", strings.NewReader(body+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// TestServersOnRedis: servers that share a store count what any of them is
// sent, answer everything, and may come and go.
func TestServersOnRedis(t *testing.T) {
	store := "redis://" + startRedis(t)
	one, stop := serve(t, store, "one")
	two, _ := serve(t, store, "two")
	ask := func(url string) string {
		t.Helper()
		return mustGet(t, url+"/tabs?name=won")
	}
	post := func(url, client string) {
		t.Helper()
		if status, text := send(t, url, client, "won"); status != http.StatusOK {
			t.Fatal(status, text)
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
	one, _ = serve(t, store, "one")
	want(4, one, two)
}

// TestStoresThatCannotBeOpened: a server does not start on them, and says which
// setting is about what.
func TestStoresThatCannotBeOpened(t *testing.T) {
	addr := startRedis(t)
	f := func(store string, want ...string) {
		t.Helper()
		cfg := DefaultServerConfig()
		cfg.Listen, cfg.Store = "127.0.0.1:0", store
		err := RunServer(t.Context(), cfg, Options{})
		for _, w := range append(want, "server.store") {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%s: got %v, want it to say %q", store, err, w)
			}
		}
		if err != nil && strings.Contains(err.Error(), "p4ss") {
			t.Errorf("%v shows the password", err)
		}
	}
	f("redis://127.0.0.1:1", "127.0.0.1:1", "refused")
	f("redis://u:p4ss@"+addr, "user or password is wrong")
	f("redis+sentinel://127.0.0.1:1?master=a:0-7,b:8-15", "127.0.0.1:1", "refused")
	f("redis+sentinel://"+addr+"?master=a:0-7,b:8-15", addr)
	f("redis+cluster://"+addr, "not a node of a Cluster")
	f("redis://"+addr+"?expect="+strings.Repeat("0", 32), "expect", "backup")
	_, stop := serve(t, "redis://"+addr+"?vbuckets=4", "first")
	stop()
	f("redis://"+addr+"?vbuckets=8", "the setting vbuckets is 8", "created with 4")
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
