package pebblestore

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tabaproject/taba/internal/store"
)

// guard is the file system that Pebble sees. It passes everything on until
// something that changes the disk fails. From then on the disk is cut off, as
// if the power had failed at that moment: nothing changes it any more, and
// Pebble is told that all is well.
//
// Pebble itself answers a failed log write with a panic, at places where it
// cannot be recovered from, or with Logger.Fatalf; and after a failed sync it
// might write on. It never gets to know: the Store asks failure instead, after
// each commit and before it believes in it. The disk holds what it held when
// the first error came, which Pebble's own recovery reads like after a crash.
type guard struct {
	vfs.FS
	dir     string
	failed  atomic.Pointer[error]
	off     chan struct{} // closed when the disk is cut off
	onFirst func(error)
}

// failure returns why the disk was cut off, nil if it was not.
func (g *guard) failure() error {
	if err := g.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// cut cuts the disk off. The first cause is kept.
func (g *guard) cut(cause error) {
	err := describe(g.dir, cause)
	if !g.failed.CompareAndSwap(nil, &err) {
		return
	}
	close(g.off)
	if g.onFirst != nil {
		g.onFirst(err)
	}
}

func describe(dir string, cause error) error {
	if errors.Is(cause, syscall.ENOSPC) || errors.Is(cause, syscall.EDQUOT) {
		return fmt.Errorf("%w: the disk that holds %s is full, make room on it and start again: %w", store.ErrFailed, dir, cause)
	}
	return fmt.Errorf("%w: the disk that holds %s: %w", store.ErrFailed, dir, cause)
}

// change runs what changes the disk, or not if the disk is cut off.
func (g *guard) change(op, name string, f func() error) error {
	if g.failed.Load() != nil {
		return nil
	}
	err := f()
	if err == nil || errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrExist) {
		return err // not the disk's fault
	}
	g.cut(fmt.Errorf("%s %s: %w", op, name, err))
	return nil
}

// Open slows Pebble down when the disk is cut off: it may look for a file that
// was never written, and would try again at once, for ever.
func (g *guard) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	f, err := g.FS.Open(name, opts...)
	if err != nil && g.failed.Load() != nil {
		time.Sleep(retryPause)
	}
	return f, err
}

const retryPause = 50 * time.Millisecond

// List must not fail: when it does late in its opening, Pebble leaves goroutines
// behind that use what it has closed, and the process dies of that.
func (g *guard) List(dir string) (names []string, err error) {
	err = g.change("list", dir, func() error {
		names, err = g.FS.List(dir)
		return err
	})
	return names, err
}

// file runs what opens a file to be written.
func (g *guard) file(op, name string, open func() (vfs.File, error)) (vfs.File, error) {
	var f vfs.File
	err := g.change(op, name, func() (err error) {
		f, err = open()
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case f == nil:
		return &lostFile{name: g.PathBase(name)}, nil
	}
	return &guardFile{File: f, g: g, name: name}, nil
}

// order makes what was done to names so far durable before one of Pebble's
// markers comes or goes. A marker says which file is in force. Pebble makes the
// new one before its directory knows that file for sure, and removes the old one
// before it knows the new one: which is safe only where a directory keeps its
// changes in order.
func (g *guard) order(name string) {
	if dir := g.PathDir(name); strings.HasPrefix(g.PathBase(name), "marker.") {
		_ = g.change("sync", dir, func() error { return syncDir(g.FS, dir) }) // a failure cuts the disk off
	}
}

func (g *guard) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	g.order(name)
	return g.file("create", name, func() (vfs.File, error) { return g.FS.Create(name, c) })
}

func (g *guard) OpenReadWrite(name string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	return g.file("open", name, func() (vfs.File, error) { return g.FS.OpenReadWrite(name, c, opts...) })
}

func (g *guard) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return g.file("reuse", from, func() (vfs.File, error) { return g.FS.ReuseForWrite(from, to, c) })
}

func (g *guard) OpenDir(name string) (vfs.File, error) {
	return g.file("open", name, func() (vfs.File, error) { return g.FS.OpenDir(name) })
}

func (g *guard) Link(from, to string) error {
	return g.change("link", to, func() error { return g.FS.Link(from, to) })
}

func (g *guard) Remove(name string) error {
	g.order(name)
	return g.change("remove", name, func() error { return g.FS.Remove(name) })
}

func (g *guard) RemoveAll(name string) error {
	return g.change("remove", name, func() error { return g.FS.RemoveAll(name) })
}

func (g *guard) Rename(from, to string) error {
	return g.change("rename", from, func() error { return g.FS.Rename(from, to) })
}

func (g *guard) MkdirAll(dir string, perm os.FileMode) error {
	return g.change("make directory", dir, func() error { return g.FS.MkdirAll(dir, perm) })
}

func (g *guard) Unwrap() vfs.FS { return g.FS }

// guardFile is a file opened to be written, or a directory to be synced.
type guardFile struct {
	vfs.File
	g    *guard
	name string
}

func (f *guardFile) Write(b []byte) (n int, err error) {
	err = f.g.change("write", f.name, func() error {
		n, err = f.File.Write(b)
		return err
	})
	if err == nil {
		n = len(b)
	}
	return n, err
}

func (f *guardFile) WriteAt(b []byte, at int64) (n int, err error) {
	err = f.g.change("write", f.name, func() error {
		n, err = f.File.WriteAt(b, at)
		return err
	})
	if err == nil {
		n = len(b)
	}
	return n, err
}

func (f *guardFile) Sync() error { return f.g.change("sync", f.name, f.File.Sync) }

func (f *guardFile) SyncData() error { return f.g.change("sync", f.name, f.File.SyncData) }

func (f *guardFile) SyncTo(length int64) (full bool, err error) {
	err = f.g.change("sync", f.name, func() error {
		full, err = f.File.SyncTo(length)
		return err
	})
	return full, err
}

// Stat must not fail either: Pebble asks about a log that it is about to write.
func (f *guardFile) Stat() (info vfs.FileInfo, err error) {
	err = f.g.change("stat", f.name, func() error {
		info, err = f.File.Stat()
		return err
	})
	if err == nil && info == nil {
		info = lostInfo{&lostFile{name: f.g.PathBase(f.name)}}
	}
	return info, err
}

// Preallocate only saves time: it may fail.
func (f *guardFile) Preallocate(offset, length int64) error {
	if f.g.failed.Load() != nil {
		return nil
	}
	return f.File.Preallocate(offset, length)
}

// Close closes the file also when the disk is cut off: it must not leak.
func (f *guardFile) Close() error {
	err := f.File.Close()
	if err == nil {
		return nil
	}
	return f.g.change("close", f.name, func() error { return err })
}

// lostFile takes the place of a file that could not be opened to be written.
type lostFile struct {
	name string
	size atomic.Int64
}

var errLost = errors.New("the file was not written, as the disk had failed")

func (f *lostFile) Close() error                           { return nil }
func (f *lostFile) Read([]byte) (int, error)               { return 0, errLost }
func (f *lostFile) ReadAt([]byte, int64) (int, error)      { return 0, errLost }
func (f *lostFile) Preallocate(_, _ int64) error           { return nil }
func (f *lostFile) Sync() error                            { return nil }
func (f *lostFile) SyncTo(int64) (bool, error)             { return true, nil }
func (f *lostFile) SyncData() error                        { return nil }
func (f *lostFile) Prefetch(_, _ int64) error              { return nil }
func (f *lostFile) Fd() uintptr                            { return vfs.InvalidFd }
func (f *lostFile) Stat() (vfs.FileInfo, error)            { return lostInfo{f}, nil }
func (f *lostFile) Write(b []byte) (int, error)            { f.size.Add(int64(len(b))); return len(b), nil }
func (f *lostFile) WriteAt(b []byte, _ int64) (int, error) { return len(b), nil }

type lostInfo struct{ f *lostFile }

func (i lostInfo) Name() string           { return i.f.name }
func (i lostInfo) Size() int64            { return i.f.size.Load() }
func (i lostInfo) Mode() os.FileMode      { return 0o600 }
func (i lostInfo) ModTime() time.Time     { return time.Time{} }
func (i lostInfo) IsDir() bool            { return false }
func (i lostInfo) Sys() any               { return nil }
func (i lostInfo) DeviceID() vfs.DeviceID { return vfs.DeviceID{} }

var (
	_ vfs.FS    = (*guard)(nil)
	_ vfs.File  = (*guardFile)(nil)
	_ vfs.File  = (*lostFile)(nil)
	_ io.Closer = (*guardFile)(nil)
)
