package app

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestRestComesOnceAfterEachSpellOfWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		r := newRest()
		var released atomic.Int64
		go r.run(ctx, func() { released.Add(1) })
		want := func(n int64) {
			t.Helper()
			synctest.Wait()
			if got := released.Load(); got != n {
				t.Errorf("after %v memory was released %d times, want %d", time.Since(r.from), got, n)
			}
		}
		time.Sleep(time.Hour)
		want(1)         // what the start took
		for range 100 { // a spell of work, with pauses shorter than restAfter
			r.worked()
			time.Sleep(restAfter / 2)
		}
		want(1)
		time.Sleep(restAfter)
		want(2)
		time.Sleep(time.Hour)
		want(2)
		r.worked()
		time.Sleep(restAfter)
		want(3)
	})
}
