package app

import (
	"context"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// rest gives memory back to the system when a process comes to rest. The
// garbage collector runs as the heap grows, so after a burst what the burst
// took would stay until something else grows it again. It costs one collection
// after each spell of work, and nothing while there is none.
type rest struct {
	last atomic.Int64  // when work was last done, ns since start
	wake chan struct{} // from rest to work
	busy atomic.Bool
	from time.Time
}

// restAfter is how long nothing must have been done.
const restAfter = 10 * time.Second

// newRest returns the rest of a process that begins: that is work, too.
func newRest() *rest {
	r := &rest{wake: make(chan struct{}, 1), from: time.Now()}
	r.worked()
	return r
}

// worked notes that something was done. It is cheap enough for each commit.
func (r *rest) worked() {
	r.last.Store(int64(time.Since(r.from)))
	if !r.busy.Load() && r.busy.CompareAndSwap(false, true) {
		r.wake <- struct{}{}
	}
}

// run waits for work to end, again and again, until ctx ends.
func (r *rest) run(ctx context.Context, release func()) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		}
		for left := restAfter; left > 0; left = restAfter - time.Since(r.from) + time.Duration(r.last.Load()) {
			select {
			case <-ctx.Done():
				return
			case <-time.After(left):
			}
		}
		r.busy.Store(false)
		release()
	}
}

// releaseMemory collects garbage and returns what is free to the system, and
// what it has to have of the program.
func releaseMemory() {
	debug.FreeOSMemory()
	releaseProgram()
}
