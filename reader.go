package taba

import (
	"math"
	"sync/atomic"
)

// reader takes what is recorded into a shard without its recorders' noticing:
// it remembers how many events of each run it has taken, and takes those that
// have come since. Only the last chunk can still change; those before it are
// freed when they are read. Readers belong
// to the flusher.
type reader struct {
	head  *chunk   // nil before there is one
	taken []uint64 // of each run of head
	next  int      // the run of head to be looked at next
	at    int64    // of the tick before it
	end   *chunk   // take up to here,
	endN  int      // and so many runs of it
	read  uint64   // events ever taken
}

// record is n events as they are taken.
type record struct {
	at    int64 // milliseconds since 1970
	value float64
	n     uint64
	id    uint32
}

// mark lets take go up to what is recorded by now.
func (ns *numbers) mark() {
	for i := range ns.shards {
		ns.shards[i].mark()
	}
}

// take appends what was recorded before the last mark to dst, as much as its
// capacity allows, and frees what memory it can.
func (ns *numbers) take(dst []record, free func(*chunk)) []record {
	for i := range ns.shards {
		dst = ns.shards[i].take(dst, free)
	}
	return dst
}

// waiting reports whether there is anything to take after the next mark.
func (ns *numbers) waiting() bool {
	for i := range ns.shards {
		if sh := &ns.shards[i]; atomic.LoadUint64(&sh.total) > sh.read {
			return true
		}
	}
	return false
}

// recorded is how many events there ever were. Anybody may ask.
func (ns *numbers) recorded() (n uint64) {
	for i := range ns.shards {
		n += atomic.LoadUint64(&ns.shards[i].total)
	}
	return n
}

func (sh *shard) mark() {
	r := &sh.reader
	if r.head == nil {
		if r.head = sh.first.Load(); r.head == nil {
			return
		}
		r.end, r.taken = r.head, make([]uint64, chunkRuns)
	}
	r.next = 0 // what was looked at may have grown
	for next := r.end.next.Load(); next != nil; next = next.next.Load() {
		r.end = next
	}
	r.endN = r.end.len()
}

func (r *reader) take(dst []record, free func(*chunk)) []record {
	for r.head != nil {
		n := r.endN
		if r.head != r.end {
			n = r.head.len()
		}
		dst = r.takeHead(dst, n)
		if r.next < n || r.head == r.end {
			break
		}
		ch := r.head
		r.head, r.next = ch.next.Load(), 0
		clear(r.taken)
		free(ch)
	}
	return dst
}

// takeHead takes from the runs of head up to n.
func (r *reader) takeHead(dst []record, n int) []record {
	for ; r.next < n && len(dst) < cap(dst); r.next++ {
		run := &r.head.runs[r.next]
		id, grown := run.load()
		if id == tick {
			r.at = int64(run.value)
			continue
		}
		if fresh := grown - r.taken[r.next]; fresh > 0 {
			r.taken[r.next] = grown
			r.read += fresh
			dst = append(dst, record{at: r.at, value: math.Float64frombits(run.value), n: fresh, id: id})
		}
	}
	return dst
}

// len is how many runs of a chunk are written.
func (ch *chunk) len() int { return int(atomic.LoadUint64(&ch.n)) }
