package query_test

import (
	"context"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/vectors"
)

func replay(t *testing.T, s *server, setNow func(time.Time)) {
	t.Helper()
	vectors.ReplayHTTP(t, vectors.Dir(t), vectors.Server{URL: s.url, SetNow: setNow, SetCapacity: s.full.Store})
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
