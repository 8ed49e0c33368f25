package store_test

import (
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/store/storetest"
)

func TestMem(t *testing.T) {
	storetest.Run(t, func(_ testing.TB, c storetest.Config) storetest.Opened {
		now := func() time.Time { return c.Created }
		return storetest.Opened{Store: store.NewMem(store.MemOptions{VBuckets: c.VBuckets, Now: now})}
	})
}
