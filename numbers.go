package taba

import (
	"runtime"
	"sync"
	"time"
	"unsafe"
)

// record is one number: 24 bytes until it is sent.
type record struct {
	at    int64 // milliseconds since 1970
	value float64
	id    uint32
}

// chunk is the unit in which memory for numbers is taken and given back.
type chunk struct {
	n       int
	records [256]record
}

const chunkBytes = int64(unsafe.Sizeof(chunk{}))

var chunkPool = sync.Pool{New: func() any { return new(chunk) }}

func (ch *chunk) free() {
	ch.n = 0
	chunkPool.Put(ch)
}

// stripe is one of several buffers that goroutines spread over, so that they
// do not wait for each other.
type stripe struct {
	mu       sync.Mutex
	open     *chunk   // nil until something was recorded
	full     []*chunk // in order
	recorded uint64   // ever
	_        [72]byte // keeps stripes off each other's cache lines
}

// numbers buffers records.
type numbers struct {
	stripes []stripe
	mask    uintptr
}

// clockIdle and clockClosed are values of Client.clock that are no time.
const (
	clockIdle   = 0
	clockClosed = -1
)

func newNumbers(bound int64) numbers {
	// A stripe holds at least a chunk: with a small bound, fewer stripes.
	want := int64(min(4*runtime.GOMAXPROCS(0), 64))
	want = min(want, max(1, bound/(8*chunkBytes)))
	n := 1
	for int64(2*n) <= want {
		n *= 2
	}
	return numbers{stripes: make([]stripe, n), mask: uintptr(n - 1)}
}

// mine returns the stripe of the calling goroutine, told by where its stack
// is. Any stripe would do; this one is likely to be free.
func (ns *numbers) mine() *stripe {
	var here byte
	h := uintptr(unsafe.Pointer(&here)) >> 10
	h ^= h >> 7
	return &ns.stripes[h&ns.mask]
}

// number records v.
func (s *series) number(v float64) {
	if s == nil {
		return
	}
	c := s.c
	if s.bad || v-v != 0 { // v-v is NaN if v is NaN or infinite
		c.drop(DropInvalid, 1)
		return
	}
	st := c.numbers.mine()
	st.mu.Lock()
	at, ch := c.clock.Load(), st.open
	if at > clockIdle && ch != nil && ch.n < len(ch.records) {
		ch.records[ch.n] = record{at: at, value: v, id: s.id}
		ch.n++
		st.recorded++
		st.mu.Unlock()
		return
	}
	why := c.numberSlow(st, s.id, v)
	st.mu.Unlock()
	if why != "" {
		c.drop(why, 1)
	}
}

// numberSlow records when the clock stands or a chunk is needed. It is called
// with the stripe locked, and returns why nothing was recorded.
func (c *Client) numberSlow(st *stripe, id uint32, v float64) DropReason {
	at := c.tellTime()
	if at == clockClosed {
		return DropClosed
	}
	if st.open == nil || st.open.n == len(st.open.records) {
		if !c.hold(chunkBytes) {
			return DropFull
		}
		if st.open != nil {
			st.full = append(st.full, st.open)
		}
		st.open = chunkPool.Get().(*chunk)
	}
	st.open.records[st.open.n] = record{at: at, value: v, id: id}
	st.open.n++
	st.recorded++
	return ""
}

// take moves every chunk to dst.
func (ns *numbers) take(dst []*chunk) []*chunk {
	for i := range ns.stripes {
		st := &ns.stripes[i]
		st.mu.Lock()
		dst = append(dst, st.full...)
		if st.open != nil {
			dst = append(dst, st.open)
		}
		st.open = nil
		clear(st.full)
		st.full = st.full[:0]
		if cap(st.full) > 1024 {
			st.full = nil
		}
		st.mu.Unlock()
	}
	return dst
}

// barrier returns when everybody who was recording has finished.
func (ns *numbers) barrier() {
	for i := range ns.stripes {
		ns.stripes[i].mu.Lock()
		//lint:ignore SA2001 whoever holds the lock is recording: there is nothing to do inside
		ns.stripes[i].mu.Unlock()
	}
}

func (ns *numbers) recorded() (n uint64) {
	for i := range ns.stripes {
		st := &ns.stripes[i]
		st.mu.Lock()
		n += st.recorded
		st.mu.Unlock()
	}
	return n
}

// tellTime returns the clock's milliseconds, having woken it if it stood. What
// it returns is never clockIdle: the flusher may put the clock to rest again
// before we look, so the time of our own swap counts.
func (c *Client) tellTime() int64 {
	for {
		at := c.clock.Load()
		if at == clockIdle {
			at = time.Now().UnixMilli()
			if !c.clock.CompareAndSwap(clockIdle, at) {
				continue // another woke it, or closed it
			}
			notify(c.wake)
		}
		return at
	}
}

// hold takes n bytes of the buffer, if there are so many, and asks for a flush
// when half of it is used.
func (c *Client) hold(n int64) bool {
	used := c.used.Add(n)
	if used > c.bound {
		c.used.Add(-n)
		return false
	}
	if used > c.bound/2 {
		notify(c.half)
	}
	return true
}

// notify wakes whoever reads from ch, now or later, once.
func notify(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
