package pebblestore_test

import (
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/store/pebblestore"
	"github.com/tabaproject/taba/internal/store/storetest"
)

func TestContract(t *testing.T) {
	storetest.Run(t, func(t testing.TB, c storetest.Config) storetest.Opened {
		o := pebblestore.Options{Dir: "data", FS: vfs.NewMem(), VBuckets: c.VBuckets, Now: func() time.Time { return c.Created }}
		s := open(t, o)
		return storetest.Opened{Store: s, Reopen: func() store.Store {
			if err := s.Shutdown(); err != nil {
				t.Fatal(err)
			}
			s = open(t, o)
			return s
		}}
	})
}

func open(t testing.TB, o pebblestore.Options) *pebblestore.Store {
	t.Helper()
	s, err := pebblestore.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Shutdown() })
	return s
}
