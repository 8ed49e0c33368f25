package commit

import (
	"context"
	"sync"

	"github.com/tabaproject/taba/internal/fold"
	"github.com/tabaproject/taba/internal/store"
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
	level func() state.Level
	group *Group[accrued]
	spare sync.Pool // of *fold.Accumulator
}

type accrued struct{ acc *fold.Accumulator }

// NewAgent returns an Agent that appends to s. level is that of those who will
// read it, the agent of an earlier release included that takes this one's place;
// nil: state.Newest.
func NewAgent(s Spool, reg *state.Registry, level func() state.Level) *Agent {
	if level == nil {
		level = func() state.Level { return state.Newest }
	}
	a := &Agent{spool: s, level: level}
	a.spare.New = func() any { return fold.New(reg) }
	a.group = NewGroup(func() *accrued { return &accrued{a.spare.Get().(*fold.Accumulator)} }, a.sink)
	return a
}

// Commit makes the Partials of acc durable: when it returns nil they will be
// counted exactly once. It empties acc and then, before it waits for the commit,
// calls taken, if that is not nil: from then on acc serves others.
func (a *Agent) Commit(ctx context.Context, acc *fold.Accumulator, taken func()) error {
	if acc.Empty() {
		return nil
	}
	_, err := a.group.Do(ctx, func(b *accrued) { b.acc.Merge(acc) }, taken)
	return err
}

// Stop refuses new work and returns when what was accepted is committed.
func (a *Agent) Stop() { a.group.Stop() }

// recordBytes is about the largest record that is written: a spool has a limit,
// and what reads records holds one in memory.
const recordBytes = 8 << 20

// sink appends the batch, as one record unless it is very large. If a later
// record fails the earlier ones stay: nobody was told that they do not count.
func (a *Agent) sink(b *accrued) (err error) {
	pieces := store.Partition{Version: 1, VBuckets: 1 + b.acc.Size()/recordBytes}
	b.acc.SetLevel(a.level())
	b.acc.Encode(pieces, func(_ int, body []byte, events uint64) {
		if err == nil {
			err = a.spool.Append(body, events)
		}
	})
	b.acc.Reset()
	a.spare.Put(b.acc)
	b.acc = nil
	return err
}
