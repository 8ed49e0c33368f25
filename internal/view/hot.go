package view

import (
	"container/list"
	"sync"
	"sync/atomic"

	"github.com/tabaproject/taba/internal/store"
)

// hot holds the States of a kind that was asked for. While it is linked it
// follows the log; a query that holds it may use it after it was unlinked.
type hot struct {
	shard  *shard
	kind   *kind        // guarded by shard.mu
	detail store.Detail // WithAll or WithClients

	mu      sync.Mutex // guards what follows; taken after shard.mu
	content *content
	linked  bool
	counted int // bytes counted against the budget

	element *list.Element // in hots.order; guarded by hots.mu
}

// hots is all that is hot, least recently used last, with its size in bytes.
type hots struct {
	budget int64
	bytes  atomic.Int64
	count  atomic.Int64

	mu    sync.Mutex
	order list.List // of *hot
}

// account counts what h's size changed by. h.mu is held.
func (l *hots) account(h *hot) {
	if h.linked && h.counted != h.content.size {
		l.bytes.Add(int64(h.content.size - h.counted))
		h.counted = h.content.size
	}
}

// link starts to count h. The shard's lock is held.
func (l *hots) link(h *hot) {
	h.mu.Lock()
	h.linked = true
	l.account(h)
	h.mu.Unlock()
	l.count.Add(1)
	l.mu.Lock()
	h.element = l.order.PushFront(h)
	l.mu.Unlock()
}

// unlink drops h from its kind. The shard's lock is held.
func (l *hots) unlink(h *hot) {
	if h == nil {
		return
	}
	h.mu.Lock()
	was := h.linked
	h.linked = false
	l.bytes.Add(-int64(h.counted))
	h.counted = 0
	h.mu.Unlock()
	if !was {
		return
	}
	h.kind.hot = nil
	l.count.Add(-1)
	l.mu.Lock()
	l.order.Remove(h.element)
	l.mu.Unlock()
}

// touch marks hs as just used.
func (l *hots) touch(hs []*hot) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range hs {
		if h != nil && h.element != nil {
			l.order.MoveToFront(h.element) // does nothing if it was removed
		}
	}
}

// trim unlinks what was used least recently until the budget holds. No lock
// may be held.
func (l *hots) trim() {
	for l.bytes.Load() > l.budget {
		l.mu.Lock()
		last := l.order.Back()
		l.mu.Unlock()
		if last == nil {
			return
		}
		h := last.Value.(*hot)
		h.shard.mu.Lock()
		l.unlink(h)
		h.shard.mu.Unlock()
	}
}
