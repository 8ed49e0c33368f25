package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/rpc"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tabaproject/taba/internal/app"
)

// A disk that fails on command cannot be had from outside without privileges.
// So this test binary becomes the taba process: it runs what the command runs,
// on a file system that takes orders from the tests.

// ordered is the variable that does it; it holds a birth.
const ordered = "TABA_E2E_ORDERED"

// birth is with what a process on such a disk starts.
type birth struct {
	Orders string // address at which to listen for orders
	First  Order
}

// Order tells a disk what to do from now on.
type Order struct {
	Fault diskFault
	Skip  int // operations that are done well before
	Times int // operations that the fault strikes; 0: all that follow
}

// diskFault is what a disk does wrong.
type diskFault string

const (
	sound     diskFault = ""
	syncLost  diskFault = "sync fails, nothing of it is on the disk"
	syncTorn  diskFault = "sync fails, half of it is on the disk"
	syncKept  diskFault = "sync fails, all of it is on the disk"
	syncSlow  diskFault = "sync is slow"
	writeFail diskFault = "write fails"
	writeTorn diskFault = "half is written and on the disk, then write fails"
	noRoom    diskFault = "half is written, then there is no room"
	noFile    diskFault = "sync fails and no file can be made"
)

// diskFaults are all of them.
var diskFaults = []diskFault{syncLost, syncTorn, syncKept, syncSlow, writeFail, writeTorn, noRoom, noFile}

// slowness is how long a slow sync takes.
const slowness = 50 * time.Millisecond

// serveOnDisk is main of a process on such a disk.
func serveOnDisk(text string, args []string) int {
	var b birth
	d := &disk{FS: vfs.Default, open: map[string]*diskFile{}}
	err := json.Unmarshal([]byte(text), &b)
	if err == nil {
		d.order = b.First
		err = d.listen(b.Orders)
	}
	if err == nil {
		err = runTaba(d, args)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "taba:", err)
		return 1
	}
	return 0
}

// runTaba runs `taba args…`, as package main does.
func runTaba(d *disk, args []string) error {
	flags := map[string]string{}
	for i := 1; i+1 < len(args); i += 2 {
		flags[strings.TrimPrefix(args[i], "--")] = args[i+1]
	}
	from := app.Sources{Flag: func(name string) (string, bool) { v, ok := flags[name]; return v, ok }}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	o := app.Options{Version: "test", FS: d, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	if args[0] == "agent" {
		cfg, _, err := from.Agent()
		if err != nil {
			return err
		}
		return app.RunAgent(ctx, cfg, o)
	}
	cfg, _, err := from.Server()
	if err != nil {
		return err
	}
	return app.RunServer(ctx, cfg, o)
}

// disk is a file system that is worse than the machine's: what was not synced
// dies with the process, as in a power failure, and it fails on command.
type disk struct {
	vfs.FS

	mu     sync.Mutex
	order  Order
	struck int
	open   map[string]*diskFile // to be written, by path
}

// listen takes orders.
func (d *disk) listen(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	s := rpc.NewServer()
	if err := s.RegisterName("Disk", &Orders{d}); err != nil {
		return err
	}
	go s.Accept(l)
	return nil
}

// Orders is what the tests may call.
type Orders struct{ d *disk }

// Set gives an order and returns how often the one before it has struck.
func (o *Orders) Set(to Order, struck *int) error {
	o.d.mu.Lock()
	defer o.d.mu.Unlock()
	o.d.order, *struck, o.d.struck = to, o.d.struck, 0
	return nil
}

// Struck returns how often the present one has.
func (o *Orders) Struck(_ struct{}, struck *int) error {
	o.d.mu.Lock()
	defer o.d.mu.Unlock()
	*struck = o.d.struck
	return nil
}

// strike returns the fault that one operation suffers, if it is one of those.
func (d *disk) strike(faults ...diskFault) diskFault {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range faults {
		if f != d.order.Fault {
			continue
		}
		if d.order.Skip > 0 {
			d.order.Skip--
			return sound
		}
		d.struck++
		if d.order.Times > 0 && d.struck == d.order.Times {
			d.order = Order{}
		}
		return f
	}
	return sound
}

// Create implements vfs.FS.
func (d *disk) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if d.strike(noFile) != sound {
		return nil, syscall.EIO
	}
	f, err := d.FS.Create(name, c)
	return d.file(name, f, err)
}

// OpenReadWrite implements vfs.FS.
func (d *disk) OpenReadWrite(name string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	f, err := d.FS.OpenReadWrite(name, c, opts...)
	return d.file(name, f, err)
}

// ReuseForWrite implements vfs.FS.
func (d *disk) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if d.strike(noFile) != sound {
		return nil, syscall.EIO
	}
	f, err := d.FS.ReuseForWrite(from, to, c)
	return d.file(to, f, err)
}

// OpenDir implements vfs.FS.
func (d *disk) OpenDir(name string) (vfs.File, error) {
	f, err := d.FS.OpenDir(name)
	return d.file(name, f, err)
}

// Rename implements vfs.FS.
func (d *disk) Rename(from, to string) error {
	err := d.FS.Rename(from, to)
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := d.open[from]; f != nil && err == nil {
		delete(d.open, from)
		d.open[to], f.name = f, to
	}
	return err
}

// Open implements vfs.FS. Who reads sees also what is not synced.
func (d *disk) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	f, err := d.FS.Open(name, opts...)
	d.mu.Lock()
	defer d.mu.Unlock()
	if w := d.open[name]; w != nil && err == nil {
		return &reading{File: f, of: w}, nil
	}
	return f, err
}

func (d *disk) file(name string, f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	w := &diskFile{File: f, disk: d, name: name}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open[name] = w
	return w, nil
}

// closed forgets a file.
func (d *disk) closed(f *diskFile) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open[f.name] == f {
		delete(d.open, f.name)
	}
}

// diskFile keeps what is written until it is synced.
type diskFile struct {
	vfs.File
	disk *disk
	name string // disk.mu protects it

	mu       sync.Mutex
	at       int64 // where unsynced belongs
	unsynced []byte
}

// Write implements vfs.File.
func (f *diskFile) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch f.disk.strike(writeFail, writeTorn, noRoom) {
	case writeFail:
		return 0, syscall.EIO
	case writeTorn:
		f.unsynced = append(f.unsynced, b[:len(b)/2]...)
		if err := f.flush(len(f.unsynced)); err != nil {
			return 0, err
		}
		return len(b) / 2, syscall.EIO
	case noRoom:
		f.unsynced = append(f.unsynced, b[:len(b)/2]...)
		return len(b) / 2, syscall.ENOSPC
	}
	f.unsynced = append(f.unsynced, b...)
	return len(b), nil
}

// Sync implements vfs.File.
func (f *diskFile) Sync() error { return f.sync(f.File.Sync) }

// SyncData implements vfs.File.
func (f *diskFile) SyncData() error { return f.sync(f.File.SyncData) }

// SyncTo implements vfs.File.
func (f *diskFile) SyncTo(int64) (bool, error) { return true, f.Sync() }

func (f *diskFile) sync(do func() error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := len(f.unsynced)
	switch f.disk.strike(syncLost, syncTorn, syncKept, syncSlow, noFile) {
	case syncLost, noFile:
		return f.lose(0)
	case syncTorn:
		return f.lose(n / 2)
	case syncKept:
		return f.lose(n)
	case syncSlow:
		<-time.After(slowness)
	}
	if err := f.flush(n); err != nil {
		return err
	}
	return do()
}

// lose fails a sync of which the first n bytes reach the disk. As under Linux
// the rest counts as written: another sync would succeed and leave a hole.
func (f *diskFile) lose(n int) error {
	rest := int64(len(f.unsynced) - n)
	if err := f.flush(n); err != nil {
		return err
	}
	f.unsynced, f.at = nil, f.at+rest
	return syscall.EIO
}

// flush writes the first n unsynced bytes.
func (f *diskFile) flush(n int) error {
	if n == 0 {
		return nil
	}
	if _, err := f.WriteAt(f.unsynced[:n], f.at); err != nil {
		return err
	}
	f.at, f.unsynced = f.at+int64(n), f.unsynced[n:]
	return nil
}

// Close implements vfs.File. What is not synced is left to the machine.
func (f *diskFile) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.disk.closed(f)
	err := f.flush(len(f.unsynced))
	if cerr := f.File.Close(); err == nil {
		err = cerr
	}
	return err
}

// reading is a file that is being written, opened to be read.
type reading struct {
	vfs.File
	of *diskFile
}

// ReadAt implements vfs.File.
func (r *reading) ReadAt(b []byte, at int64) (int, error) {
	w := r.of
	w.mu.Lock()
	defer w.mu.Unlock()
	n, err := r.File.ReadAt(b, at)
	if from := at + int64(n) - w.at; n < len(b) && from >= 0 && from < int64(len(w.unsynced)) {
		n += copy(b[n:], w.unsynced[from:])
	}
	if n == len(b) {
		err = nil
	}
	return n, err
}

// diskOf commands the disk of a process.
type diskOf struct {
	t    *testing.T
	next birth // of the next start
}

// launchOnDisk starts `taba args…` on a disk that takes orders.
func launchOnDisk(t *testing.T, args ...string) (*process, *diskOf) {
	t.Helper()
	host := freeHost()
	d := &diskOf{t: t, next: birth{Orders: host + ":8301"}}
	return launchAs(t, host, d.command, args...), d
}

// command runs this test binary in place of taba.
func (d *diskOf) command(_ string, args ...string) *exec.Cmd {
	text, err := json.Marshal(d.next)
	if err != nil {
		d.t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), ordered+"="+string(text))
	return cmd
}

// set gives an order.
func (d *diskOf) set(o Order) { d.call("Disk.Set", o) }

// struck is how often the last order has struck.
func (d *diskOf) struck() int { return d.call("Disk.Struck", struct{}{}) }

func (d *diskOf) call(method string, arg any) (struck int) {
	d.t.Helper()
	c, err := rpc.Dial("tcp", d.next.Orders)
	if err == nil {
		err = c.Call(method, arg, &struck)
		_ = c.Close()
	}
	if err != nil {
		d.t.Fatalf("%s: %v", method, err)
	}
	return struck
}
