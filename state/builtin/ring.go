package builtin

import (
	"math"
	"sort"
)

// A ring holds what happened in the newest size intervals of a fixed width:
// buckets with ids floor(time/width) in (newest-size, newest], where newest is
// the largest id it has seen. Only buckets with events exist, in ascending
// order. Truncating by the newest id and not by a clock keeps merging
// associative.
//
// It reuses the memory of buckets that fell out, through the reset of P.
type ring[T any, P interface {
	*T
	reset()
}] []bucket[T]

type bucket[T any] struct {
	id int64
	v  T
}

func (r ring[T, P]) newest() int64 { return r[len(r)-1].id }

// at returns the bucket with this id, made if necessary. It returns nil if id
// is older than the ring reaches. The pointer is valid until the next call.
func (r *ring[T, P]) at(id, size int64) P {
	if n := len(*r); n > 0 {
		last := &(*r)[n-1]
		if last.id == id {
			return &last.v
		}
		if id < last.id {
			return r.late(id, size)
		}
		r.dropBefore(id - size + 1)
	}
	return r.push(id)
}

// late is at for an id below the newest.
func (r *ring[T, P]) late(id, size int64) P {
	b := *r
	if id <= b.newest()-size {
		return nil
	}
	i := sort.Search(len(b), func(i int) bool { return b[i].id >= id })
	if b[i].id != id {
		r.push(id)
		b = *r
		fresh := b[len(b)-1]
		copy(b[i+1:], b[i:])
		b[i] = fresh
	}
	return &b[i].v
}

// push adds an empty bucket at the end.
func (r *ring[T, P]) push(id int64) P {
	b := *r
	n := len(b)
	if n < cap(b) {
		b = b[:n+1]
		P(&b[n].v).reset()
	} else {
		b = append(b, bucket[T]{})
	}
	b[n].id = id
	*r = b
	return &b[n].v
}

// dropBefore drops the buckets with ids below first.
func (r *ring[T, P]) dropBefore(first int64) {
	b := *r
	drop := 0
	for drop < len(b) && b[drop].id < first {
		drop++
	}
	if drop == 0 {
		return
	}
	// Swap, so that the dropped ones lie behind the end, for push to reuse.
	for i := drop; i < len(b); i++ {
		b[i-drop], b[i] = b[i], b[i-drop]
	}
	*r = b[:len(b)-drop]
}

// merge adds the buckets of o to r with add.
func (r *ring[T, P]) merge(o ring[T, P], size int64, add func(dst, src P)) {
	if len(o) <= 4 {
		for i := range o {
			if dst := r.at(o[i].id, size); dst != nil {
				add(dst, &o[i].v)
			}
		}
		return
	}
	next := 0 // where in r the next id probably is: both are in order
	for i := range o {
		src := &o[i]
		for next < len(*r) && (*r)[next].id < src.id {
			next++
		}
		if next < len(*r) && (*r)[next].id == src.id {
			add(&(*r)[next].v, &src.v)
			continue
		}
		if dst := r.at(src.id, size); dst != nil {
			add(dst, &src.v)
		}
		next = 0
	}
}

// window returns the buckets with ids in (end-n, end].
func (r ring[T, P]) window(end, n int64) ring[T, P] {
	if len(r) > 0 && r.newest() > end {
		r = r[:r.after(end)]
	}
	if len(r) > 0 && r[0].id <= end-n {
		r = r[r.after(end-n):]
	}
	return r
}

// after returns the index of the first bucket after id.
func (r ring[T, P]) after(id int64) int {
	return sort.Search(len(r), func(i int) bool { return r[i].id > id })
}

// clamp moves the buckets after limit into the bucket of limit.
func (r *ring[T, P]) clamp(limit, size int64, add func(dst, src P)) {
	b := *r
	if len(b) == 0 || b.newest() <= limit {
		return
	}
	first := b.after(limit)
	if first > 0 && b[first-1].id == limit {
		first--
	}
	b[first].id = limit
	for i := first + 1; i < len(b); i++ {
		add(&b[first].v, &b[i].v)
	}
	*r = b[:first+1]
	r.dropBefore(limit - size + 1)
}

// maxTime bounds the times that buckets tell apart, in seconds. It is far
// beyond any date and keeps all arithmetic on ids within int64.
const maxTime = 1 << 52

// secondOf returns floor(t), the id of t's bucket of one second. The id for
// width w is floorDiv(secondOf(t), w).
func secondOf(t float64) int64 {
	switch {
	case t >= maxTime:
		return maxTime
	case t <= -maxTime:
		return -maxTime
	}
	return int64(math.Floor(t))
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
