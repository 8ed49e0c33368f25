package query_test

import (
	"context"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/store/pebblestore"
	"github.com/tabaproject/taba/internal/vectors"
)

func replay(t *testing.T, s *server, setNow func(time.Time)) {
	t.Helper()
	vectors.ReplayHTTP(t, vectors.Dir(t), vectors.Server{
		URL: s.url, SetNow: setNow, SetCapacity: s.full.Store, Name: "taba_server.testhost.8300",
	})
}

func TestVectors(t *testing.T) {
	for _, vbuckets := range []int{1, 16} {
		s := start(t, store.NewMem(store.MemOptions{VBuckets: vbuckets}))
		replay(t, s, s.setNow)
	}
}

func TestVectorsWhileCompacting(t *testing.T) {
	s := start(t, store.NewMem(store.MemOptions{VBuckets: 3}))
	replay(t, s, func(now time.Time) {
		s.setNow(now)
		if err := s.compactor.Compact(context.Background()); err != nil {
			t.Error(err)
		}
	})
	report, err := s.compactor.Audit(t.Context())
	if err != nil || !report.OK() {
		t.Errorf("audit: %v, %v", report.Problems(), err)
	}
}

func TestVectorsOverPebble(t *testing.T) {
	st, err := pebblestore.Open(pebblestore.Options{Dir: "store", FS: vfs.NewMem(), VBuckets: 2})
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, st)
	replay(t, s, func(now time.Time) {
		s.setNow(now)
		if s.steps++; s.steps%5 == 0 { // so that both logs and records are read
			if err := s.compactor.Compact(context.Background()); err != nil {
				t.Error(err)
			}
		}
	})
}
