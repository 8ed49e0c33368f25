package disktest

import (
	"io"
	"os"
	"path"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// file is an open file or directory.
type file struct {
	d    *Disk
	n    *node
	name string // that it was opened under
	at   int    // of Read and Write
}

// Close implements vfs.File.
func (f *file) Close() error {
	return f.d.run(errorfs.OpFileClose, f.name, func() error { return nil })
}

// Read implements vfs.File.
func (f *file) Read(b []byte) (n int, err error) {
	err = f.d.run(errorfs.OpFileRead, f.name, func() error {
		n = f.read(b, f.at)
		f.at += n
		return nil
	})
	if err == nil && n == 0 && len(b) > 0 {
		err = io.EOF
	}
	return n, err
}

// ReadAt implements vfs.File.
func (f *file) ReadAt(b []byte, at int64) (n int, err error) {
	err = f.d.run(errorfs.OpFileReadAt, f.name, func() error {
		n = f.read(b, int(at))
		return nil
	})
	if err == nil && n < len(b) {
		err = io.EOF
	}
	return n, err
}

func (f *file) read(b []byte, at int) int { return copy(b, f.n.data[min(at, len(f.n.data)):]) }

// Write implements vfs.File.
func (f *file) Write(b []byte) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	n, err := f.d.allow(errorfs.OpFileWrite, f.name, len(b))
	f.write(b[:n], f.at)
	f.at += n
	return n, err
}

// WriteAt implements vfs.File.
func (f *file) WriteAt(b []byte, at int64) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	n, err := f.d.allow(errorfs.OpFileWriteAt, f.name, len(b))
	f.write(b[:n], int(at))
	return n, err
}

func (f *file) write(b []byte, at int) {
	if grow := at + len(b) - len(f.n.data); grow > 0 && len(b) > 0 {
		f.n.data = append(f.n.data, make([]byte, grow)...)
	}
	copy(f.n.data[min(at, len(f.n.data)):], b)
}

// Sync implements vfs.File.
func (f *file) Sync() error { return f.sync(errorfs.OpFileSync) }

// SyncData implements vfs.File.
func (f *file) SyncData() error { return f.sync(errorfs.OpFileSyncData) }

func (f *file) sync(kind errorfs.OpKind) error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	n, err := f.d.allow(kind, f.name, 1)
	if n == 1 {
		if f.n.dir {
			f.d.syncNames(f.name)
		} else if !f.n.stuck {
			f.n.sure = slices.Clone(f.n.data)
		}
	}
	f.n.stuck = f.n.stuck || err != nil
	return err
}

// SyncTo implements vfs.File. It begins to write, which makes nothing durable.
func (f *file) SyncTo(int64) (bool, error) {
	return false, f.d.run(errorfs.OpFileSyncTo, f.name, func() error { return nil })
}

// Stat implements vfs.File.
func (f *file) Stat() (info vfs.FileInfo, err error) {
	err = f.d.run(errorfs.OpFileStat, f.name, func() error {
		info = infoOf(f.name, f.n)
		return nil
	})
	return info, err
}

// Preallocate implements vfs.File.
func (f *file) Preallocate(int64, int64) error { return nil }

// Prefetch implements vfs.File.
func (f *file) Prefetch(int64, int64) error { return nil }

// Fd implements vfs.File.
func (f *file) Fd() uintptr { return vfs.InvalidFd }

// info is what Stat found.
type info struct {
	name string
	size int
	dir  bool
}

func infoOf(name string, n *node) info { return info{path.Base(name), len(n.data), n.dir} }

func (i info) Name() string           { return i.name }
func (i info) Size() int64            { return int64(i.size) }
func (i info) ModTime() time.Time     { return time.Time{} }
func (i info) IsDir() bool            { return i.dir }
func (i info) Sys() any               { return nil }
func (i info) DeviceID() vfs.DeviceID { return vfs.DeviceID{} }

func (i info) Mode() os.FileMode {
	if i.dir {
		return os.ModeDir | 0o700
	}
	return 0o600
}

var _ vfs.File = (*file)(nil)
