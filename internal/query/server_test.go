package query_test

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/commit"
	"github.com/tabaproject/taba/internal/ingest"
	"github.com/tabaproject/taba/internal/query"
	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/view"
	"github.com/tabaproject/taba/state/builtin"
)

// server is a whole server in the process of the test, with a clock of its
// own.
type server struct {
	url       string
	store     store.Store
	query     *query.Handler
	compactor *view.Compactor
	now       atomic.Pointer[time.Time]
	full      atomic.Bool // refuses what is posted
	steps     int         // of a replay
}

func (s *server) setNow(t time.Time) { s.now.Store(&t) }

func start(t testing.TB, st store.Store, change ...func(*query.Options)) *server {
	t.Helper()
	s := &server{store: st}
	s.setNow(time.Unix(1395954300, 0))
	clock := func() time.Time { return *s.now.Load() }
	reg := builtin.Registry()
	v := view.New(st, reg, view.Options{})
	s.compactor = view.NewCompactor(st, reg, view.CompactorOptions{View: v})
	committer := commit.NewServer(commit.ServerOptions{Store: st, Registry: reg, Now: clock})
	o := query.Options{
		View: v, Compactor: s.compactor, Now: clock,
		Name: "taba_server.testhost.8300", Roles: []string{"fe", "be"},
	}
	for _, f := range change {
		f(&o)
	}
	s.query = query.New(o)
	door := ingest.New(reg, committer, v, ingest.Options{Now: clock})
	post := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.full.Load() {
			query.Error(w, r, http.StatusServiceUnavailable, "Service is temporarily at capacity. Retry later.")
			return
		}
		door.ServeHTTP(w, r)
	})
	mux := http.NewServeMux()
	mux.Handle("/post", post)
	mux.Handle("/post_zip", post)
	for _, r := range s.query.Routes() {
		mux.Handle(r.Pattern, r.Handler)
	}
	web := httptest.NewServer(mux)
	s.url = web.URL
	t.Cleanup(func() {
		web.Close()
		s.query.Close()
		committer.Stop()
		if err := st.Shutdown(); err != nil {
			t.Error(err)
		}
	})
	return s
}
