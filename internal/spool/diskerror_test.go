package spool

import (
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/tabaproject/taba/internal/disktest"
)

// TestDiskErrors lets operations of the disk fail, one or some in a row, in
// whatever way, also by half or with an effect. What is refused names the
// error, and nothing acknowledged is lost: not while the process goes on, which
// it must as soon as the disk does, and not by the power loss that follows.
func TestDiskErrors(t *testing.T) {
	var all totals
	all.progress = disktest.NewProgress(t)
	t.Run("disks", func(t *testing.T) {
		for n, left := 0, *disktest.Errors; left > 0; n++ {
			errs := min(left, errorsPerDisk)
			left -= errs
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				t.Parallel()
				newTrial(t, uint64(n)+1<<32, &all).suffer(errs)
			})
		}
	})
	if t.Failed() {
		return
	}
	t.Logf("%d disk errors; %d calls refused, %d opens refused; %d records acknowledged, 0 lost, 0 doubled, 0 invented",
		all.Of("errors"), all.Of("calls"), all.Of("opens"), all.Of("acknowledged"))
	t.Logf("these operations failed: %v", &all.operations)
	if *disktest.Errors < 2000 {
		return
	}
	for _, op := range disktest.Victims {
		if op != "" && all.operations.Of(op) == 0 {
			t.Errorf("the operation %q never failed", op)
		}
	}
}

const errorsPerDisk = 25

// suffer runs processes until so many operations have failed.
func (r *trial) suffer(errs int) {
	for errs > 0 {
		s := disktest.NewStriker(r.rng)
		r.disk.Strike(s.Strike)
		r.endure(s)
		errs -= len(s.Struck())
		r.all.Add("errors", len(s.Struck()))
		for _, what := range s.Struck() {
			r.all.operations.Add(what, 1)
		}
		r.all.progress.Report(r.all.Of("errors"), *disktest.Errors, "disk errors")
		if r.rng.IntN(3) == 0 {
			r.disk.KillIn(0)
		} else {
			r.disk.CutIn(0)
		}
		r.disk = r.disk.After()
	}
	if err := r.open(); err != nil {
		r.fatalf("after all disk errors: %v", err)
	}
	r.all.Add("acknowledged", r.book.acked)
}

// endure is one process whose disk fails for a while.
func (r *trial) endure(s *disktest.Striker) {
	for {
		err := r.open()
		if err == nil {
			break
		}
		r.named(err, s, "opens")
	}
	for range 60 {
		before := len(s.Struck())
		if err := r.step(); err != nil {
			r.named(err, s, "calls")
			r.classified(err, s)
			if len(s.Struck()) == before {
				r.fatalf("no operation failed, and yet: %v", err)
			}
		}
	}
	s.Stop()
	if err := r.append(); err != nil && !errors.Is(err, ErrSuspended) {
		r.fatalf("the disk works and the spool does not: %v", err)
	}
	if err := r.log.Stats().Err; err != nil && !r.book.inForce.suspended {
		r.fatalf("the disk works and the spool says: %v", err)
	}
	if err := r.scan(); err != nil {
		r.fatalf("the disk works: %v", err)
	}
}

// named checks that an error says what the disk said.
func (r *trial) named(err error, s *disktest.Striker, what string) {
	r.t.Helper()
	r.all.Add(what, 1)
	if !errors.Is(err, s.Err) {
		r.fatalf("the disk said %q, the spool %q", s.Err, err)
	}
	if errors.Is(err, ErrLocked) {
		r.fatalf("nobody else owns the spool: %v", err)
	}
}

// classified checks that writers are told whether room would help.
func (r *trial) classified(err error, s *disktest.Striker) {
	r.t.Helper()
	want := ErrFailed
	if s.Err != syscall.EIO {
		want = ErrFull
	}
	switch r.now {
	case "append", "write", "checkpoint", "flush":
		if !errors.Is(err, want) {
			r.fatalf("got %v, want %v", err, want)
		}
	}
}
