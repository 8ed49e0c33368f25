package pebblestore

import (
	"errors"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tabaproject/taba/internal/store"
)

// smallDisk is a file system that tells how much is left.
type smallDisk struct {
	vfs.FS
	left atomic.Uint64
}

func (d *smallDisk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: d.left.Load()}, nil
}

// TestFullDiskPasses: a disk that is nearly full takes nothing, says so, and
// takes it again as soon as there is space.
func TestFullDiskPasses(t *testing.T) {
	disk := &smallDisk{FS: vfs.NewMem()}
	disk.left.Store(1 << 30)
	s, err := Open(Options{Dir: "data", FS: disk, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown()
	id, err := s.Open(t.Context(), store.ClassDirect, store.Nonce{1}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	part := store.Part{Source: id, Seq: 1}
	part.Chain = store.NextChain(store.Chain{}, 1, 0, part.Digest)

	disk.left.Store(defaultMinFree - 1)
	if _, err := s.Append(t.Context(), []store.Part{part}); !errors.Is(err, syscall.ENOSPC) || errors.Is(err, store.ErrFailed) {
		t.Errorf("append to a full disk: %v, want ENOSPC and no failure", err)
	}
	if _, err := s.Command(t.Context(), 0, store.Command{Kind: store.KindPrune}); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("command on a full disk: %v, want ENOSPC", err)
	}
	if err := s.Writable(t.Context()); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("writable on a full disk: %v, want ENOSPC", err)
	}

	disk.left.Store(1 << 30)
	if err := s.Writable(t.Context()); err != nil {
		t.Errorf("writable with space: %v", err)
	}
	r, err := s.Append(t.Context(), []store.Part{part})
	if err != nil || r[0].Verdict != store.Applied {
		t.Errorf("append with space: %v %v, want it applied", r, err)
	}
}
