package disktest

import (
	"errors"
	"math/rand/v2"
	"os"
	"path"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// ErrOff is what a process gets that writes after the power failed.
var ErrOff = errors.New("the machine is off")

// Disk is a file system as one process sees it. New makes the first one.
type Disk struct {
	mu    sync.Mutex
	rng   *rand.Rand
	now   map[string]*node // by path
	sure  map[string]*node // what a power loss leaves in any case
	doubt []change         // what was done to names since, in order
	locks map[string]bool

	cutIn  int        // writing operations until the power fails; 0: it does not
	kill   bool       // what comes then is not a power loss but the end of the process
	after  *Disk      // what the next process finds, once this one has ended
	during errorfs.Op // the operation that the process ended at
	ops    int        // writing operations so far
	strike func(op errorfs.Op) *Fault
}

// node is a file or a directory, under whatever names.
type node struct {
	dir   bool
	data  []byte // as processes see it
	sure  []byte // what a power loss leaves in any case
	stuck bool   // a sync has failed
}

// change is one operation on names.
type change struct {
	dirs   [2]string // that hold the names; the sync of either makes it durable
	remove string    // "": none
	add    string    // "": none
	node   *node     // of add
}

func (c *change) apply(names map[string]*node) {
	if c.remove != "" {
		delete(names, c.remove)
	}
	if c.add != "" {
		names[c.add] = c.node
	}
}

// Fault is how an operation fails.
type Fault struct {
	Err  error
	Part Part
}

// Part is how much of a failing operation takes place.
type Part uint8

// Parts. Of what cannot be halved Half is None.
const (
	None Part = iota
	Half
	All
)

// New returns an empty disk. All that chance decides comes from seed.
func New(seed uint64) *Disk {
	return &Disk{
		rng: rand.New(rand.NewPCG(seed, 0)),
		now: map[string]*node{}, sure: map[string]*node{}, locks: map[string]bool{},
	}
}

// CutIn cuts the power just before the nth writing operation from now.
func (d *Disk) CutIn(n int) { d.endIn(n, false) }

// KillIn ends the process there, with the power on: nothing is lost then, but
// what is not synced may be later.
func (d *Disk) KillIn(n int) { d.endIn(n, true) }

func (d *Disk) endIn(n int, kill bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cutIn, d.kill = n, kill
}

// Strike lets operations fail: f is called before each, reading ones as well,
// and returns nil for those that do not. It must not use the Disk.
func (d *Disk) Strike(f func(op errorfs.Op) *Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.strike = f
}

// Calmly runs f while no operation fails.
func (d *Disk) Calmly(f func()) {
	d.mu.Lock()
	strike := d.strike
	d.mu.Unlock()
	d.Strike(nil)
	defer d.Strike(strike)
	f()
}

// After ends the process, with a power loss unless KillIn was called, if it has
// not ended yet, and returns what the next one finds.
func (d *Disk) After() *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.after == nil {
		d.end(errorfs.Op{Kind: -1})
	}
	return d.after
}

// Ended reports whether the process has ended, and before which operation; its
// kind is negative if there was none.
func (d *Disk) Ended() (errorfs.Op, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.during, d.after != nil
}

// Ops is the number of writing operations so far.
func (d *Disk) Ops() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ops
}

func (d *Disk) end(op errorfs.Op) {
	d.during = op
	if d.kill {
		d.after = d.copy()
		return
	}
	d.after = d.remains()
}

// allow is called first by every operation, with d.mu held. It returns how
// much of it takes place: n of size.
func (d *Disk) allow(kind errorfs.OpKind, name string, size int) (n int, err error) {
	op := errorfs.Op{Kind: kind, Path: name}
	if writes(kind) {
		if d.after != nil {
			return 0, ErrOff
		}
		d.ops++
		if d.cutIn > 0 {
			if d.cutIn--; d.cutIn == 0 {
				d.end(op)
				return 0, ErrOff
			}
		}
	}
	if d.strike == nil || d.after != nil {
		return size, nil
	}
	fault := d.strike(op)
	switch {
	case fault == nil:
		return size, nil
	case fault.Part == All:
		return size, fault.Err
	case fault.Part == Half:
		return size / 2, fault.Err
	}
	return 0, fault.Err
}

// writes reports whether an operation changes the disk.
func writes(kind errorfs.OpKind) bool {
	return kind.ReadOrWrite() == errorfs.OpIsWrite && kind != errorfs.OpFileClose
}

// run does an operation that takes place or does not.
func (d *Disk) run(kind errorfs.OpKind, name string, do func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, fault := d.allow(kind, name, 1)
	if n == 1 {
		if err := do(); err != nil {
			return err
		}
	}
	return fault
}

// note changes names.
func (d *Disk) note(c change) {
	c.apply(d.now)
	for i, name := range []string{c.remove, c.add} {
		if name != "" {
			c.dirs[i] = path.Dir(name)
		}
	}
	d.doubt = append(d.doubt, c)
}

// syncNames makes what was done to the names in a directory durable.
func (d *Disk) syncNames(dir string) {
	left := d.doubt[:0]
	for _, c := range d.doubt {
		if c.dirs[0] == dir || c.dirs[1] == dir {
			c.apply(d.sure)
		} else {
			left = append(left, c)
		}
	}
	d.doubt = left
}

// clean is the one form of a path: the root is ".".
func clean(name string) string {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	if name == "" {
		return "."
	}
	return name
}

// isDir reports whether a path is a directory.
func (d *Disk) isDir(name string) bool {
	n := d.now[name]
	return name == "." || n != nil && n.dir
}

func missing(op, name string) error {
	return &os.PathError{Op: op, Path: name, Err: os.ErrNotExist}
}

var _ vfs.FS = (*Disk)(nil)
