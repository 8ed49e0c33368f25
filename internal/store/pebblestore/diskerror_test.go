package pebblestore_test

import (
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/tabaproject/taba/internal/disktest"
	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/store/pebblestore"
)

// TestDiskErrors lets operations of the disk fail, one or some in a row, in
// whatever way, also by half or with an effect. What is refused names the
// error. A store whose writing failed refuses everything from then on; one whose
// reading failed goes on as soon as the disk does. When it is opened again, after
// a power loss or without, it is equal to the reference engine.
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
	t.Logf("%d disk errors; %d stores refused to open, %d failed, %d went on; %d calls acknowledged, 0 lost, 0 doubled, 0 invented",
		all.Of("errors"), all.Of("not opened"), all.Of("failed"), all.Of("went on"), all.Of("acknowledged"))
	t.Logf("these operations failed: %v", &all.operations)
}

const errorsPerDisk = 25

// suffer runs processes until so many operations have failed.
func (r *trial) suffer(errs int) {
	for errs > 0 {
		s := disktest.NewStriker(r.rng)
		r.endure(s)
		r.disk.Strike(nil)
		errs -= len(s.Struck())
		r.all.Add("errors", len(s.Struck()))
		for _, what := range s.Struck() {
			r.all.operations.Add(what, 1)
		}
		r.all.progress.Report(r.all.Of("errors"), *disktest.Errors, "disk errors")
		if r.rng.IntN(2) == 0 {
			r.disk.KillIn(0)
		}
		r.disk = r.disk.After()
	}
	s, err := r.open()
	if err != nil {
		r.fatalf("after all disk errors: %v", err)
	}
	if err := s.Shutdown(); err != nil {
		r.fatalf("after all disk errors: %v", err)
	}
	r.all.Add("acknowledged", r.acked)
}

// endure is one process whose disk fails.
func (r *trial) endure(strikes *disktest.Striker) {
	r.now, r.age = "open", r.age+1
	r.disk.Strike(strikes.Strike)
	s, err := pebblestore.Open(small(r.disk))
	if err != nil {
		r.all.Add("not opened", 1)
		r.named(err, strikes)
		return
	}
	if r.ref == nil {
		r.begin(s)
	}
	r.disk.Calmly(func() { err = r.recovered(s) })
	for n := 0; err == nil && n < 30; n++ {
		err = r.step(s)
	}
	if err != nil {
		r.named(err, strikes)
		r.disk.Strike(nil)
		if errors.Is(err, store.ErrFailed) {
			r.all.Add("failed", 1)
			r.refuses(s)
		} else {
			r.all.Add("went on", 1)
			if err := r.compare(s); err != nil && !errors.Is(err, store.ErrFailed) {
				r.fatalf("the disk works and the store does not: %v", err)
			}
		}
	}
	r.now = "shutdown"
	if err := s.Shutdown(); err != nil {
		r.named(err, strikes)
	} else {
		r.clean = true
	}
}

// named checks that an error says what the disk said.
func (r *trial) named(err error, s *disktest.Striker) {
	r.t.Helper()
	if !errors.Is(err, s.Err) {
		r.fatalf("the disk said %q, the store %q", s.Err, err)
	}
}

// refuses checks that a store that has failed says so, also when the disk works
// again.
func (r *trial) refuses(s store.Store) {
	_, err := r.image(s)
	if !errors.Is(err, store.ErrFailed) || !errors.Is(err, syscall.EIO) && !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT) {
		r.fatalf("after a failure: %v", err)
	}
}
