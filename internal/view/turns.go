package view

import (
	"context"
	"fmt"
	"sync"
)

// turns lets callers share runs of something that is done one at a time: a
// run that has not begun yet serves all who wait for it; one that has begun
// serves nobody who came later.
type turns struct {
	run func(context.Context) error

	mu   sync.Mutex
	busy bool
	next *turn // has not begun; nil if nobody waits
}

type turn struct {
	done chan struct{}
	err  error
}

// do returns after a run that began after do was called.
func (t *turns) do(ctx context.Context) error {
	t.mu.Lock()
	if !t.busy {
		t.busy = true
		t.mu.Unlock()
		defer t.pass() // also if run panics: others are waiting
		return t.run(ctx)
	}
	if t.next == nil {
		t.next = &turn{done: make(chan struct{})}
	}
	n := t.next
	t.mu.Unlock()
	select {
	case <-n.done:
		return n.err
	case <-ctx.Done():
		return fmt.Errorf("waiting for the log to be read: %w", ctx.Err())
	}
}

// pass gives the turn to those who wait. Their run belongs to all of them, so
// it ends with none of their contexts.
func (t *turns) pass() {
	t.mu.Lock()
	n := t.next
	t.next = nil
	t.busy = n != nil
	t.mu.Unlock()
	if n == nil {
		return
	}
	go func() {
		defer t.pass()
		defer close(n.done)
		n.err = t.run(context.Background())
	}()
}
