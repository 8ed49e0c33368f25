package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

func TestRun(t *testing.T) {
	var mu sync.Mutex
	var bodies strings.Builder
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = io.Copy(&bodies, r.Body)
	}))
	defer s.Close()
	var out strings.Builder
	if err := run(context.Background(), []string{"--url", s.URL, "--for", "200ms", "--every", "1ms"}, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"bids_made", "bids_won", "winning_bid_price", "build_version"} {
		if !strings.Contains(bodies.String(), want) {
			t.Errorf("nothing of %q was sent", want)
		}
	}
	if !strings.Contains(out.String(), " 0 dropped") {
		t.Errorf("it says %q", out.String())
	}
}
