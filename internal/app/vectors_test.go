package app

import (
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/vectors"
)

// clock is set by the test.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}

// TestReplayOriginal replays the original's recorded HTTP session against a
// whole server, on every engine.
func TestReplayOriginal(t *testing.T) {
	dir := vectors.Dir(t)
	session, err := vectors.LoadHTTP(dir)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Unix(int64(session.Steps[0].At), 0)
	for _, engine := range []string{"memory", "pebble"} {
		t.Run(engine, func(t *testing.T) {
			cfg := DefaultServerConfig()
			cfg.Store, cfg.Data = engine, t.TempDir()
			c := &clock{now: begin}
			s, err := newServer(cfg, Options{Now: c.Now, instant: true}.withDefaults())
			if err != nil {
				t.Fatal(err)
			}
			ts := httptest.NewServer(s.front.mux)
			defer func() {
				ts.Close()
				s.query.Close()
				if err := s.store.Shutdown(); err != nil {
					t.Error(err)
				}
			}()
			full := func(over bool) {
				s.budget.SetMax(int64(cfg.Limits.InFlightBytes))
				if over {
					s.budget.SetMax(0)
				}
			}
			vectors.ReplayHTTP(t, dir, vectors.Server{
				URL: ts.URL, SetNow: c.Set, SetCapacity: full, Name: serverName(cfg),
			})
		})
	}
}
