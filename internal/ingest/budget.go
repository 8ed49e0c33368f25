package ingest

import "sync/atomic"

// Budget bounds the bytes that all requests in flight hold together. It is
// safe for concurrent use and may be shared by several Handlers.
type Budget struct {
	max  atomic.Int64
	used atomic.Int64
}

// NewBudget returns a Budget of max bytes.
func NewBudget(max int64) *Budget {
	b := &Budget{}
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

// lease is one request's share of a Budget.
type lease struct {
	of   *Budget
	held int64
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
	return true
}

// free gives the share back.
func (l *lease) free() { l.hold(0) }
