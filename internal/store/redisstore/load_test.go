package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/tabaproject/taba/internal/store"
)

// load is senders that number what they send, as agents do, to several stores
// on the same servers, while these are mistreated. Each sends the same bytes
// until it knows what became of them.
type load struct {
	t       testing.TB
	lossy   bool // what was acknowledged may be lost, and is sent again
	stores  []store.Store
	stop    chan struct{}
	all     sync.WaitGroup
	acked   atomic.Int64 // events, those that were acknowledged again included
	lastAck atomic.Int64 // nanoseconds
	failed  atomic.Int64 // parts that were sent again
	lost    atomic.Int64 // parts that had been acknowledged and were sent again
	senders []*sender
}

// sender is one Source with its own history.
type sender struct {
	id    store.SourceID
	to    store.Store
	parts [][]store.Part // by vbucket, all that were ever sent
	acked []int          // by vbucket, how many of them are acknowledged
}

// burden starts senders. Each sends a part to every vbucket at a time.
func burden(t testing.TB, senders int, stores ...store.Store) *load {
	t.Helper()
	return newBurden(t, false, senders, stores...)
}

// lossyBurden is of stores that do not wait for every replica.
func lossyBurden(t testing.TB, senders int, stores ...store.Store) *load {
	t.Helper()
	return newBurden(t, true, senders, stores...)
}

func newBurden(t testing.TB, lossy bool, senders int, stores ...store.Store) *load {
	t.Helper()
	l := &load{t: t, lossy: lossy, stores: stores, stop: make(chan struct{})}
	for i := range senders {
		st := stores[i%len(stores)]
		id, err := st.Open(t.Context(), store.ClassSpool, store.Nonce{byte(i)}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		v := st.Meta().Partition.VBuckets
		l.senders = append(l.senders, &sender{id: id, to: st, parts: make([][]store.Part, v), acked: make([]int, v)})
	}
	for _, s := range l.senders {
		l.all.Go(func() { l.send(s) })
	}
	if !lossy {
		l.all.Go(l.read)
	}
	return l
}

func (l *load) stopped() bool {
	select {
	case <-l.stop:
		return true
	default:
		return false
	}
}

// pace is how long a sender gathers what it sends next.
const pace = 4 * time.Millisecond

// send sends parts until it is told to stop, and the last ones to their end.
func (l *load) send(s *sender) {
	for {
		parts := s.next()
		if len(parts) == 0 {
			if l.stopped() {
				return
			}
			for vb := range s.parts {
				s.parts[vb] = append(s.parts[vb], s.seal(vb))
			}
			continue
		}
		if err := l.once(s, parts); err != nil {
			l.t.Error(err)
			return
		}
		<-time.After(pace)
	}
}

// inOneGo is how many parts of a vbucket are sent at a time.
const inOneGo = 64

// next are parts that are not acknowledged.
func (s *sender) next() (parts []store.Part) {
	for vb, list := range s.parts {
		list = list[s.acked[vb]:]
		parts = append(parts, list[:min(len(list), inOneGo)]...)
	}
	return parts
}

// once sends parts and notes what became of them.
func (l *load) once(s *sender, parts []store.Part) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	results, err := s.to.Append(ctx, parts)
	if err != nil {
		return err
	}
	for i, r := range results {
		p := parts[i]
		switch {
		case r.Err != nil:
			l.failed.Add(1)
		case r.Verdict != store.Gap && r.Head.Seq >= p.Seq && r.Head == s.head(p.VB, r.Head.Seq):
			// Applied, a duplicate or, if later ones are there too, called forked.
			s.acked[p.VB] = int(p.Seq)
			l.acked.Add(1)
			l.lastAck.Store(time.Now().UnixNano())
		case r.Verdict == store.Gap && s.acked[p.VB] < int(p.Prev):
			l.failed.Add(1) // one before it failed
		case r.Verdict == store.Gap && l.lossy && r.Head == s.head(p.VB, r.Head.Seq):
			l.rewind(s, p.VB, r.Head.Seq)
		default:
			return fmt.Errorf("part %d of vbucket %d: verdict %v, the store has %d; %d were acknowledged", p.Seq, p.VB, r.Verdict, r.Head.Seq, s.acked[p.VB])
		}
	}
	return nil
}

// rewind goes back to what the store has.
func (l *load) rewind(s *sender, vb int, seq uint64) {
	if n := s.acked[vb] - int(seq); n > 0 {
		l.lost.Add(int64(n))
		l.acked.Add(int64(-n))
		s.acked[vb] = int(seq)
	}
}

// head is a sender's own history up to a part; no head at all if it has none.
func (s *sender) head(vb int, seq uint64) store.Head {
	if seq == 0 || seq > uint64(len(s.parts[vb])) {
		return store.Head{}
	}
	p := &s.parts[vb][seq-1]
	return store.Head{Seq: p.Seq, Chain: p.Chain}
}

// seal makes the next part of a vbucket, of one event.
func (s *sender) seal(vb int) store.Part {
	seq := uint64(len(s.parts[vb]) + 1)
	var w store.BodyWriter
	w.Tab(store.Tab{Name: fmt.Sprint("tab", vb), Type: "Total"})
	w.Partial(s.id.String(), 1, func(dst []byte) []byte { return fmt.Append(dst, seq) })
	body := append([]byte(nil), w.Bytes()...)
	prev := s.head(vb, seq-1)
	p := store.Part{Source: s.id, VB: vb, Seq: seq, Prev: prev.Seq, Events: 1, Body: body, Digest: store.Digest{byte(xxhash.Sum64(body))}}
	p.Chain = store.NextChain(prev.Chain, p.Seq, p.Prev, p.Digest)
	return p
}

// read follows the log of the first vbucket and sees to it that no answer has
// less than one before.
func (l *load) read() {
	var at store.Position
	for i := 0; !l.stopped(); i++ {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		loaded, err := l.stores[i%len(l.stores)].Load(ctx, 0, store.LoadRequest{After: at})
		cancel()
		switch {
		case errors.Is(err, store.ErrDiverged):
			l.t.Errorf("what was read up to %d is not there any more", at.Offset)
			return
		case err != nil:
		case loaded.End.Offset < at.Offset:
			l.t.Errorf("the end went back from %d to %d", at.Offset, loaded.End.Offset)
			return
		default:
			at = loaded.End
		}
		<-time.After(pace)
	}
}

// finish stops the senders when all they sent is acknowledged, and counts.
func (l *load) finish() {
	l.t.Helper()
	close(l.stop)
	l.all.Wait()
	if l.t.Failed() {
		return
	}
	if l.lossy {
		l.reconcile()
	}
	for vb := range l.stores[0].Meta().Partition.VBuckets {
		l.count(vb)
	}
	l.t.Logf("%d events acknowledged, %d parts sent again, %d of them lost by a failover", l.acked.Load(), l.failed.Load()+l.lost.Load(), l.lost.Load())
}

// reconcile asks what the store has, as agents do now and then, and sends what
// is missing until nothing is.
func (l *load) reconcile() {
	l.t.Helper()
	for _, s := range l.senders {
		if !within(*patience, func() bool { return l.reconciled(s) }) {
			l.t.Fatalf("source %v: what is missing cannot be sent", s.id)
		}
	}
}

func (l *load) reconciled(s *sender) bool {
	heads, err := s.to.Heads(context.Background(), s.id)
	if err != nil {
		return false
	}
	for _, h := range heads {
		if h.Head != s.head(h.VB, h.Head.Seq) {
			l.t.Fatalf("source %v, vbucket %d: the store has part %d of another history", s.id, h.VB, h.Head.Seq)
		}
		l.rewind(s, h.VB, h.Head.Seq)
	}
	parts := s.next()
	if len(parts) == 0 {
		return true
	}
	if err := l.once(s, parts); err != nil {
		l.t.Fatal(err)
	}
	return false
}

// count compares what is in the log of a vbucket with what was acknowledged.
func (l *load) count(vb int) {
	l.t.Helper()
	var loaded *store.Loaded
	var err error
	if !within(*patience, func() bool {
		loaded, err = l.stores[0].Load(context.Background(), vb, store.LoadRequest{})
		return err == nil
	}) {
		l.t.Fatal(err)
	}
	seen := map[store.SourceID]uint64{}
	for i := range loaded.Entries {
		e := &loaded.Entries[i]
		if e.Seq != seen[e.Source]+1 {
			l.t.Errorf("vbucket %d, source %v: part %d after %d", vb, e.Source, e.Seq, seen[e.Source])
		}
		seen[e.Source] = e.Seq
	}
	for _, s := range l.senders {
		if seen[s.id] != uint64(s.acked[vb]) || s.acked[vb] != len(s.parts[vb]) {
			l.t.Errorf("vbucket %d, source %v: %d parts are there, %d were acknowledged, %d were sent", vb, s.id, seen[s.id], s.acked[vb], len(s.parts[vb]))
		}
	}
}

// goesOn waits until something is acknowledged that was not yet at the time of
// the call, and returns how long that took.
func (l *load) goesOn() time.Duration {
	l.t.Helper()
	begun := time.Now().UnixNano()
	if !within(*patience, func() bool { return l.lastAck.Load() > begun || l.t.Failed() }) {
		l.t.Fatal("nothing is acknowledged any more")
	}
	return time.Duration(l.lastAck.Load() - begun)
}

// refused waits until something is not acknowledged.
func (l *load) refused() {
	l.t.Helper()
	begun := l.failed.Load()
	if !within(*patience, func() bool { return l.failed.Load() > begun || l.t.Failed() }) {
		l.t.Fatal("nothing is refused")
	}
}
