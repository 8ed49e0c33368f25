package forward

import (
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/store"
)

// bequeath has a source closed and renumbered, because the store lost what is
// no longer kept. Of its three records the first is sealed under the heir's id
// and the others still wait for their turn.
func bequeath(t *testing.T) (*world, *agent) {
	w, a := oneVB(t, Config{Retain: time.Second, Reconcile: time.Hour})
	a.f.o.BatchBytes = 1 // a record is a Batch
	a.do("open write")
	a.append()
	a.do("seal write send write")
	w.now += 2 * time.Second
	a.do("") // the first Batch is no longer kept
	for range 3 {
		a.append()
	}
	w.shelf.restore(newShelf(1))
	w.shelf.birth = 10
	a.until(DoSend)
	a.until(DoSend)
	w.acked = w.acked[1:] // reported as lost
	return w, a
}

// until lets a do what comes before the next action of a kind.
func (a *agent) until(kind Kind) {
	a.w.t.Helper()
	a.step()
	for {
		act := a.f.next()
		if act.Kind == kind {
			a.f.m.Postponed(act.Attempt, 0, a.w.now)
			return
		}
		if act.Kind == DoNothing {
			a.w.t.Fatalf("it rests before it gets to %v", kind)
		}
		a.perform(act)
	}
}

// When an heir is given up, what is bound to its id goes to quarantine with
// it, also if the process ends before the second of these is written.
func TestWhoDependsOnAnIdIsGivenUpWithIt(t *testing.T) {
	for writes := range 3 {
		w, a := bequeath(t)
		w.shelf.close(a.f.m.inForce.ID, store.Token{9})
		for range 1 + writes { // send, then the records that give sources up
			a.step()
		}
		if a.f.m.counts.Forks != 1 || a.f.m.counts.Quarantined != 2 {
			t.Fatalf("%+v", a.f.m.counts)
		}
		a.crash(false)
		w.settle(a)
		if n := w.check(a); n != 3 {
			t.Errorf("after %d writes: %d in quarantine, want 3", writes, n)
		}
	}
}

// An heir of which nothing is left may be closed and have an heir itself: what
// still waits goes on to that one, also after a restart.
func TestHeirsOfHeirs(t *testing.T) {
	for _, restart := range []bool{false, true} {
		w, a := bequeath(t)
		a.step() // send
		a.step() // write that it is acknowledged
		w.now += 2 * time.Second
		w.onResult = func(r *store.PartResult) { r.Verdict, r.Head = store.Gap, store.Head{} } // of a store that has lost it
		a.until(DoOpen)
		w.onResult = nil
		a.until(DoSeal) // meanwhile the end of the id told that it was applied
		if restart {
			a.crash(false)
		}
		w.settle(a)
		if n := w.check(a); n != 0 || w.shelf.count(nameOf(4)) != 1 {
			t.Errorf("restarted: %v: %d in quarantine, the last is counted %d times", restart, n, w.shelf.count(nameOf(4)))
		}
	}
}
