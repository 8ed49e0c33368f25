package forward

import (
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Lost, repeated and delayed messages, crashes and power loss: every record
// that was acknowledged is counted exactly once and nothing is quarantined.
func TestExactlyOnce(t *testing.T) {
	restarts := 0
	seeds(t, 120, func(t *testing.T, seed uint64) {
		w := newWorld(t, seed, 1+int(seed%4))
		w.shelf.stable = seed%2 == 0
		a := w.start(vfs.NewCrashableMem(), Config{RotateAfter: 20 * time.Second})
		w.lossy = true
		for range 300 {
			switch n := w.rng.IntN(100); {
			case n < 40:
				a.append()
			case n < 85:
				a.step()
			case n < 87:
				a.crash(w.chance(50))
				restarts++
			case n < 92:
				w.arrive()
			default:
				w.now += time.Duration(w.rng.IntN(2000)) * time.Millisecond
			}
		}
		w.settle(a)
		if n := w.check(a); n > 0 {
			t.Fatalf("%d records are in quarantine without need: %+v", n, a.f.Status())
		}
	})
	if restarts < 50 {
		t.Errorf("only %d restarts", restarts)
	}
}

// A disk that fails now and then, with the machine.
func TestFailingDisk(t *testing.T) {
	failures := uint64(0)
	seeds(t, 80, func(t *testing.T, seed uint64) {
		w := newWorld(t, seed, 2)
		w.shelf.stable = seed%2 == 0
		a := w.start(vfs.NewCrashableMem(), Config{})
		w.lossy = true
		for range 300 {
			w.fault = func() error {
				if w.chance(4) {
					return []error{syscall.EIO, syscall.ENOSPC}[w.rng.IntN(2)]
				}
				return nil
			}
			switch n := w.rng.IntN(100); {
			case n < 40:
				a.append()
			case n < 88:
				a.step()
			case n < 90:
				failures += a.f.Status().Spool.Failures
				a.crash(w.chance(50))
			default:
				w.now += time.Duration(w.rng.IntN(2000)) * time.Millisecond
			}
		}
		w.settle(a)
		if n := w.check(a); n > 0 {
			t.Fatalf("%d records are in quarantine without need", n)
		}
	})
	if failures == 0 {
		t.Error("the disk never failed")
	}
}

// A store that loses what it acknowledged: retained Batches are sent again.
func TestStoreLosesAcknowledgedBatches(t *testing.T) {
	resent := uint64(0)
	seeds(t, 80, func(t *testing.T, seed uint64) {
		w := newWorld(t, seed, 2)
		a := w.start(vfs.NewCrashableMem(), Config{})
		old := w.shelf.clone()
		w.lossy = true
		for range 300 {
			switch n := w.rng.IntN(100); {
			case n < 35:
				a.append()
			case n < 80:
				a.step()
			case n < 82:
				a.crash(w.chance(50))
				w.stale = w.shelf.clone()
			case n < 84:
				old = w.shelf.clone()
			case n < 86:
				w.shelf.restore(old, w.rng.IntN(2))
			default:
				w.now += time.Duration(w.rng.IntN(3000)) * time.Millisecond
			}
		}
		w.settle(a)
		if n := w.check(a); n > 0 {
			t.Fatalf("%d records are in quarantine without need", n)
		}
		resent += a.f.Status().Counts.Resent
	})
	if resent == 0 {
		t.Error("nothing was ever sent again")
	}
}

// Two processes on copies of one spool: whoever comes second notices, nothing
// is counted twice, and what is in doubt is in quarantine.
func TestClonedSpool(t *testing.T) {
	forks := uint64(0)
	seeds(t, 120, func(t *testing.T, seed uint64) {
		w := newWorld(t, seed, 2)
		w.shelf.stable = seed%2 == 0
		a := w.start(vfs.NewCrashableMem(), Config{})
		for a.step() { // a clone before the first open cannot be told apart
		}
		run := func(n int, agents ...*agent) {
			for range n {
				x := agents[w.rng.IntN(len(agents))]
				switch n := w.rng.IntN(100); {
				case n < 40:
					x.append()
				case n < 90:
					x.step()
				case n < 92:
					x.crash(w.chance(50))
				default:
					w.now += time.Duration(w.rng.IntN(2000)) * time.Millisecond
				}
			}
		}
		w.lossy = true
		run(60, a)
		b := a.clone()
		run(150, a, b)
		w.settle(a, b)
		w.check(a, b)
		forks += a.f.Status().Counts.Forks + b.f.Status().Counts.Forks
	})
	if forks == 0 {
		t.Error("no fork was ever noticed")
	}
}

// A spool that was offline for longer than its id is honoured.
func TestOlderThanTheHorizon(t *testing.T) {
	gone := 0
	seeds(t, 50, func(t *testing.T, seed uint64) {
		w := newWorld(t, seed, 2)
		a := w.start(vfs.NewCrashableMem(), Config{})
		w.lossy = true
		for range 200 {
			switch n := w.rng.IntN(100); {
			case n < 40:
				a.append()
			case n < 85:
				a.step()
			case n < 86:
				w.shelf.gc()
			case n < 89:
				a.crash(w.chance(50))
			default:
				w.now += time.Duration(w.rng.IntN(2000)) * time.Millisecond
			}
		}
		w.settle(a)
		gone += w.check(a)
	})
	if gone == 0 {
		t.Error("nothing was ever too old")
	}
}

// A store that went further back than what was kept: the range is reported,
// the rest is renumbered and counted once, and what is counted and what is said
// to be lost are together what was acknowledged, also after a crash.
func TestStoreLosesMoreThanWasKept(t *testing.T) {
	renumbered, losses := uint64(0), uint64(0)
	seeds(t, 80, func(t *testing.T, seed uint64) {
		w := newWorld(t, seed, 2)
		a := w.start(vfs.NewCrashableMem(), Config{Retain: 2 * time.Second})
		run := func(n int) {
			for range n {
				switch n := w.rng.IntN(100); {
				case n < 40:
					a.append()
				case n < 90:
					a.step()
				default:
					w.now += time.Duration(w.rng.IntN(1500)) * time.Millisecond
				}
			}
		}
		run(100)
		old := w.shelf.clone()
		run(100)
		w.shelf.restore(old, w.rng.IntN(2))
		before := w.names
		w.lossy = true
		run(100)
		w.settle(a)
		counted := uint64(0)
		for _, name := range w.acked {
			counted += uint64(w.shelf.count(name))
		}
		lost := a.f.Status().Losses.Total()
		if counted+lost != uint64(len(w.acked)) {
			t.Errorf("%d acknowledged, %d counted, %d lost: %s", len(w.acked), counted, lost, a.f.Status().LastError)
		}
		losses += lost
		renumbered += a.f.Status().Counts.Renumbered
		a.crash(true)
		if again := a.f.Status(); again.Losses.Total() != lost || again.LostNow != 0 {
			t.Errorf("%d lost after a crash, %d before", again.Losses.Total(), lost)
		}
		w.settle(a)
		if again := a.f.Status().Losses.Total(); again != lost {
			t.Errorf("%d lost at rest after a crash, %d before", again, lost)
		}
		late := w.acked[:0:0]
		for _, name := range w.acked {
			if name > nameOf(before) {
				late = append(late, name)
			}
		}
		w.acked = late
		if n := w.check(a); n > 0 {
			t.Fatalf("%d records are in quarantine without need: %+v", n, a.f.Status().LastError)
		}
	})
	if renumbered == 0 || losses == 0 {
		t.Errorf("nothing was ever renumbered (%d), or lost (%d)", renumbered, losses)
	}
}
