package disktest

import (
	"errors"
	"io"
	"os"
	"path"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// Create implements vfs.FS.
func (d *Disk) Create(name string, _ vfs.DiskWriteCategory) (vfs.File, error) {
	return d.open(errorfs.OpCreate, name, func(name string) (*node, error) {
		return d.create(name)
	})
}

// create makes a new file under a name.
func (d *Disk) create(name string) (*node, error) {
	if !d.isDir(path.Dir(name)) {
		return nil, missing("create", name)
	}
	if d.isDir(name) {
		return nil, &os.PathError{Op: "create", Path: name, Err: syscall.EISDIR}
	}
	n := &node{}
	d.note(change{add: name, node: n})
	return n, nil
}

// open runs find and opens what it finds.
func (d *Disk) open(kind errorfs.OpKind, name string, find func(name string) (*node, error)) (vfs.File, error) {
	var n *node
	name = clean(name)
	err := d.run(kind, name, func() (err error) {
		n, err = find(name)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &file{d: d, n: n, name: name}, nil
}

// Open implements vfs.FS.
func (d *Disk) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	f, err := d.open(errorfs.OpOpen, name, d.existing)
	if err == nil {
		for _, o := range opts {
			o.Apply(f)
		}
	}
	return f, err
}

func (d *Disk) existing(name string) (*node, error) {
	if name == "." {
		return &node{dir: true}, nil
	}
	n := d.now[name]
	if n == nil {
		return nil, missing("open", name)
	}
	return n, nil
}

// OpenReadWrite implements vfs.FS.
func (d *Disk) OpenReadWrite(name string, _ vfs.DiskWriteCategory, _ ...vfs.OpenOption) (vfs.File, error) {
	return d.open(errorfs.OpCreate, name, func(name string) (*node, error) {
		if n := d.now[name]; n != nil {
			return n, nil
		}
		return d.create(name)
	})
}

// OpenDir implements vfs.FS.
func (d *Disk) OpenDir(name string) (vfs.File, error) {
	return d.open(errorfs.OpOpenDir, name, d.existing)
}

// ReuseForWrite implements vfs.FS.
func (d *Disk) ReuseForWrite(from, to string, _ vfs.DiskWriteCategory) (vfs.File, error) {
	return d.open(errorfs.OpReuseForWrite, to, func(to string) (*node, error) {
		return d.rename(clean(from), to)
	})
}

// Rename implements vfs.FS.
func (d *Disk) Rename(from, to string) error {
	to = clean(to)
	return d.run(errorfs.OpRename, to, func() error {
		_, err := d.rename(clean(from), to)
		return err
	})
}

func (d *Disk) rename(from, to string) (*node, error) {
	n := d.now[from]
	if n == nil || !d.isDir(path.Dir(to)) {
		return nil, missing("rename", from)
	}
	d.note(change{remove: from, add: to, node: n})
	return n, nil
}

// Link implements vfs.FS.
func (d *Disk) Link(from, to string) error {
	from, to = clean(from), clean(to)
	return d.run(errorfs.OpLink, to, func() error {
		n := d.now[from]
		switch {
		case n == nil:
			return missing("link", from)
		case d.now[to] != nil:
			return &os.PathError{Op: "link", Path: to, Err: os.ErrExist}
		}
		d.note(change{add: to, node: n})
		return nil
	})
}

var errNotEmpty = errors.New("the directory is not empty")

// Remove implements vfs.FS.
func (d *Disk) Remove(name string) error {
	name = clean(name)
	return d.run(errorfs.OpRemove, name, func() error {
		if d.now[name] == nil {
			return missing("remove", name)
		}
		if len(d.below(name)) > 0 {
			return errNotEmpty
		}
		d.note(change{remove: name})
		return nil
	})
}

// RemoveAll implements vfs.FS.
func (d *Disk) RemoveAll(name string) error {
	name = clean(name)
	return d.run(errorfs.OpRemoveAll, name, func() error {
		for _, below := range d.below(name) {
			d.note(change{remove: below})
		}
		if d.now[name] != nil {
			d.note(change{remove: name})
		}
		return nil
	})
}

// below lists the paths of all that is in a directory.
func (d *Disk) below(dir string) (paths []string) {
	for name := range d.now {
		if dir == "." || strings.HasPrefix(name, dir+"/") {
			paths = append(paths, name)
		}
	}
	return paths
}

// MkdirAll implements vfs.FS.
func (d *Disk) MkdirAll(dir string, _ os.FileMode) error {
	dir = clean(dir)
	return d.run(errorfs.OpMkdirAll, dir, func() error { return d.mkdirAll(dir) })
}

func (d *Disk) mkdirAll(dir string) error {
	if d.isDir(dir) {
		return nil
	}
	if d.now[dir] != nil {
		return &os.PathError{Op: "mkdir", Path: dir, Err: syscall.ENOTDIR}
	}
	if err := d.mkdirAll(path.Dir(dir)); err != nil {
		return err
	}
	d.note(change{add: dir, node: &node{dir: true}})
	return nil
}

// Lock implements vfs.FS. Locks end with the process.
func (d *Disk) Lock(name string) (io.Closer, error) {
	name = clean(name)
	err := d.run(errorfs.OpLock, name, func() error {
		if d.locks[name] {
			return syscall.EAGAIN
		}
		if d.now[name] == nil {
			if _, err := d.create(name); err != nil {
				return err
			}
		}
		d.locks[name] = true
		return nil
	})
	if err != nil {
		return nil, err
	}
	return unlock{d, name}, nil
}

type unlock struct {
	d    *Disk
	name string
}

// Close implements io.Closer.
func (u unlock) Close() error {
	u.d.mu.Lock()
	defer u.d.mu.Unlock()
	delete(u.d.locks, u.name)
	return nil
}

// List implements vfs.FS.
func (d *Disk) List(dir string) (names []string, err error) {
	dir = clean(dir)
	err = d.run(errorfs.OpList, dir, func() error {
		if !d.isDir(dir) {
			return missing("list", dir)
		}
		for name := range d.now {
			if path.Dir(name) == dir {
				names = append(names, path.Base(name))
			}
		}
		return nil
	})
	return names, err
}

// Stat implements vfs.FS.
func (d *Disk) Stat(name string) (info vfs.FileInfo, err error) {
	name = clean(name)
	err = d.run(errorfs.OpStat, name, func() error {
		n, err := d.existing(name)
		if err == nil {
			info = infoOf(name, n)
		}
		return err
	})
	return info, err
}

// GetDiskUsage implements vfs.FS. A Disk does not tell.
func (d *Disk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{}, vfs.ErrUnsupported
}

// PathBase implements vfs.FS.
func (d *Disk) PathBase(name string) string { return path.Base(name) }

// PathJoin implements vfs.FS.
func (d *Disk) PathJoin(elem ...string) string { return path.Join(elem...) }

// PathDir implements vfs.FS.
func (d *Disk) PathDir(name string) string { return path.Dir(name) }

// Unwrap implements vfs.FS.
func (d *Disk) Unwrap() vfs.FS { return nil }
