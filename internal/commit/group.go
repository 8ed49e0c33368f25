// Package commit makes what was folded durable: adaptive group commit.
//
// There is one commit in flight. What accrues meanwhile is the next batch. So
// when idle a batch is one request and its latency is one commit; under load
// batches grow with the load and the cost per event falls. There is no timer
// and no batch size to tune.
//
// # Concurrency and back-pressure
//
// Everything here is safe for concurrent use. Callers wait for the commit
// that holds their work, which is the only back-pressure: the number of bytes
// in flight is bounded where they come in, before they are read.
package commit

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// ErrStopped is returned for work that arrives after Stop.
var ErrStopped = errors.New("shutting down: no new work is committed")

// Group is the adaptive group commit for batches of type B.
type Group[B any] struct {
	fresh func() *B
	sink  func(*B) error

	mu      sync.Mutex
	open    *round[B] // what accrues; nil if nothing did
	busy    bool      // somebody is committing
	stopped bool
	idle    sync.Cond // signalled when busy becomes false
}

// round is one batch and those who wait for it.
type round[B any] struct {
	batch *B
	done  chan struct{} // closed after the commit, once for all waiters
	err   error
}

// NewGroup returns a Group that fills batches made by fresh and commits them
// with sink, one at a time. An error or panic of sink is the outcome of
// everything in that batch; the next batch is tried all the same.
func NewGroup[B any](fresh func() *B, sink func(*B) error) *Group[B] {
	g := &Group[B]{fresh: fresh, sink: sink}
	g.idle.L = &g.mu
	return g
}

// Do calls add on the open batch, under the Group's lock, then added, if it is
// not nil, without that lock, and waits until the batch is committed. It returns
// the batch, which sink may have filled with results and which nobody changes
// any more. If ctx ends first, the outcome is unknown: what was added is
// committed all the same.
func (g *Group[B]) Do(ctx context.Context, add func(*B), added func()) (*B, error) {
	if err := ctx.Err(); err != nil {
		return nil, err // nothing was added: the caller knows the outcome
	}
	r, mine, err := g.join(add)
	if err != nil {
		return nil, err
	}
	if added != nil {
		added()
	}
	if mine { // nobody was committing: no hand-over, no switch
		g.commit(r)
		return r.batch, r.err
	}
	select {
	case <-r.done:
		return r.batch, r.err
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for the commit: %w", ctx.Err())
	}
}

// join adds to the open round and tells whether the caller has to commit it.
func (g *Group[B]) join(add func(*B)) (r *round[B], mine bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped {
		return nil, false, ErrStopped
	}
	if g.open == nil {
		g.open = &round[B]{batch: g.fresh(), done: make(chan struct{})}
	}
	r = g.open
	add(r.batch)
	if g.busy {
		return r, false, nil
	}
	g.busy, g.open = true, nil
	return r, true, nil
}

// commit commits r and passes the turn on.
func (g *Group[B]) commit(r *round[B]) {
	g.settle(r)
	if next := g.next(); next != nil {
		// The caller has its answer; what accrued is drained beside it.
		go func() {
			for r := next; r != nil; r = g.next() {
				g.settle(r)
			}
		}()
	}
}

func (g *Group[B]) settle(r *round[B]) {
	defer close(r.done)
	defer func() {
		if p := recover(); p != nil {
			r.err = fmt.Errorf("commit failed: %v", p)
		}
	}()
	r.err = g.sink(r.batch)
}

// next takes the open round, or ends the turn if there is none.
func (g *Group[B]) next() *round[B] {
	g.mu.Lock()
	defer g.mu.Unlock()
	r := g.open
	g.open = nil
	if r == nil {
		g.busy = false
		g.idle.Broadcast()
	}
	return r
}

// Stop refuses new work and returns when what was added is committed.
func (g *Group[B]) Stop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stopped = true
	for g.busy {
		g.idle.Wait()
	}
}
