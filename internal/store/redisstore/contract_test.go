package redisstore_test

import (
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/store/redisstore"
	"github.com/tabaproject/taba/internal/store/storetest"
)

var stores atomic.Int64

// fresh returns a prefix that no other store has.
func fresh() string { return fmt.Sprintf("t%d", stores.Add(1)) }

// contract runs the contract against stores of a deployment. Nobody is killed,
// so servers need not sync each answer.
func contract(t *testing.T, options func(storetest.Config) redisstore.Options) {
	storetest.Run(t, func(t testing.TB, c storetest.Config) storetest.Opened {
		o := options(c)
		o.Prefix, o.VBuckets, o.Now = fresh(), c.VBuckets, func() time.Time { return c.Created }
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

// open opens a store that can be opened. It may take more than one attempt:
// machines may be slow, connections may end.
func open(t testing.TB, o redisstore.Options) (s *redisstore.Store) {
	t.Helper()
	if _, test := t.(*testing.T); test {
		o = o.AnyTransactions() // the parts of tests are small
	}
	if o.Logger == nil {
		o.Logger = logTo(t.Output())
	}
	var err error
	if !within(*patience, func() bool { s, err = redisstore.Open(t.Context(), o); return err == nil }) {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Shutdown() })
	return s
}

func logTo(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

func TestStandaloneContract(t *testing.T) {
	t.Parallel()
	r := redis(t)
	contract(t, func(storetest.Config) redisstore.Options { return redisstore.Options{Addrs: []string{r.addr}} })
}
