package pebblestore_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/store/pebblestore"
)

// The bodies of a run fill several write buffers, so that Pebble writes and
// merges tables, rotates logs and deletes files while the disk is looked at.
const (
	runParts = 120
	runPad   = 8 << 10
)

// run appends parts and compacts now and then, until an error.
func (h *history) run(s store.Store, parts int) error {
	for i := range parts {
		if err := h.append(s); err != nil {
			return err
		}
		if i%9 == 8 {
			if err := h.compact(s); err != nil {
				return err
			}
		}
	}
	return nil
}

func isWrite(op errorfs.Op) bool {
	return op.Kind.ReadOrWrite() == errorfs.OpIsWrite && op.Kind != errorfs.OpFileClose
}

// TestCrash cuts the power at many points of a run, each with another part of
// what was not synced kept.
func TestCrash(t *testing.T) {
	mem := vfs.NewCrashableMem()
	rng := rand.New(rand.NewPCG(1, 2))
	var h *history
	var writes atomic.Int64
	var checking atomic.Bool
	crash := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if h == nil || !isWrite(op) || writes.Add(1)%23 != 0 || !checking.CompareAndSwap(false, true) {
			return nil
		}
		defer checking.Store(false)
		acked := h.acked.Load()
		clone := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
		// The heads that the history holds may grow meanwhile: check a copy.
		if err := h.copy().checkOn(clone, acked); err != nil {
			t.Errorf("power lost at write %d, %v %s, with %d parts acknowledged: %v", writes.Load(), op.Kind, op.Path, acked, err)
		}
		return nil
	})
	s := open(t, options(errorfs.Wrap(mem, crash)))
	started := newHistory(t, s, runPad)
	started.planned(runParts)
	h = started
	if err := h.run(s, runParts); err != nil {
		t.Fatal(err)
	}
	if err := s.Shutdown(); err != nil {
		t.Fatal(err)
	}
	if writes.Load() < 300 {
		t.Errorf("only %d writes: the run is too short to show anything", writes.Load())
	}
}

// copy lets another goroutine check against what is planned.
func (h *history) copy() *history {
	return &history{t: h.t, id: h.id, heads: h.heads, pad: h.pad}
}

// planned seals all parts of a run ahead of it.
func (h *history) planned(parts int) {
	for n := 1; n <= parts; n++ {
		h.parts(n)
	}
}

// TestFailure lets one write of a run fail, another each time: once, as some
// disks do, or from then on. The store must refuse everything, acknowledge
// nothing it may lose, and be whole when opened again.
func TestFailure(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for i, at := 0, int64(1); i < 40; i, at = i+1, at+int64(1+rng.IntN(12)) {
		cause := []error{syscall.EIO, syscall.ENOSPC}[i%2]
		failAt(t, at, cause, i%4 < 2)
	}
}

func failAt(t *testing.T, at int64, cause error, once bool) {
	t.Helper()
	mem := vfs.NewCrashableMem()
	var writes atomic.Int64
	var armed atomic.Bool
	var failed atomic.Pointer[string]
	inject := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if !armed.Load() || !isWrite(op) {
			return nil
		}
		if n := writes.Add(1); n == at || n > at && !once {
			what := op.Path
			failed.CompareAndSwap(nil, &what)
			return cause
		}
		return nil
	})
	s := open(t, options(errorfs.Wrap(mem, inject)))
	h := newHistory(t, s, runPad)
	armed.Store(true)
	err := h.run(s, runParts)
	if failed.Load() == nil {
		t.Fatalf("write %d never came", at)
	}
	if err == nil { // it was a background write, after the last part
		err = h.append(s)
	}
	where := *failed.Load()
	if !errors.Is(err, store.ErrFailed) || !errors.Is(err, cause) {
		t.Errorf("write %d (%s): got %v, want %v because of %v", at, where, err, store.ErrFailed, cause)
	}
	refusesAll(t, s, h)
	// What the disk holds without anything unsynced, and with all of it.
	acked := h.acked.Load()
	crashed := mem.CrashClone(vfs.CrashCloneCfg{})
	if err := h.checkOn(crashed, acked); err != nil {
		t.Errorf("write %d (%s) failed, then the power: %v", at, where, err)
	}
	armed.Store(false)
	_ = s.Shutdown()
	if err := h.checkOn(mem, acked); err != nil {
		t.Errorf("write %d (%s) failed, then opened again: %v", at, where, err)
	}
}

func refusesAll(t *testing.T, s *pebblestore.Store, h *history) {
	t.Helper()
	ctx := t.Context()
	_, err1 := s.Append(ctx, h.parts(len(h.heads)-1))
	_, err2 := s.Load(ctx, 0, store.LoadRequest{})
	_, err3 := s.Compact(ctx, 0, nil, store.Position{})
	_, err4 := s.Command(ctx, 0, store.Command{Kind: store.KindPrune})
	_, err5 := s.Heads(ctx, h.id)
	_, err6 := s.Close(ctx, h.id, store.Token{})
	_, err7 := s.Stats(ctx, 0)
	_, err8 := s.Open(ctx, store.ClassSpool, store.Nonce{}, created)
	for i, err := range []error{err1, err2, err3, err4, err5, err6, err7, err8} {
		if !errors.Is(err, store.ErrFailed) {
			t.Errorf("method %d after a failure: got %v", i+1, err)
		}
	}
}

// TestFullDisk: the error says which disk, and what to do.
func TestFullDisk(t *testing.T) {
	var full atomic.Bool
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && (op.Kind == errorfs.OpFileWrite || op.Kind == errorfs.OpFileWriteAt) {
			return syscall.ENOSPC
		}
		return nil
	}))
	s := open(t, options(fs))
	h := newHistory(t, s, 10)
	full.Store(true)
	err := h.append(s)
	if !errors.Is(err, store.ErrFailed) || !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "the disk that holds a/data is full") {
		t.Errorf("got %v", err)
	}
	if err := s.Shutdown(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("shutdown: got %v", err)
	}
	if _, err := pebblestore.Open(options(fs)); !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "is full") {
		t.Errorf("open on a full disk: got %v", err)
	}
	full.Store(false)
	again := open(t, options(fs))
	if err := h.append(again); err != nil {
		t.Error(err)
	}
}

// TestReadsStopAtSynced: what a reader sees is never lost.
func TestReadsStopAtSynced(t *testing.T) {
	syncing, release := make(chan struct{}), make(chan struct{})
	var hold atomic.Bool
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		isSync := op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData
		if isSync && strings.HasSuffix(op.Path, ".log") && hold.CompareAndSwap(true, false) {
			close(syncing)
			<-release
		}
		return nil
	}))
	s := open(t, options(fs))
	h := newHistory(t, s, 10)
	if err := h.append(s); err != nil {
		t.Fatal(err)
	}
	hold.Store(true)
	done := make(chan error)
	go func() { done <- h.append(s) }()
	<-syncing
	for _, req := range []store.LoadRequest{{}, {Records: store.WithClients}} {
		l, err := s.Load(t.Context(), 0, req)
		if err != nil {
			t.Fatal(err)
		}
		if l.End.Offset != 1 || len(l.Entries) != 1 {
			t.Errorf("while the second is synced: end %d, %d entries", l.End.Offset, len(l.Entries))
		}
	}
	st, err := s.Audit(t.Context(), 0)
	if err != nil || st.Appended != 1 || st.Tail != 1 {
		t.Errorf("while the second is synced: %+v, %v", st, err)
	}
	close(release)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if l, err := s.Load(t.Context(), 0, store.LoadRequest{}); err != nil || l.End.Offset != 2 {
		t.Errorf("after the sync: %+v, %v", l, err)
	}
}
