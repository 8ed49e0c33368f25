package ingest

import "sync"

// pool keeps values for reuse within a bound in bytes, so that the memory of a
// burst is given back. It is safe for concurrent use.
type pool[T any] struct {
	fresh func() T
	size  func(T) int // memory a value holds
	max   int         // bytes kept at most; zero: poolBytes

	mu    sync.Mutex
	free  []sized[T]
	bytes int
}

// sized remembers what a value was accounted with.
type sized[T any] struct {
	value T
	bytes int
}

// poolBytes is what a pool keeps at most unless told otherwise. What a process
// holds on to after a burst is a few times this.
const poolBytes = 8 << 20

func (p *pool[T]) get() T {
	p.mu.Lock()
	if n := len(p.free); n > 0 {
		s := p.free[n-1]
		p.free[n-1] = sized[T]{}
		p.free = p.free[:n-1]
		p.bytes -= s.bytes
		p.mu.Unlock()
		return s.value
	}
	p.mu.Unlock()
	return p.fresh()
}

// put takes v back, or lets the garbage collector have it.
func (p *pool[T]) put(v T) {
	s := sized[T]{value: v, bytes: max(p.size(v), 1<<10)} // so that their number is bounded too
	p.mu.Lock()
	defer p.mu.Unlock()
	or(&p.max, poolBytes)
	if p.bytes+s.bytes > p.max {
		return
	}
	p.free = append(p.free, s)
	p.bytes += s.bytes
}
