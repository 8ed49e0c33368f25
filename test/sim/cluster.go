package sim

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/tabaproject/taba/internal/store"
)

var errFence = errors.New("the replicas do not answer: the outcome is not known")

// Cluster is the abstract store: store.Mem and replicas that may lag. What was
// done is a history; a prefix of it is safe, on every replica that could take
// over.
type Cluster struct {
	store.Store // the primary's; what changes something or waits is below

	meta    store.Meta
	mem     *store.Mem
	epochs  []store.Epoch // of each vbucket's shard
	history []change
	safe    int
	wait    bool // acknowledgements wait until what they rest on is safe; the end of an id always does
	stuck   bool // such a wait fails, for the operation at hand
	alone   bool // a replica took over; this one does not know yet

	mu       sync.Mutex                      // a View reads its vbuckets side by side
	unfenced func(c *Cluster, w waiter) bool // a bug: who does not wait
}

// waiter is who waits for the replicas.
type waiter int

const (
	waitAppend    waiter = iota // a commit
	waitDuplicate               // a commit of nothing but duplicates
	waitRead
	waitEnd // of an id: its tombstone, and what is answered because of one
	waitOther
)

// change is one thing that was done.
type change struct {
	do         func(*store.Mem)
	compaction bool
	end        bool // of an id
}

// birthday is when simulated stores are created.
var birthday = time.Unix(1_700_000_000, 0).UTC()

func newMem(vbuckets int) *store.Mem {
	return store.NewMem(store.MemOptions{VBuckets: vbuckets, Now: func() time.Time { return birthday }})
}

func newCluster(vbuckets int, wait bool) *Cluster {
	c := &Cluster{mem: newMem(vbuckets), wait: wait}
	for range vbuckets {
		c.epochs = append(c.epochs, store.Epoch{1})
	}
	c.meta = store.Meta{
		ID: [16]byte{7}, Created: birthday, Format: 1,
		Partition: store.Partition{Version: 1, VBuckets: vbuckets, Key: 7},
	}
	c.Store = c.mem
	return c
}

// Meta implements store.Store.
func (c *Cluster) Meta() store.Meta { return c.meta }

func (c *Cluster) change(ch change) {
	c.history = append(c.history, ch)
	ch.do(c.mem)
}

// end is how many changes there were before the last end of an id that is not
// safe, -1 if there is none.
func (c *Cluster) end() int {
	for n := len(c.history) - 1; n >= c.safe; n-- {
		if c.history[n].end {
			return n
		}
	}
	return -1
}

// fence makes everything safe.
func (c *Cluster) fence(w waiter) error {
	switch {
	case !c.wait && w != waitEnd || c.unfenced != nil && c.unfenced(c, w):
		return nil
	case c.safe < len(c.history) && c.stuck || c.alone:
		return errFence
	}
	c.safe = len(c.history)
	return nil
}

// replay is a Mem to which the first n changes were done.
func (c *Cluster) replay(n int, compactions bool) *store.Mem {
	m := newMem(c.meta.Partition.VBuckets)
	for _, ch := range c.history[:n] {
		if compactions || !ch.compaction {
			ch.do(m)
		}
	}
	return m
}

// failover lets a replica take over that has only the first n changes.
func (c *Cluster) failover(n int) {
	c.mem = c.replay(n, true)
	c.Store = c.mem
	c.history = slices.Clip(c.history[:n])
	c.safe = min(c.safe, n)
	for vb := range c.epochs {
		c.epochs[vb][15]++
	}
}

// Append implements store.Store.
func (c *Cluster) Append(_ context.Context, parts []store.Part) ([]store.PartResult, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ctx := context.Background()
	parts = cloneParts(parts)
	var results []store.PartResult
	c.change(change{do: func(m *store.Mem) {
		rs, err := m.Append(ctx, parts)
		must(err)
		if results == nil {
			results = rs
		}
	}})
	if err := c.fence(whoWaits(results)); err != nil {
		return nil, err
	}
	for i := range results {
		results[i].Epoch = c.epochs[parts[i].VB]
		if c.wait {
			results[i].Stable = results[i].Head.Seq
		}
	}
	return results, nil
}

// whoWaits is the strictest of what the results of a commit wait for.
func whoWaits(results []store.PartResult) waiter {
	who := waitDuplicate
	for i := range results {
		switch results[i].Verdict {
		case store.SourceClosed:
			return waitEnd
		case store.Duplicate:
		default:
			who = waitAppend
		}
	}
	return who
}

func cloneParts(parts []store.Part) []store.Part {
	parts = slices.Clone(parts)
	for i := range parts {
		parts[i].Body = slices.Clone(parts[i].Body)
	}
	return parts
}

// Close implements store.Store.
func (c *Cluster) Close(ctx context.Context, id store.SourceID, t store.Token) (closed store.Closed, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := true
	c.change(change{end: true, do: func(m *store.Mem) {
		r, err := m.Close(ctx, id, t)
		must(err)
		if first {
			closed, first = r, false
		}
	}})
	for i := range closed.Heads {
		closed.Heads[i].Epoch = c.epochs[closed.Heads[i].VB]
	}
	return closed, c.fence(waitEnd)
}

// Heads implements store.Store.
func (c *Cluster) Heads(ctx context.Context, id store.SourceID) ([]store.SourceHead, error) {
	heads, err := c.mem.Heads(ctx, id)
	for i := range heads {
		heads[i].Epoch = c.epochs[heads[i].VB]
	}
	return heads, err
}

// Command implements store.Store.
func (c *Cluster) Command(ctx context.Context, vb int, cmd store.Command) (at store.Position, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := true
	c.change(change{do: func(m *store.Mem) {
		p, err := m.Command(ctx, vb, cmd)
		must(err)
		if first {
			at, first = p, false
		}
	}})
	return at, c.fence(waitOther)
}

// Compact implements store.Store.
func (c *Cluster) Compact(ctx context.Context, vb int, us []store.Update, trim store.Position) (done store.Compacted, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := true
	c.change(change{compaction: true, do: func(m *store.Mem) {
		d, err := m.Compact(ctx, vb, us, trim)
		must(err)
		if first {
			done, first = d, false
		}
	}})
	return done, nil
}

// GC implements store.Store.
func (c *Cluster) GC(ctx context.Context, elapsed time.Duration, now time.Time) (n int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := true
	c.change(change{do: func(m *store.Mem) {
		removed, err := m.GC(ctx, elapsed, now)
		must(err)
		if first {
			n, first = removed, false
		}
	}})
	return n, c.fence(waitOther)
}

// Load implements store.Store: it reads, then makes sure that what it has read
// is safe.
func (c *Cluster) Load(ctx context.Context, vb int, r store.LoadRequest) (*store.Loaded, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l, err := c.mem.Load(ctx, vb, r)
	if err != nil {
		return nil, err
	}
	l.Epoch = c.epochs[vb]
	return l, c.fence(waitRead)
}
