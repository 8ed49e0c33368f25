package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tabaproject/taba/internal/query"
)

// answered asks a process and decodes its answer.
func answered[T any](t *testing.T, h http.Handler, path string) (v T) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	return v
}

// TestStatusTellsOfHealth: what is wrong shows, and draining before anything else.
func TestStatusTellsOfHealth(t *testing.T) {
	cfg := DefaultServerConfig()
	cfg.Store = "memory"
	s := testServer(t, cfg)
	health := func() query.Health { return answered[query.Status](t, s.front.mux, "/v2/status").Health }
	if h := health(); h.State != query.HealthOK || len(h.Reasons) != 0 {
		t.Errorf("a new server is %+v", h)
	}
	s.front.health = func() error { return errors.New("the disk is full") }
	if h := health(); h.State != query.HealthPartial || h.Reasons[0].What != "the disk is full" {
		t.Errorf("with a full disk it is %+v", h)
	}
	s.front.drains.Store(true)
	if h := health(); h.State != query.HealthDraining || len(h.Reasons) != 2 {
		t.Errorf("while it drains it is %+v", h)
	}
}

func TestStatusCountsByDoor(t *testing.T) {
	cfg := DefaultServerConfig()
	cfg.Store = "memory"
	s := testServer(t, cfg)
	body := "1\n\nc\n\nt\n" + fmt.Sprintf("[%q, 1395954314, \"5\"]\n[%q, 1395954314, \"\\\"x\\\"\"]\n", "CounterGroup", "CounterGroup") + "\n\n"
	s.front.mux.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/post", strings.NewReader(body)))
	st := answered[query.Status](t, s.front.mux, "/v2/status")
	if st.Rates[0].Door != "v1" || st.Rates[0].Events != 1 || st.Rates[0].Bytes != uint64(len(body)) || st.Rates[0].PerSec <= 0 {
		t.Errorf("rates are %+v", st.Rates)
	}
	if len(st.Refused) != 1 || st.Refused[0].Reason != "payload" || st.Refused[0].N != 1 {
		t.Errorf("refused are %+v", st.Refused)
	}
	if st.Tabs != 1 || *st.Clients != 1 || st.Store.Events != 1 || len(st.Servers) != 1 || !st.Servers[0].Self {
		t.Errorf("the status is %+v", st)
	}
	for _, l := range st.Latency {
		if l.Stage != "query" && (l.Count != 1 || l.P50 <= 0 || l.Max < l.P50) {
			t.Errorf("latency is %+v", l)
		}
	}
}

func TestMeterTellsWhatEventsCost(t *testing.T) {
	var at reading
	m := newMeter(func() reading { return at })
	step := func(events, copied uint64) {
		at.at = at.at.Add(1e9)
		at.doors = []doorReading{{"v1", at.events() + events, 0}}
		at.copied += copied
		at.costs.allocs += events / 10
		m.turn()
	}
	at.doors = []doorReading{{"v1", 0, 0}}
	for range 20 {
		step(1000, 4000)
	}
	rates, cost := m.rates()
	if rates[0].PerSec != 1000 || *cost.Copied != 4 || *cost.Allocs != 100 {
		t.Errorf("rates are %+v, costs %v %v", rates, *cost.Copied, *cost.Allocs)
	}
	for range 20 {
		step(0, 0)
	}
	rates, cost = m.rates()
	if rates[0].PerSec != 0 || cost.Events == 0 || *cost.Copied != 4 {
		t.Errorf("at rest rates are %+v, costs %+v", rates, cost)
	}
}
