package spool

import (
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/tabaproject/taba/internal/disktest"
)

// lossy is a file system on which what was not synced cannot be read any more
// after a sync of it failed, as on those that drop such pages.
type lossy struct {
	*vfs.MemFS
	safe map[string]int64
}

func (l lossy) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	f, err := l.MemFS.Open(name, opts...)
	if err != nil {
		return nil, err
	}
	return lossyFile{f, l, name}, nil
}

type lossyFile struct {
	vfs.File
	fs   lossy
	name string
}

func (f lossyFile) ReadAt(b []byte, off int64) (int, error) {
	if safe, ok := f.fs.safe[f.name]; ok && off+int64(len(b)) > safe {
		return 0, syscall.EIO
	}
	return f.File.ReadAt(b, off)
}

// TestAbandonedSegmentIsReadAsFarAsItIsSynced keeps what could not be synced
// from standing in the way of what could.
func TestAbandonedSegmentIsReadAsFarAsItIsSynced(t *testing.T) {
	fs := lossy{vfs.NewMem(), map[string]int64{}}
	in := &injector{f: func(int, errorfs.Op) error { return nil }}
	l, err := Open(errorfs.Wrap(fs, in), "spool", Options{}, &replayed{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	appendAll(t, l, "a", "b")
	in.f = func(_ int, op errorfs.Op) error {
		if op.Kind != errorfs.OpFileSyncData {
			return nil
		}
		in.f = func(int, errorfs.Op) error { return nil }
		fs.safe[op.Path] = l.segments[0].safe
		return syscall.EIO
	}
	appendAll(t, l, "c", "d")
	if len(fs.safe) == 0 {
		t.Fatal("no sync failed")
	}
	var got string
	if err := l.Scan(0, 100, func(r Record) bool { got += string(BodyOf(r.Payload)); return true }); err != nil || got != "abcd" {
		t.Errorf("read %q, %v, want abcd", got, err)
	}
}

// TestNothingIsReleasedBeforeItsSuccessorIsDurable ends a process after it has
// begun a segment and before it has synced it. The next process sees that
// segment, a power loss takes it away.
func TestNothingIsReleasedBeforeItsSuccessorIsDurable(t *testing.T) {
	for seed := range uint64(20) {
		disk := disktest.New(seed)
		l, _ := open(t, disk, Options{})
		if err := l.Write([]byte("state"), Record{Source: 1, Kind: KindSource}); err != nil {
			t.Fatal(err)
		}
		failed := false
		disk.Strike(func(op errorfs.Op) *disktest.Fault {
			if failed || op.Kind != errorfs.OpFileSyncData {
				return nil
			}
			failed = true
			return &disktest.Fault{Err: syscall.EIO}
		})
		disk.KillIn(5) // write, sync; create, write the head, write
		if err := l.Append([]byte("never acknowledged"), 1); err == nil {
			t.Fatal("it is acknowledged")
		}

		disk = disk.After()
		l, _ = open(t, disk, Options{})
		equal(t, "segments", len(segmentFiles(t, disk)), 2)
		if err := l.Release(l.NextLSN()); err != nil {
			t.Fatal(err)
		}

		disk = disk.After() // without power
		l, r := open(t, disk, Options{})
		if n := len(r.checkpoints); n == 0 || r.checkpoints[n-1] != "state" && len(r.records) == 0 {
			t.Errorf("seed %d: nothing is left: %+v", seed, r)
		}
		equal(t, "damage", len(l.Stats().Damaged), 0)
		if err := l.Write([]byte("state"), Record{Source: 2, Kind: KindSource}); err != nil {
			t.Fatal(err)
		}
		if err := l.Release(l.NextLSN()); err != nil {
			t.Fatal(err)
		}
		equal(t, "segments in the end", len(segmentFiles(t, disk)), 1)
	}
}
