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
	t       *testing.T
	stores  []store.Store
	stop    chan struct{}
	all     sync.WaitGroup
	acked   atomic.Int64 // events
	lastAck atomic.Int64 // nanoseconds
	failed  atomic.Int64 // calls, each of which was made again
	senders []*sender
}

// sender is one Source with its own history.
type sender struct {
	id    store.SourceID
	heads map[int]store.Head
}

// burden starts senders. Each sends a part to every vbucket at a time.
func burden(t *testing.T, senders int, stores ...store.Store) *load {
	t.Helper()
	l := &load{t: t, stores: stores, stop: make(chan struct{})}
	for i := range senders {
		st := stores[i%len(stores)]
		id, err := st.Open(t.Context(), store.ClassSpool, store.Nonce{byte(i)}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		s := &sender{id: id, heads: map[int]store.Head{}}
		l.senders = append(l.senders, s)
		l.all.Go(func() { l.send(s, st) })
	}
	l.all.Go(l.read)
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

// send sends batches until it is told to stop, and the last one to its end.
func (l *load) send(s *sender, st store.Store) {
	for seq := uint64(1); !l.stopped(); seq++ {
		var parts []store.Part
		for vb := range st.Meta().Partition.VBuckets {
			parts = append(parts, s.seal(vb, seq))
		}
		for len(parts) > 0 {
			left, err := l.once(s, st, parts)
			if err != nil {
				l.t.Error(err)
				return
			}
			parts = left
		}
	}
}

// once sends parts and returns those of which it is not known what became.
func (l *load) once(s *sender, st store.Store, parts []store.Part) (left []store.Part, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	results, err := st.Append(ctx, parts)
	if err != nil {
		return nil, err
	}
	for i, r := range results {
		p := parts[i]
		want := store.Head{Seq: p.Seq, Chain: p.Chain}
		switch {
		case r.Err != nil:
			l.failed.Add(1)
			left = append(left, p)
		case (r.Verdict == store.Applied || r.Verdict == store.Duplicate) && r.Head == want:
			s.heads[p.VB] = want
			l.acked.Add(1)
			l.lastAck.Store(time.Now().UnixNano())
		default:
			return nil, fmt.Errorf("part %d of vbucket %d: verdict %v, the store has %d; %d were acknowledged", p.Seq, p.VB, r.Verdict, r.Head.Seq, s.heads[p.VB].Seq)
		}
	}
	if len(left) > 0 {
		<-time.After(time.Millisecond) // as a sender that was refused
	}
	return left, nil
}

// seal makes the next part of a vbucket, of one event.
func (s *sender) seal(vb int, seq uint64) store.Part {
	var w store.BodyWriter
	w.Tab(store.Tab{Name: fmt.Sprint("tab", vb), Type: "Total"})
	w.Partial(s.id.String(), 1, func(dst []byte) []byte { return fmt.Append(dst, seq) })
	body := append([]byte(nil), w.Bytes()...)
	prev := s.heads[vb]
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
			<-time.After(time.Millisecond)
		case loaded.End.Offset < at.Offset:
			l.t.Errorf("the end went back from %d to %d", at.Offset, loaded.End.Offset)
			return
		default:
			at = loaded.End
		}
	}
}

// finish stops the senders when all they sent is acknowledged, and counts.
func (l *load) finish() {
	l.t.Helper()
	close(l.stop)
	l.all.Wait()
	st := l.stores[0]
	var events uint64
	for vb := range st.Meta().Partition.VBuckets {
		loaded, err := st.Load(l.t.Context(), vb, store.LoadRequest{})
		if err != nil {
			l.t.Fatal(err)
		}
		seen := map[store.SourceID]uint64{}
		for i := range loaded.Entries {
			e := &loaded.Entries[i]
			if e.Seq != seen[e.Source]+1 {
				l.t.Errorf("vbucket %d, source %v: part %d after %d", vb, e.Source, e.Seq, seen[e.Source])
			}
			seen[e.Source] = e.Seq
			events += e.Events
		}
		for _, s := range l.senders {
			if seen[s.id] != s.heads[vb].Seq {
				l.t.Errorf("vbucket %d, source %v: %d parts are there, %d were acknowledged", vb, s.id, seen[s.id], s.heads[vb].Seq)
			}
		}
	}
	if int64(events) != l.acked.Load() {
		l.t.Errorf("%d events are there, %d were acknowledged", events, l.acked.Load())
	}
	l.t.Logf("%d events acknowledged, %d parts sent again", l.acked.Load(), l.failed.Load())
}

// goesOn waits until something is acknowledged that was not yet at the time of
// the call.
func (l *load) goesOn() {
	l.t.Helper()
	begun := time.Now().UnixNano()
	if !within(time.Minute, func() bool { return l.lastAck.Load() > begun || l.t.Failed() }) {
		l.t.Fatal("nothing is acknowledged any more")
	}
}
