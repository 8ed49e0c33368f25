package pebblestore

import (
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/tabaproject/taba/internal/store"
)

// sender sends parts with bodies of one tab to one vbucket.
type sender struct {
	t    *testing.T
	s    *Store
	id   store.SourceID
	vb   int
	head store.Head
}

func newSender(t *testing.T, s *Store, vb int) *sender {
	t.Helper()
	id, err := s.Open(t.Context(), store.ClassSpool, store.Nonce{byte(vb)}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return &sender{t: t, s: s, id: id, vb: vb}
}

func (c *sender) send(size int) error {
	var w store.BodyWriter
	w.Tab(store.Tab{Name: "tab", Type: "Total"})
	w.Partial("c", 1, func(dst []byte) []byte { return append(dst, make([]byte, size)...) })
	p := store.Part{Source: c.id, VB: c.vb, Seq: c.head.Seq + 1, Prev: c.head.Seq, Body: w.Bytes()}
	p.Chain = store.NextChain(c.head.Chain, p.Seq, p.Prev, p.Digest)
	r, err := c.s.Append(c.t.Context(), []store.Part{p})
	if err == nil {
		c.head = r[0].Head
	}
	return err
}

// fold folds the vbucket into one record and trims it.
func (c *sender) fold() error {
	l, err := c.s.Load(c.t.Context(), c.vb, store.LoadRequest{Records: store.DirectoryOnly})
	if err != nil {
		return err
	}
	u := store.Update{Tab: store.Tab{Name: "tab", Type: "Total"}, Old: l.Trim, New: l.End, Events: c.head.Seq, First: 1}
	if len(l.Records) > 0 {
		u.Old, u.Stored = l.Records[0].Position, true
	}
	_, err = c.s.Compact(c.t.Context(), c.vb, []store.Update{u}, l.End)
	return err
}

func openMem(t *testing.T, o Options) *Store {
	t.Helper()
	o.Dir, o.VBuckets = "data", 4
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Shutdown() })
	return s
}

// TestCommitsTogether: what waits for a sync of others is synced together.
func TestCommitsTogether(t *testing.T) {
	syncing, release := make(chan struct{}), make(chan struct{})
	var hold atomic.Bool
	s := openMem(t, Options{FS: errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileSyncData && strings.HasSuffix(op.Path, ".log") && hold.CompareAndSwap(true, false) {
			close(syncing)
			<-release
		}
		return nil
	}))})
	senders := make([]*sender, 4)
	for vb := range senders {
		senders[vb] = newSender(t, s, vb)
	}
	hold.Store(true)
	var all sync.WaitGroup
	send := func(c *sender) {
		all.Go(func() {
			if err := c.send(10_000 * c.vb); err != nil {
				t.Error(err)
			}
		})
	}
	send(senders[0])
	<-syncing
	for _, c := range senders[1:] {
		send(c)
	}
	for waiting := 0; waiting < 3; runtime.Gosched() {
		s.commits.mu.Lock()
		waiting = len(s.commits.waiting)
		s.commits.mu.Unlock()
	}
	close(release)
	all.Wait()
	if got := s.log.Next(); got != 3 {
		t.Errorf("%d records, want 2", got-1)
	}
	for vb := range senders {
		if l, err := s.Load(t.Context(), vb, store.LoadRequest{}); err != nil || len(l.Entries) != 1 || len(l.Entries[0].Body) < 10_000*vb {
			t.Errorf("vbucket %d: %+v, %v", vb, l, err)
		}
	}
}

// TestSegmentsAreGivenUp: what is trimmed does not stay on the disk, and what one
// vbucket needs does.
func TestSegmentsAreGivenUp(t *testing.T) {
	mem := vfs.NewMem()
	s := openMem(t, Options{FS: mem}.SmallBuffers())
	needed, c := newSender(t, s, 0), newSender(t, s, 1)
	if err := needed.send(5000); err != nil {
		t.Fatal(err)
	}
	most := 0
	for i := range 400 {
		if err := c.send(20_000); err != nil {
			t.Fatal(err)
		}
		if i%20 == 19 {
			if err := c.fold(); err != nil {
				t.Fatal(err)
			}
			s.upkeep.wait()
			segments, _ := s.log.Segments()
			most = max(most, len(segments))
		}
	}
	if most > 14 { // 20 parts take 7, and as many may wait to be given up
		t.Errorf("%d segments at most", most)
	}
	if err := s.Shutdown(); err != nil {
		t.Fatal(err)
	}
	s = openMem(t, Options{FS: mem}.SmallBuffers())
	if l, err := s.Load(t.Context(), 0, store.LoadRequest{}); err != nil || len(l.Entries) != 1 || len(l.Entries[0].Body) < 5000 {
		t.Errorf("the vbucket that is not trimmed: %+v, %v", l, err)
	}
	if l, err := s.Load(t.Context(), 1, store.LoadRequest{Records: store.WithClients}); err != nil || len(l.Records) != 1 || l.Records[0].Events != 400 {
		t.Errorf("the vbucket that is trimmed: %+v, %v", l, err)
	}
}

// TestMissingSegment: a store whose log is not whole is not opened.
func TestMissingSegment(t *testing.T) {
	mem := vfs.NewMem()
	s := openMem(t, Options{FS: mem}.SmallBuffers())
	c := newSender(t, s, 2)
	for range 10 {
		if err := c.send(20_000); err != nil {
			t.Fatal(err)
		}
	}
	first, _ := s.log.Segments()
	if err := s.Shutdown(); err != nil {
		t.Fatal(err)
	}
	names, err := mem.List("data/log")
	if err != nil || len(names) != len(first) {
		t.Fatalf("%d segments, %v, %v", len(first), names, err)
	}
	for _, name := range names {
		if strings.HasPrefix(name, "0000000000000001-") {
			err = mem.Remove("data/log/" + name)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Dir: "data", FS: mem}); err == nil || !strings.Contains(err.Error(), "segment 1 of the log, which has entry 1 of vbucket 2, is missing") {
		t.Errorf("the first segment is missing: %v", err)
	}
}
