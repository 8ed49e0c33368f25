package view

import (
	"container/list"
	"sync"
	"sync/atomic"
	"time"

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
	used    time.Time     // when it was asked for last; guarded by hots.mu
}

// hots is all that is hot, least recently used last, with its size in bytes.
type hots struct {
	budget int64
	idle   time.Duration
	bytes  atomic.Int64
	count  atomic.Int64

	mu    sync.Mutex
	order list.List // of *hot
	armed bool      // a timer will call expire
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
	defer l.mu.Unlock()
	h.element, h.used = l.order.PushFront(h), time.Now()
	if !l.armed {
		l.armed = true
		time.AfterFunc(l.idle, l.expire)
	}
}

// expire unlinks what nobody has asked for lately, and comes again as long as
// anything is hot: an idle View has no timer and holds no States.
func (l *hots) expire() {
	for {
		l.mu.Lock()
		last := l.order.Back()
		if last == nil {
			l.armed = false
			l.mu.Unlock()
			return
		}
		h := last.Value.(*hot)
		left := l.idle - time.Since(h.used)
		if left > 0 {
			time.AfterFunc(left, l.expire)
			l.mu.Unlock()
			return
		}
		l.mu.Unlock()
		h.drop()
	}
}

// drop unlinks h.
func (h *hot) drop() {
	h.shard.mu.Lock()
	defer h.shard.mu.Unlock()
	h.shard.v.hots.unlink(h)
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
	now := time.Now()
	for _, h := range hs {
		if h != nil && h.element != nil {
			h.used = now
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
		last.Value.(*hot).drop()
	}
}
