package view

import (
	"context"
	"sync/atomic"

	"github.com/tabaproject/taba/internal/store"
)

// growth is how much was appended to a log since it was last looked at.
type growth struct {
	bytes  atomic.Int64
	enough atomic.Int64 // to look at it again
}

// lookAgain is how much a log has to grow before it is looked at again: one
// part in so many of what it was. Compaction comes later by that at most.
const lookAgain = 8

// Appended says that bytes were appended to the log of a vbucket. Most commits
// make no difference to what is due and so wake nobody, and what others look
// after is theirs to look at. It never blocks.
func (c *Compactor) Appended(vb int, bytes int64) {
	g := &c.grown[vb]
	if g.bytes.Add(bytes) >= g.enough.Load() && c.o.Mine(vb) {
		c.Kick()
	}
}

// look reads the sizes of a log. Unless it is seen to be large it need not be
// looked at again before it has grown.
func (c *Compactor) look(ctx context.Context, vb int) (store.Stats, error) {
	g := &c.grown[vb]
	g.bytes.Store(0) // before the sizes are read: what comes meanwhile is in both
	g.enough.Store(0)
	stats, err := c.st.Stats(ctx, vb)
	if err == nil && !c.due(stats) {
		g.enough.Store(max(c.o.Floor-stats.LogBytes, stats.LogBytes/lookAgain))
	}
	return stats, err
}
