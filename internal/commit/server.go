package commit

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tabaproject/taba/internal/fold"
	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/wire"
	"github.com/tabaproject/taba/state"
)

// Server commits to a store what a server folded itself and the parts that
// agents sent, one commit in flight per vbucket: a vbucket whose shard is down
// stalls only itself.
type Server struct {
	store     store.Store
	partition store.Partition
	lanes     []*lane
}

// ServerOptions are the settings of a Server.
type ServerOptions struct {
	Store    store.Store
	Registry *state.Registry
	// Level is that of everybody who reads the store; nil: state.Newest.
	Level func() state.Level
	// Now is the clock that gives Sources their birth; nil: time.Now.
	Now func() time.Time
	// Committed is called after each commit that appended something, with the
	// size of that; nil: nobody is told. It must not block: senders wait for their
	// acknowledgements.
	Committed func(vb int, bytes int64)
}

// NewServer returns a Server. Its Sources are opened when they are needed.
func NewServer(o ServerOptions) *Server {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Committed == nil {
		o.Committed = func(int, int64) {}
	}
	if o.Level == nil {
		o.Level = func() state.Level { return state.Newest }
	}
	s := &Server{store: o.Store, partition: o.Store.Meta().Partition}
	for vb := range max(1, s.partition.VBuckets) {
		s.lanes = append(s.lanes, newLane(vb, s.partition, o))
	}
	return s
}

// Commit makes the Partials of acc durable. When it returns nil every query
// that begins afterwards sees them. On an error nothing or a part of acc may have
// been committed, and this server never tries again. Commit empties acc and then,
// before it waits for the commit, calls taken, if that is not nil: from then on
// acc serves others.
func (s *Server) Commit(ctx context.Context, acc *fold.Accumulator, taken func()) error {
	if acc.Empty() {
		return nil
	}
	if len(s.lanes) == 1 {
		return s.lanes[0].commitOwn(ctx, acc, taken)
	}
	return s.commitSplit(ctx, acc, taken)
}

// commitSplit cuts acc by vbucket and waits for all of them.
func (s *Server) commitSplit(ctx context.Context, acc *fold.Accumulator, taken func()) error {
	bodies := make([][]byte, len(s.lanes))
	acc.Encode(s.partition, func(vb int, body []byte, _ uint64) {
		bodies[vb] = append([]byte(nil), body...)
	})
	acc.Reset()
	if taken != nil {
		taken()
	}
	// Where the last commit failed is tried first: a sender that is refused sends
	// all of it again, so nothing of it should be counted.
	failing := func(l *lane) bool { return l.failing.Load() }
	if err := s.commitBodies(ctx, bodies, failing); err != nil {
		return err
	}
	return s.commitBodies(ctx, bodies, func(*lane) bool { return true })
}

// commitBodies commits those that are of lanes that are meant, side by side, and
// takes them from bodies.
func (s *Server) commitBodies(ctx context.Context, bodies [][]byte, meant func(*lane) bool) error {
	errs := make([]error, len(s.lanes))
	var wg sync.WaitGroup
	for vb, body := range bodies {
		if body != nil && meant(s.lanes[vb]) {
			bodies[vb] = nil
			wg.Go(func() { errs[vb] = s.lanes[vb].commitBody(ctx, body) })
		}
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Append appends parts that agents sealed and returns a result for each, in
// order. Parts whose outcome is not known have Err set.
func (s *Server) Append(ctx context.Context, parts []store.Part) ([]store.PartResult, error) {
	results := make([]store.PartResult, len(parts))
	byLane := make(map[int][]int, 1)
	for i := range parts {
		vb := parts[i].VB
		if vb < 0 || vb >= len(s.lanes) {
			return nil, fmt.Errorf("part %d is for vbucket %d, the store has %d", i, vb, len(s.lanes))
		}
		byLane[vb] = append(byLane[vb], i)
	}
	var wg sync.WaitGroup
	for vb, at := range byLane {
		wg.Go(func() { s.lanes[vb].commitParts(ctx, parts, at, results) })
	}
	wg.Wait()
	return results, nil
}

// Commits is the number of commits so far, over all vbuckets.
func (s *Server) Commits() uint64 {
	var n uint64
	for _, l := range s.lanes {
		n += l.commits.Load()
	}
	return n
}

// Stop refuses new work and returns when what was accepted is committed.
func (s *Server) Stop() {
	for _, l := range s.lanes {
		l.group.Stop()
	}
}

// lane is one vbucket's group commit, with the Source of what this server
// folded itself for it.
type lane struct {
	vb        int
	partition store.Partition
	o         ServerOptions
	group     *Group[load]
	own       source
	spare     sync.Pool // of *fold.Accumulator
	commits   atomic.Uint64
	tally     tally
	failing   atomic.Bool // the last commit failed as a whole
	trying    atomic.Bool // one is in flight
}

// errFailing refuses what would wait for a store that did not commit what came
// before: one at a time finds out whether it does again, and the memory is left to
// those who need not wait.
var errFailing = errors.New("the last commit to this part of the store failed, and the next is under way")

// refuses reports whether nothing should wait for the commit in flight.
func (l *lane) refuses() bool { return l.failing.Load() && l.trying.Load() }

// load is what accrues for one commit.
type load struct {
	own     *fold.Accumulator // nil if this server folded nothing
	parts   []store.Part      // of agents
	results []store.PartResult
	ownErr  error
}

func newLane(vb int, p store.Partition, o ServerOptions) *lane {
	l := &lane{vb: vb, partition: p, o: o}
	l.spare.New = func() any { return fold.New(o.Registry) }
	l.group = NewGroup(func() *load { return &load{} }, l.sink)
	return l
}

func (l *lane) accumulator(b *load) *fold.Accumulator {
	if b.own == nil {
		b.own = l.spare.Get().(*fold.Accumulator)
	}
	return b.own
}

func (l *lane) commitOwn(ctx context.Context, acc *fold.Accumulator, taken func()) error {
	if l.refuses() {
		acc.Reset()
		if taken != nil {
			taken()
		}
		return errFailing
	}
	b, err := l.group.Do(ctx, func(b *load) { l.accumulator(b).Merge(acc) }, taken)
	if err != nil {
		return err
	}
	return b.ownErr
}

func (l *lane) commitBody(ctx context.Context, body []byte) error {
	if l.refuses() {
		return errFailing
	}
	var bad error
	b, err := l.group.Do(ctx, func(b *load) { bad = l.accumulator(b).AddBody(body, nil) }, nil)
	if err := errors.Join(bad, err); err != nil {
		return err
	}
	return b.ownErr
}

// commitParts commits parts[i] for each i in at and fills results[i].
func (l *lane) commitParts(ctx context.Context, parts []store.Part, at []int, results []store.PartResult) {
	if l.refuses() {
		for _, i := range at {
			results[i].Err = errFailing
		}
		return
	}
	first := 0
	b, err := l.group.Do(ctx, func(b *load) {
		first = len(b.parts)
		for _, i := range at {
			b.parts = append(b.parts, parts[i])
		}
	}, nil)
	for n, i := range at {
		if err != nil {
			results[i].Err = err
			continue
		}
		results[i] = b.results[first+n]
	}
}

// sink appends everything of one load in one call of the store. The context
// is the lane's own: a caller that goes away does not take others with it.
func (l *lane) sink(b *load) error {
	ctx := context.Background()
	l.trying.Store(true)
	defer l.trying.Store(false)
	failed := false
	parts := b.parts
	if b.own != nil {
		part, err := l.seal(ctx, b.own)
		if err != nil {
			b.ownErr, failed = err, true
		} else {
			parts = append(parts[:len(parts):len(parts)], part)
		}
	}
	if len(parts) > 0 {
		results, err := l.o.Store.Append(ctx, parts)
		if err != nil || len(results) != len(parts) {
			results = unknown(len(parts), err)
		}
		failed = failed || results[0].Err != nil
		if b.own != nil && b.ownErr == nil {
			b.ownErr = l.own.settle(results[len(results)-1], &l.tally)
			results = results[:len(results)-1]
		}
		b.results = results
		l.tally.count(results)
		l.commits.Add(1)
		l.o.Committed(l.vb, sizeOf(parts))
	}
	l.failing.Store(failed)
	if b.own != nil {
		b.own.Reset()
		l.spare.Put(b.own)
		b.own = nil
	}
	return nil
}

func sizeOf(parts []store.Part) (bytes int64) {
	for i := range parts {
		bytes += int64(len(parts[i].Body))
	}
	return bytes
}

// seal turns the accumulated Partials into the next part of the lane's own
// Source.
func (l *lane) seal(ctx context.Context, acc *fold.Accumulator) (store.Part, error) {
	if err := l.own.ready(ctx, l.o.Store, l.o.Now()); err != nil {
		return store.Part{}, err
	}
	acc.SetLevel(l.o.Level())
	body, events := acc.EncodeAll(l.own.body[:0])
	l.own.body = body
	if cap(body) > largestSpare {
		l.own.body = nil
	}
	return l.own.next(l.vb, body, events), nil
}

// largestSpare is the size of a body that is worth keeping room for.
const largestSpare = 1 << 20

func unknown(n int, err error) []store.PartResult {
	if err == nil {
		err = errors.New("the store answered for another number of parts")
	}
	results := make([]store.PartResult, n)
	for i := range results {
		results[i].Err = err
	}
	return results
}

// source numbers the parts that a server folded itself. It needs no spool: its
// senders are answered only after the commit. After an outcome that is not
// known it abandons its id, so that nothing is ever committed again under
// another number.
type source struct {
	id      store.SourceID
	opened  time.Time // with its monotonic reading
	head    store.Head
	pending store.Head // head once the part in flight is applied
	events  uint64     // of the part in flight
	past    *past      // of parts that were acknowledged
	body    []byte
}

// ready opens a Source if there is none or if it nears the end of its age.
func (s *source) ready(ctx context.Context, st store.Store, now time.Time) error {
	if !s.id.IsZero() && time.Since(s.opened) < store.ClassDirect.Age()/2 {
		return nil
	}
	var nonce store.Nonce
	_, _ = rand.Read(nonce[:]) // never fails
	id, err := st.Open(ctx, store.ClassDirect, nonce, now)
	if err != nil {
		return fmt.Errorf("open a source: %w", err)
	}
	*s = source{id: id, opened: time.Now(), body: s.body, past: &past{}}
	return nil
}

func (s *source) next(vb int, body []byte, events uint64) store.Part {
	digest := wire.DigestOf(body)
	seq := s.head.Seq + 1
	s.events = events
	s.pending = store.Head{Seq: seq, Chain: store.NextChain(s.head.Chain, seq, s.head.Seq, digest)}
	return store.Part{
		Source: s.id, VB: vb, Seq: seq, Prev: s.head.Seq, Chain: s.pending.Chain,
		Digest: digest, Events: events, Body: body,
	}
}

// settle takes the verdict on the part in flight.
func (s *source) settle(r store.PartResult, t *tally) error {
	if r.Err == nil && (r.Verdict == store.Applied || r.Verdict == store.Duplicate) && r.Head == s.pending {
		s.head = s.pending
		s.past.add(s.head.Seq, s.events)
		return nil
	}
	if r.Err == nil && r.Verdict == store.Gap && r.Head.Seq < s.head.Seq {
		// What was acknowledged is not there any more.
		t.lostParts.Add(s.head.Seq - r.Head.Seq)
		t.lostEvents.Add(s.past.after(r.Head.Seq, s.head.Seq))
	}
	s.id = store.SourceID{} // abandoned
	if r.Err != nil {
		return fmt.Errorf("append to the store: %w", r.Err)
	}
	return fmt.Errorf("append to the store: verdict %v at sequence %d", r.Verdict, r.Head.Seq)
}
