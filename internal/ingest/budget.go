package ingest

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// Budget bounds the bytes that all requests in flight hold together. It is
// safe for concurrent use and may be shared by several Handlers.
type Budget struct {
	max  atomic.Int64
	used atomic.Int64

	decoding chan struct{} // bodies that are all there, see lease.enter

	waited atomic.Bool // somebody has asked for freed
	mu     sync.Mutex
	next   chan struct{} // closed when bytes are given back; nil if nobody waits
}

// NewBudget returns a Budget of max bytes.
func NewBudget(max int64) *Budget {
	b := &Budget{decoding: make(chan struct{}, runtime.GOMAXPROCS(0))}
	b.SetMax(max)
	return b
}

// SetMax changes the bytes that may be held from here on. What is held already
// stays.
func (b *Budget) SetMax(max int64) { b.max.Store(max) }

// Used returns the bytes held now.
func (b *Budget) Used() int64 { return b.used.Load() }

// Max returns the bytes that may be held.
func (b *Budget) Max() int64 { return b.max.Load() }

// freed returns a channel that is closed when bytes are given back. Whoever
// got it has to try again before waiting: they may have been before.
func (b *Budget) freed() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next == nil {
		b.next = make(chan struct{})
	}
	b.waited.Store(true)
	return b.next
}

// give wakes those who wait for bytes.
func (b *Budget) give() {
	if !b.waited.Load() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waited.Store(false)
	if b.next != nil {
		close(b.next)
		b.next = nil
	}
}

// lease is one request's share of a Budget.
type lease struct {
	of      *Budget
	held    int64
	entered bool // see enter
}

// hold changes the share to n bytes. It returns false, and changes nothing,
// if there is no room to grow.
func (l *lease) hold(n int64) bool {
	grow := n - l.held
	if l.of.used.Add(grow) > l.of.max.Load() && grow > 0 {
		l.of.used.Add(-grow)
		return false
	}
	l.held = n
	if grow < 0 {
		l.of.give()
	}
	return true
}

// force changes the share to n bytes, whatever the budget says.
func (l *lease) force(n int64) {
	grow := n - l.held
	l.of.used.Add(grow)
	l.held = n
	if grow < 0 {
		l.of.give()
	}
}

// free gives the share back.
func (l *lease) free() {
	l.leave()
	l.hold(0)
}

// Charge adds to the bytes held, whether there is room or not, for those who
// can only stop what comes after. Negative bytes are given back.
func (b *Budget) Charge(bytes int64) {
	b.used.Add(bytes)
	if bytes < 0 {
		b.give()
	}
}

// Full reports whether there is no more room.
func (b *Budget) Full() bool { return b.used.Load() >= b.max.Load() }
