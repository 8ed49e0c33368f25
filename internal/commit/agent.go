package commit

import (
	"context"
	"sync"

	"github.com/tabaproject/taba/internal/fold"
	"github.com/tabaproject/taba/state"
)

// Spool is where an agent commits to: Append returns when the body is on disk.
type Spool interface {
	Append(body []byte, events uint64) error
}

// Agent commits to a spool what an agent folded, one record per commit. It has
// one commit in flight; what accrues meanwhile is merged into the next record.
type Agent struct {
	spool Spool
	group *Group[accrued]
	spare sync.Pool // of *fold.Accumulator
	body  []byte    // used by the commit in flight
}

type accrued struct{ acc *fold.Accumulator }

// NewAgent returns an Agent that appends to s.
func NewAgent(s Spool, reg *state.Registry) *Agent {
	a := &Agent{spool: s}
	a.spare.New = func() any { return fold.New(reg) }
	a.group = NewGroup(func() *accrued { return &accrued{a.spare.Get().(*fold.Accumulator)} }, a.sink)
	return a
}

// Commit makes the Partials of acc durable and empties it: when it returns nil
// they will be counted exactly once.
func (a *Agent) Commit(ctx context.Context, acc *fold.Accumulator) error {
	if acc.Empty() {
		return nil
	}
	_, err := a.group.Do(ctx, func(b *accrued) { b.acc.Merge(acc) })
	return err
}

// Stop refuses new work and returns when what was accepted is committed.
func (a *Agent) Stop() { a.group.Stop() }

// largestSpare is the size of a body that is worth keeping room for.
const largestSpare = 1 << 20

func (a *Agent) sink(b *accrued) error {
	body, events := b.acc.EncodeAll(a.body[:0])
	err := a.spool.Append(body, events)
	a.body = body
	if cap(body) > largestSpare {
		a.body = nil
	}
	b.acc.Reset()
	a.spare.Put(b.acc)
	b.acc = nil
	return err
}
