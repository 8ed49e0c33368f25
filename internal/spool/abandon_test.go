package spool

import (
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
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
