package sim

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// machine is a file system, with what was synced of files whose names may not
// be.
type machine struct {
	mem   *vfs.MemFS
	files map[string]*content
}

// content is what a file holds, under whatever name.
type content struct{ synced atomic.Int64 }

func newMachine(mem *vfs.MemFS) *machine { return &machine{mem, map[string]*content{}} }

// disk is one process's view of a machine's file system. The process can be
// stopped at any operation; from then on nothing it does reaches the disk.
type disk struct {
	vfs.FS // injects the faults
	*machine

	mu  sync.Mutex // of what follows and of the machine: Pebble has goroutines
	rng *rand.Rand

	seed uint64
	done map[string]int // operations so far, by kind and file

	pebble bool // of a store
	fault  int  // in a thousand write operations fails
	full   bool // nothing can be added
	errors int  // how many did
	stopIn int  // write operations until the process stops; 0: it does not
	power  bool
	after  *machine // what is found at the next start, once it has stopped
	lie    string   // a bug: syncs of files with this in their names do nothing
	lieDir bool     // a bug: syncs of directories do nothing
}

var errOff = errors.New("the machine is off")

func newDisk(m *machine, rng *rand.Rand) *disk {
	d := &disk{machine: m, seed: rng.Uint64(), done: map[string]int{}}
	d.rng = rand.New(rand.NewPCG(d.seed, 1))
	d.FS = errorfs.Wrap(m.mem, d)
	return d
}

// String implements errorfs.Injector.
func (d *disk) String() string { return "disk" }

// MaybeError implements errorfs.Injector.
func (d *disk) MaybeError(op errorfs.Op) error {
	if op.Kind.ReadOrWrite() == errorfs.OpIsRead || op.Kind == errorfs.OpFileClose {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.after != nil {
		return errOff
	}
	if d.stopIn > 0 && d.counts(op) {
		if d.stopIn--; d.stopIn == 0 {
			d.halt()
			return errOff
		}
	}
	if d.full && (op.Kind == errorfs.OpFileWrite || op.Kind == errorfs.OpFileWriteAt || op.Kind == errorfs.OpCreate) {
		d.errors++
		return syscall.ENOSPC
	}
	if d.fault == 0 {
		return nil
	}
	if rng := d.chanceOf(op); rng.IntN(1000) < d.fault {
		d.errors++
		return []error{syscall.EIO, syscall.ENOSPC}[rng.IntN(2)]
	}
	return nil
}

// counts reports whether a process may be stopped at an operation: of Pebble's
// at those that a commit waits for. Others are done by its goroutines, whenever
// they are scheduled.
func (d *disk) counts(op errorfs.Op) bool {
	return !d.pebble || op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo
}

var unnumbered = strings.NewReplacer("0", "", "1", "", "2", "", "3", "", "4", "", "5", "", "6", "", "7", "", "8", "", "9", "")

// chanceOf is the dice of one operation. They depend on the kind of file, and
// neither on what other goroutines did before nor on the numbers they gave out.
func (d *disk) chanceOf(op errorfs.Op) *rand.Rand {
	h := fnv.New64a()
	what := fmt.Sprint(op.Kind, unnumbered.Replace(op.Path))
	fmt.Fprint(h, what, d.done[what])
	d.done[what]++
	return rand.New(rand.NewPCG(d.seed, h.Sum64()))
}

// stopSoon stops the process at one of its next operations.
func (d *disk) stopSoon(power bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopIn == 0 {
		d.stopIn, d.power = 1+d.rng.IntN(8), power
	}
}

// stopped is what is found at the next start, or nil if the process runs.
func (d *disk) stopped() *machine {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.after
}

// failures is how many operations have failed.
func (d *disk) failures() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.errors
}

// fail sets how often writes fail; without faults the process does not stop
// either.
func (d *disk) fail(fault int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fault = fault; fault == 0 {
		d.stopIn, d.full = 0, false
	}
}

// end ends the process, unless something else did.
func (d *disk) end(power bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.after == nil {
		d.power = power
		d.halt()
	}
}

// halt ends the process, and with it the power if it is to fail.
func (d *disk) halt() {
	if d.after = d.machine; d.power {
		d.after = newMachine(d.machine.powerLoss(d.rng))
	}
}

// Lock implements vfs.FS. The lock of a process ends with it.
func (d *disk) Lock(string) (io.Closer, error) { return noLock{}, nil }

type noLock struct{}

func (noLock) Close() error { return nil }

// Create implements vfs.FS.
func (d *disk) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.Create(name, c)
	return d.begun(name, f, err)
}

// OpenReadWrite implements vfs.FS. Only new files are opened so.
func (d *disk) OpenReadWrite(name string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	f, err := d.FS.OpenReadWrite(name, c, opts...)
	return d.begun(name, f, err)
}

func (d *disk) begun(name string, f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	now := &content{}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.files[name] = now
	return file{f, now, d.lie != "" && strings.Contains(name, d.lie)}, nil
}

// Rename implements vfs.FS.
func (d *disk) Rename(from, to string) error {
	err := d.FS.Rename(from, to)
	if err == nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.files[to] = d.files[from]
		delete(d.files, from)
	}
	return err
}

// OpenDir implements vfs.FS.
func (d *disk) OpenDir(name string) (vfs.File, error) {
	f, err := d.FS.OpenDir(name)
	if err == nil && d.lieDir {
		f = file{f, &content{}, true}
	}
	return f, err
}

// file notes how much of it is synced, or does not sync at all.
type file struct {
	vfs.File
	*content
	lie bool
}

// Sync implements vfs.File.
func (f file) Sync() error { return f.sync(f.File.Sync) }

// SyncData implements vfs.File.
func (f file) SyncData() error { return f.sync(f.File.SyncData) }

// SyncTo implements vfs.File.
func (f file) SyncTo(int64) (bool, error) { return true, f.Sync() }

func (f file) sync(do func() error) error {
	if f.lie {
		return nil
	}
	err := do()
	if info, serr := f.Stat(); err == nil && serr == nil {
		f.synced.Store(info.Size())
	}
	return err
}

// powerLoss is what a disk may hold after the power failed: all that was
// synced, and of the rest some whole files, some ends torn anywhere, some
// blanks, some nothing.
func (m *machine) powerLoss(rng *rand.Rand) *vfs.MemFS {
	synced := m.mem.CrashClone(vfs.CrashCloneCfg{})
	all := copyOf(m.mem)
	switch rng.IntN(3) {
	case 0:
		return synced
	case 1:
		return all
	}
	m.mix(synced, all, "", rng)
	return copyOf(synced)
}

// copyOf is a copy of all there is.
func copyOf(mem *vfs.MemFS) *vfs.MemFS {
	return mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 1))})
}

// mix adds to what was synced in dir a random part of the rest. It goes in
// the order of names, so that the same seed gives the same disk.
func (m *machine) mix(synced, all *vfs.MemFS, dir string, rng *rand.Rand) {
	names, err := all.List(dir + "/")
	if err != nil {
		panic(err)
	}
	slices.Sort(names)
	for _, name := range names {
		path := strings.TrimPrefix(dir+"/"+name, "/")
		info, err := all.Stat(path)
		if err != nil {
			panic(err)
		}
		if info.IsDir() {
			if _, err := synced.Stat(path); err == nil || rng.IntN(2) == 0 {
				must(synced.MkdirAll(path, 0o700))
				m.mix(synced, all, path, rng)
			}
			continue
		}
		m.mixFile(synced, all, path, rng)
	}
}

func (m *machine) mixFile(synced, all *vfs.MemFS, path string, rng *rand.Rand) {
	full, err := all.UnsafeGetFileDataBuffer(path)
	must(err)
	have, err := synced.UnsafeGetFileDataBuffer(path)
	if err != nil { // the name is not synced; what is in the file may be
		have = nil
		if c := m.files[path]; c != nil {
			have = full[:min(c.synced.Load(), int64(len(full)))]
		}
	}
	if rng.IntN(3) == 0 || err == nil && len(full) <= len(have) {
		return
	}
	more := slices.Clone(full[len(have):])
	more = more[:rng.IntN(len(more)+1)]
	if len(more) > 1 && rng.IntN(3) == 0 {
		clear(more[:rng.IntN(len(more))]) // written out of order
	}
	f, err := synced.Create(path, vfs.WriteCategoryUnspecified)
	must(err)
	_, err = f.Write(append(slices.Clone(have), more...))
	must(err)
	must(f.Close())
}

// must is for what cannot fail in a simulation.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
