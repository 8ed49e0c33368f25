package statsd

import (
	"context"
	"time"

	"github.com/tabaproject/taba/internal/fold"
)

// After a commit the committer rests restShare times as long as that took: so
// commits, and what the store does behind them, take a small share of the time
// however many names there are. It never rests longer than longest, which is
// how long statsd itself keeps what it is sent; nor once gatherBytes are
// gathered. retryAfter is when a store that takes nothing is tried again.
const (
	restShare  = 31
	longest    = 10 * time.Second
	retryAfter = 250 * time.Millisecond
)

// commit commits what is gathered until Stop, and what is left then.
func (d *Door) commit() {
	defer close(d.done)
	c := newCommitter(d)
	for going := true; going; {
		select {
		case <-d.wake:
		case <-d.stop:
			d.readers.Wait()
			going = false
		}
		if going && d.o.Ready() != nil {
			d.signal() // what is gathered stays there
			d.wait(retryAfter)
			continue
		}
		start := time.Now()
		c.round()
		took := time.Since(start)
		d.took.Store(int64(took))
		if going {
			d.waitUnless(min(restShare*took, longest), d.full)
		}
	}
}

// committer folds and commits. It belongs to one goroutine.
type committer struct {
	d      *Door
	acc    *fold.Accumulator
	folder *folder
}

func newCommitter(d *Door) *committer {
	c := &committer{d: d, acc: fold.New(d.o.Registry)}
	c.folder = newFolder(c.refused, c.folded)
	return c
}

// round commits everything that is gathered now.
func (c *committer) round() {
	c.folder.viewers = c.d.o.Trail.Viewers()
	defer c.d.o.Quota.Begin()() // before lanes are asked for what they have of it
	for _, l := range c.d.lanes() {
		batches := l.take()
		var charged int64
		for _, b := range batches {
			charged += b.charged
			b.charged = 0
		}
		c.folder.fold(batches, c.acc)
		l.giveBack(batches)
		c.d.charge(-charged)
	}
	c.commit()
	select {
	case <-c.d.full: // that may be over
	default:
	}
	c.d.charge(0)
}

// piecesOfGather is how many pieces of Partials have room in gatherBytes. What
// is committed at once is bounded, however many names there are: Partials take
// many times the memory of what they are made from.
const piecesOfGather = 8

// folded commits what there is when that is a piece.
func (c *committer) folded() {
	if int64(c.acc.Size()) >= c.d.o.GatherBytes/piecesOfGather {
		c.commit()
	}
}

// commit commits what is folded.
func (c *committer) commit() {
	if c.acc.Empty() {
		return
	}
	size := int64(c.acc.Size())
	c.d.o.Budget.Charge(size)
	defer c.d.o.Budget.Charge(-size)
	events := c.acc.Events()
	if err := c.d.o.Committer.Commit(context.Background(), c.acc, nil); err != nil {
		c.d.counts.lost.Add(int(events))
		c.d.o.Logger.Error("events received over statsd are lost: they could not be committed", "events", events, "error", err)
	}
	if !c.acc.Empty() {
		c.acc.Reset()
	}
}
