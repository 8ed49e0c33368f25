package pebblestore_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tabaproject/taba/internal/disktest"
	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/store/pebblestore"
)

// TestPowerLoss cuts the power of disks again and again, at any operation of
// Pebble's or ours, and opens the store on what is left. It must then be equal
// to the reference engine, which was given all that was acknowledged and,
// perhaps, the one call that was not answered, as a whole: nothing lost, nothing
// doubled, nothing invented. Compactions, which promise nothing, may be undone from
// the last one backwards.
func TestPowerLoss(t *testing.T) {
	var all totals
	all.progress = disktest.NewProgress(t)
	t.Run("disks", func(t *testing.T) {
		for n, left := 0, *disktest.Losses/slow; left > 0; n++ {
			losses := min(left, lossesPerDisk)
			left -= losses
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				t.Parallel()
				newTrial(t, uint64(n), &all).lose(losses)
			})
		}
	})
	if t.Failed() {
		return
	}
	t.Logf("%d power losses, %d processes killed; %d calls acknowledged, 0 lost, 0 doubled, 0 invented, but %d compactions undone",
		all.Of("losses"), all.Of("kills"), all.Of("acknowledged"), all.Of("undone"))
	t.Logf("the power failed during: %v", &all.phases)
	t.Logf("and just before these operations: %v", &all.operations)
	if *disktest.Losses/slow < 2000 {
		return
	}
	for _, phase := range []string{"first open", "open again", "append", "command", "compact", "close source", "collect", "rest"} {
		if all.phases.Of(phase) == 0 {
			t.Errorf("no power loss hit the phase %q", phase)
		}
	}
	for _, op := range []string{"create", "write", "sync", "sync directory", "rename", "remove", "make directory"} {
		if all.operations.Of(op) == 0 {
			t.Errorf("no power loss hit the operation %q", op)
		}
	}
}

const lossesPerDisk = 50

// totals are of all trials.
type totals struct {
	disktest.Counts // losses, kills, acknowledged
	phases          disktest.Counts
	operations      disktest.Counts
	progress        *disktest.Progress
}

// trial is the life of one disk: processes that own the store on it, one after
// the other, and the reference engine, which is given the same.
type trial struct {
	*worker
	all   *totals
	disk  *disktest.Disk
	doubt *call // not answered
	end   func(in int)
	age   int // processes that opened the store

	calls  []*call // that count, in order
	opened int     // how many of them were before the process
	clean  bool    // the process before shut the store down
}

func newTrial(t *testing.T, seed uint64, all *totals) *trial {
	return &trial{worker: newWorker(t, rand.New(rand.NewPCG(seed, 1))), all: all, disk: disktest.New(seed)}
}

func small(disk *disktest.Disk) pebblestore.Options {
	o := options(disk)
	o.CacheBytes = 64 << 10
	return o.TinyBuffers()
}

// lose runs processes until the power has failed so many times.
func (r *trial) lose(losses int) {
	for loss := 0; loss < losses; {
		kill := r.rng.IntN(8) == 0
		r.end = r.disk.CutIn
		if kill {
			r.end = r.disk.KillIn
		}
		r.end(1 + r.rng.IntN([]int{40, 120}[r.rng.IntN(2)]))
		if err := r.live(); err != nil && !errors.Is(err, disktest.ErrOff) {
			r.fatalf("after %d power losses: %v", loss, err)
		}
		r.disk = r.ended(kill)
		if !kill {
			loss++
		}
	}
	r.disk.CutIn(0)
	s, err := r.open()
	if err == nil {
		err = s.Shutdown()
	}
	if err != nil {
		r.fatalf("after all power losses: %v", err)
	}
	r.all.Add("acknowledged", r.acked)
}

// ended counts how the process ended and returns the disk of the next.
func (r *trial) ended(kill bool) *disktest.Disk {
	next := r.disk.After()
	if kill {
		r.all.Add("kills", 1)
		return next
	}
	op, _ := r.disk.Ended()
	r.all.Add("losses", 1)
	r.all.phases.Add(r.now, 1)
	r.all.operations.Add(disktest.What(op), 1)
	r.all.progress.Report(r.all.Of("losses"), *disktest.Losses/slow, "power losses")
	return next
}

func (r *trial) fatalf(format string, args ...any) {
	r.t.Helper()
	r.t.Fatalf("during %s, process %d: %s", r.now, r.age, fmt.Sprintf(format, args...))
}

// live is one process: it opens the store, checks it, and works until the disk
// fails or it shuts the store down.
func (r *trial) live() error {
	s, err := r.open()
	if err != nil {
		return err
	}
	for err == nil && r.rng.IntN(60) > 0 {
		err = r.step(s)
	}
	ended := r.now
	if err == nil {
		ended, r.now = "rest", "shutdown"
		r.end(1 + r.rng.IntN(8))
	}
	closing := s.Shutdown()
	if closing == nil {
		r.now, r.clean = ended, true
	}
	return errors.Join(err, closing)
}

// open opens the store and compares it with the reference.
func (r *trial) open() (*pebblestore.Store, error) {
	r.now = "open again"
	if r.ref == nil {
		r.now = "first open"
	}
	r.age++
	s, err := pebblestore.Open(small(r.disk))
	if err != nil {
		return nil, err
	}
	if r.ref == nil {
		r.begin(s)
	}
	if err := r.recovered(s); err != nil {
		return nil, errors.Join(err, s.Shutdown())
	}
	return s, nil
}

// step does one call, to the store and then to the reference.
func (r *trial) step(s store.Store) error {
	c, err := r.next(s)
	if err != nil || c == nil {
		return err
	}
	r.now = c.what
	r.doubt = c
	got, err := c.do(s)
	if err != nil {
		return err
	}
	r.doubt = nil
	r.acked++
	r.calls = append(r.calls, c)
	want, err := c.do(r.ref)
	if err != nil || got != want {
		r.fatalf("got %s, the reference %s, %v", got, want, err)
	}
	return nil
}

// compare compares all that a store tells with the reference. If they differ
// the call in doubt must be the reason.
func (r *trial) compare(s store.Store) error {
	got, err := r.image(s)
	if err != nil {
		return err
	}
	want, same, err := r.matches(got)
	if err == nil && !same {
		r.fatalf("the store has\n%s\nthe reference\n%s", only(got, want), only(want, got))
	}
	return err
}

// matches compares an image with the reference, without the call in doubt and
// with it, which it decides then.
func (r *trial) matches(got string) (want string, same bool, err error) {
	want, err = r.image(r.ref)
	if err == nil && got != want && r.doubt != nil && r.doubt.what != "open source" {
		if _, err = r.doubt.do(r.ref); err == nil {
			r.calls = append(r.calls, r.doubt)
			want, err = r.image(r.ref)
		}
	}
	if err == nil && got == want {
		r.doubt = nil
		return want, true, nil
	}
	return want, false, err
}

// recovered is compare for a store that was just opened: unless the process before
// shut it down, the last compactions of that process may be undone.
func (r *trial) recovered(s store.Store) error {
	got, err := r.image(s)
	if err != nil {
		return err
	}
	doubt, calls := r.doubt, r.calls
	want, same, err := r.matches(got)
	last := want
	for i := len(calls) - 1; err == nil && !same && !r.clean && i >= r.opened; i-- {
		if calls[i].what != "compact" {
			continue
		}
		calls = slices.Delete(slices.Clone(calls), i, i+1)
		r.calls, r.doubt = calls, doubt
		if err = r.again(); err == nil {
			last, same, err = r.matches(got)
			r.all.Add("undone", 1)
		}
	}
	if err == nil && !same {
		r.fatalf("the store has\n%s\nthe reference\n%s\nand without the last compactions the store has\n%s\nthe reference\n%s",
			only(got, want), only(want, got), only(got, last), only(last, got))
	}
	r.opened, r.clean, r.doubt = len(r.calls), false, nil
	return err
}

// only returns the lines of an image that another does not have.
func only(image, other string) string {
	lines := strings.Split(image, "\n")
	return strings.Join(slices.DeleteFunc(lines, func(line string) bool { return strings.Contains(other, line) }), "\n")
}

// again makes the reference anew, of the calls that count.
func (r *trial) again() error {
	sources := r.sources
	defer func() { r.sources = sources }()
	r.begin(nil)
	for _, from := range sources {
		from.heads = [vbuckets]store.Head{}
	}
	for _, c := range r.calls {
		if _, err := c.do(r.ref); err != nil {
			return err
		}
	}
	return nil
}
