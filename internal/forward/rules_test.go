package forward

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tabaproject/taba/internal/spool"
	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/wire"
)

// The rules of the protocol, one transcript each. A transcript is the kinds of
// actions that were done, in order, without releases of disk space.

// do runs a until it rests and compares what it did.
func (a *agent) do(want string) {
	a.w.t.Helper()
	var got []string
	for {
		kind := a.f.next()
		if kind.Kind == DoNothing {
			break
		}
		if kind.Kind != DoRelease {
			got = append(got, kind.Kind.String())
		}
		a.perform(kind)
	}
	if s := strings.Join(got, " "); s != want {
		a.w.t.Errorf("got  %s\nwant %s", s, want)
	}
}

func oneVB(t *testing.T, c Config) (*world, *agent) {
	w := newWorld(t, 1, 1)
	return w, w.start(vfs.NewCrashableMem(), c)
}

func (a *agent) sources() string {
	var s []string
	for _, src := range a.f.m.sources {
		s = append(s, fmt.Sprint(src.n))
	}
	return strings.Join(s, " ")
}

func TestABatchFromAppendToRelease(t *testing.T) {
	w, a := oneVB(t, Config{Retain: time.Minute})
	w.shelf.stable = true
	a.do("open write") // idle: an id, and nothing more
	a.append()
	a.append()
	a.do("seal write send write")
	a.do("")
	if n := w.check(a); n > 0 {
		t.Error("in quarantine")
	}
}

// TestStableBatchesAreKeptForARestore: whoever is told so keeps what no failover
// can lose, and a store that is brought back from a backup gets it again.
func TestStableBatchesAreKeptForARestore(t *testing.T) {
	f := func(keep bool, want string) {
		t.Helper()
		w, a := oneVB(t, Config{Retain: time.Minute, Reconcile: 10 * time.Second, RetainStable: keep})
		w.shelf.stable = true
		backup := w.shelf.clone()
		a.do("open write")
		a.append()
		a.do("seal write send write")
		w.shelf.restore(backup)
		w.now += 11 * time.Second
		a.do(want)
		w.now += time.Minute
		a.do("")
		if st := a.f.Status(); st.Retained > 0 {
			t.Errorf("retain_stable %v: %d Batches are kept after the retention", keep, st.Retained)
		}
	}
	f(false, "")
	f(true, "heads heads send write") // it is another epoch besides
}

func TestRecordsBelongToTheIdInForceWhenTheyWereWritten(t *testing.T) {
	w, a := oneVB(t, Config{})
	a.do("open write")
	a.append()
	a.crash(false)
	a.append() // after the restart, before an id was opened: still the first
	var ids []store.SourceID
	w.onSend = func(b *wire.Batch) { ids = append(ids, b.Parts[0].Source) }
	a.do("open write seal write send write")
	a.append()
	a.do("seal write send write")
	if len(ids) != 2 || ids[0] == ids[1] || a.f.m.inForce.ID != ids[1] {
		t.Errorf("sent under %v, in force %v", ids, a.f.m.inForce.ID)
	}
}

func TestASourceIsClosedWhenAllOfItIsReleased(t *testing.T) {
	w, a := oneVB(t, Config{Retain: time.Minute, Reconcile: 10 * time.Minute})
	a.do("open write")
	a.append()
	a.do("seal write send write")
	a.crash(false)
	a.do("open write heads") // not closed: the Batch is still kept
	w.now += 2 * time.Minute
	a.do("close write")
	if got := a.sources(); got != "2" {
		t.Errorf("sources left: %s", got)
	}
}

func TestASourceIsReplacedBeforeItsAge(t *testing.T) {
	w, a := oneVB(t, Config{RotateAfter: time.Hour})
	w.shelf.stable = true
	a.do("open write")
	a.append()
	w.now += time.Hour
	a.do("open write seal write send write close write")
}

func TestTheSealIsDurableBeforeItIsSentAndNeverChanges(t *testing.T) {
	seeds(t, 30, func(t *testing.T, seed uint64) {
		w := newWorld(t, seed, 3)
		a := w.start(vfs.NewCrashableMem(), Config{})
		sealed := map[string]store.Chain{}
		w.onSend = func(b *wire.Batch) {
			m := NewMachine(Config{}, store.Token{})
			l, err := spool.Open(a.fs.CrashClone(vfs.CrashCloneCfg{}), "spool", spool.Options{}, m)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			for _, p := range b.Parts {
				key := fmt.Sprint(p.Source, p.VB, p.Seq)
				if c, ok := sealed[key]; ok && c != p.Chain {
					t.Errorf("part %s changed", key)
				}
				sealed[key] = p.Chain
				found := false
				for _, s := range m.sources {
					found = found || s.ID == p.Source && s.relate(p.VB, store.Head{Seq: p.Seq, Chain: p.Chain}) == onChain
				}
				if !found {
					t.Errorf("part %s is sent, and a power loss now would forget it", key)
				}
			}
		}
		w.lossy = true
		for range 150 {
			switch n := w.rng.IntN(100); {
			case n < 35:
				a.append()
			case n < 92:
				a.step()
			case n < 95:
				a.crash(w.chance(50))
			default:
				w.now += time.Second
			}
		}
		w.settle(a)
	})
}

func TestOnlyUnacknowledgedPartsAreSentAgain(t *testing.T) {
	w := newWorld(t, 1, 2)
	a := w.start(vfs.NewCrashableMem(), Config{})
	a.do("open write")
	for range 8 {
		a.append()
	}
	var vbs [][]int
	w.onSend = func(b *wire.Batch) {
		var vb []int
		for _, p := range b.Parts {
			vb = append(vb, p.VB)
		}
		vbs = append(vbs, vb)
	}
	w.down = func(vb int) bool { return vb == 1 }
	a.do("seal write send write")
	w.now += time.Second
	a.do("send")
	w.down = nil
	w.now += time.Second
	a.do("send write")
	if got := fmt.Sprint(vbs); got != "[[0 1] [1] [1]]" {
		t.Errorf("vbuckets sent: %v", got)
	}
}

// result runs one Batch and lets change alter its result.
func result(t *testing.T, change func(r *store.PartResult)) *agent {
	w, a := oneVB(t, Config{})
	a.do("open write")
	a.append()
	a.do("seal write send write")
	a.append()
	w.onResult = change
	for range 3 {
		a.step() // seal, write, send
	}
	w.onResult = nil
	return a
}

func unacked(m *Machine) bool {
	for _, s := range m.sources {
		if s.unacked() {
			return true
		}
	}
	return false
}

func TestRepliesAreVerified(t *testing.T) {
	released := func(a *agent) bool { return !unacked(a.f.m) && a.f.m.counts.Forks == 0 }
	forked := func(a *agent) bool { return a.f.m.counts.Forks == 1 }
	waits := func(a *agent) bool { return unacked(a.f.m) && a.f.m.counts.Forks == 0 }
	f := func(name string, change func(*store.PartResult), want func(*agent) bool) {
		t.Helper()
		a := result(t, change)
		if !want(a) {
			t.Errorf("%s: %+v", name, a.f.m.counts)
		}
		a.w.settle(a)
		a.w.check(a)
	}
	f("applied", func(r *store.PartResult) {}, released)
	f("forked, but on our chain", func(r *store.PartResult) { r.Verdict = store.Forked }, released)
	f("closed, but applied before", func(r *store.PartResult) { r.Verdict = store.SourceClosed }, released)
	f("applied, on another chain", func(r *store.PartResult) { r.Head.Chain[0] ^= 1 }, forked)
	f("duplicate, on another chain", func(r *store.PartResult) { r.Verdict, r.Head.Chain[0] = store.Duplicate, 99 }, forked)
	f("beyond what was sent", func(r *store.PartResult) { r.Head.Seq += 5 }, forked)
	f("a gap that is none", func(r *store.PartResult) { r.Verdict = store.Gap }, waits)
	f("applied, but the head is behind", func(r *store.PartResult) { r.Head = store.Head{} }, waits)
	f("unknown", func(r *store.PartResult) { r.Verdict = store.Unknown }, waits)
	f("a verdict of another release", func(r *store.PartResult) { r.Verdict = 77; r.Head = store.Head{} }, waits)
}

func TestAForkGoesToQuarantineAndANewIdIsOpened(t *testing.T) {
	w, a := oneVB(t, Config{})
	a.do("open write")
	a.append()
	a.do("seal write send write")
	b := a.clone()
	a.append()
	a.do("seal write send write")
	b.append()                                           // under the id both have
	b.do("open write heads send write quarantine write") // the heads gave it away
	if n := w.check(a, b); n == 0 {
		t.Error("nothing is in quarantine")
	}
	if st := b.f.Status(); st.Counts.Forks != 1 || st.Counts.Quarantined != 1 || !strings.Contains(st.LastError, "forked") || st.Source == a.f.Status().Source {
		t.Errorf("status: %+v", st)
	}
	b.append()
	b.do("seal write send write")
}

func TestAForkOfTheIdInForceSuspendsTheSpool(t *testing.T) {
	w, a := oneVB(t, Config{})
	a.do("open write")
	w.shelf.append(&wire.Batch{StoreID: w.shelf.id, Partition: w.shelf.part, Parts: []store.Part{other(a)}}, func(int) bool { return false })
	a.append()
	for range 4 {
		a.step() // seal, write, send, write the drop
	}
	if err := a.f.Append(bodyOf("x"), 1); err == nil {
		t.Error("a record was acknowledged under an id that was given up")
	}
	a.do("quarantine write open write")
	a.append()
	a.do("seal write send write")
	w.check(a)
}

// other is a part that somebody else sent under the agent's id.
func other(a *agent) store.Part {
	body := bodyOf("other")
	d := wire.DigestOf(body)
	return store.Part{Source: a.f.m.inForce.ID, Seq: 1, Digest: d, Chain: store.NextChain(store.Chain{}, 1, 0, d), Body: body}
}

// begun has a request in flight that the machine did not ask for by itself.
func (a *agent) begun(act Action) (attempt uint64) {
	act, _ = a.f.m.begin(act)
	return act.Attempt
}

func TestHeadsReleaseNothing(t *testing.T) {
	w, a := oneVB(t, Config{})
	a.do("open write")
	a.append()
	w.onSend = func(b *wire.Batch) { w.shelf.append(b, func(int) bool { return false }) }
	w.down = func(int) bool { return true } // applied, but the answer says nothing
	a.do("seal write send")
	w.onSend = nil
	s := a.f.m.inForce
	s.ask = true
	a.do("") // not while a vbucket cannot be committed to
	a.f.m.HeadsRead(a.begun(Action{Kind: DoHeads, Source: s.n}), w.shelf.heads(s.ID), w.now)
	if !s.unacked() {
		t.Error("an answer about heads released a part")
	}
	w.down = nil
	w.now += time.Second
	a.do("send write heads")
}

func TestAChangedEpochHasHeadsAskedFor(t *testing.T) {
	w, a := oneVB(t, Config{})
	a.do("open write")
	a.append()
	a.do("seal write send write")
	w.shelf.restore(newShelf(1))
	a.append()
	a.do("seal write send heads send write") // the gap tells as well
	if n := w.check(a); n != 0 {
		t.Error("in quarantine")
	}
	w.shelf.epoch[3]++
	a.append()
	a.do("seal write send write heads")
}

func TestTooOldGoesToQuarantine(t *testing.T) {
	w, a := oneVB(t, Config{})
	a.do("open write")
	a.append()
	w.shelf.gc()
	a.do("seal write send write quarantine write open write")
	if n := w.check(a); n != 1 {
		t.Errorf("%d in quarantine, want 1", n)
	}
	if st := a.f.Status(); st.Counts.Gone != 1 {
		t.Errorf("status: %+v", st)
	}
}

// What is in quarantine must not be saved again, from a spool that has
// forgotten some of it, after a power loss.
func TestQuarantineSurvivesPowerLoss(t *testing.T) {
	w, a := oneVB(t, Config{})
	a.do("open write")
	for range 200 {
		a.append()
	}
	w.shelf.gc()
	for a.f.m.counts.Gone == 0 || len(a.f.m.sources) > 0 || len(a.f.m.writes) > 0 {
		a.step()
	}
	if act := a.f.next(); act.Kind != DoOpen {
		t.Fatalf("next: %v", act.Kind)
	}
	for act := a.f.next(); act.Kind != DoNothing; act = a.f.next() { // while that is in flight
		a.perform(act)
	}
	if n := a.f.log.Stats().Segments; n != 1 {
		t.Fatalf("%d segments left", n)
	}
	a.restart(a.fs.CrashClone(vfs.CrashCloneCfg{}))
	w.settle(a)
	if n := w.check(a); n != 200 {
		t.Errorf("%d in quarantine, want 200", n)
	}
}

func TestRenumberingNeedsAnExclusiveClose(t *testing.T) {
	lost := func(t *testing.T) (*world, *agent) {
		w, a := oneVB(t, Config{Retain: time.Second, Reconcile: time.Hour})
		a.do("open write")
		a.append()
		a.do("seal write send write")
		w.now += 2 * time.Second
		a.do("") // the first Batch is no longer kept
		a.append()
		a.do("seal write send write")
		a.append()
		w.shelf.restore(newShelf(1))
		w.shelf.birth = 10
		return w, a
	}
	w, a := lost(t)
	a.do("seal write send open write close write seal write send write")
	w.acked = w.acked[1:] // reported as lost
	if n := w.check(a); n != 0 || a.f.m.counts.Renumbered != 1 {
		t.Errorf("%d in quarantine, %+v", n, a.f.m.counts)
	}
	if last := a.f.Status().LastError; !strings.Contains(last, "events are lost") {
		t.Errorf("reported: %q", last)
	}

	if l := a.f.Status().Losses; l.Lost[0] != 1 || l.Total() != 1 || l.InDoubt != 0 {
		t.Errorf("losses %+v, want 1 event of vbucket 0", l)
	}

	w, a = lost(t)
	for range 3 {
		a.step() // seal, write, send
	}
	w.shelf.close(a.f.m.inForce.ID, store.Token{9}) // somebody else was first
	a.do("open write close write quarantine write")
	w.acked = w.acked[1:]
	if n := w.check(a); n != 2 || a.f.m.counts.Renumbered != 0 || a.f.m.counts.Forks != 1 {
		t.Errorf("%d in quarantine, %+v", n, a.f.m.counts)
	}
	if l := a.f.Status().Losses; l.Total() != 0 || l.InDoubt != 3 {
		t.Errorf("losses %+v, want 2 events in quarantine and 1 that is in doubt", l)
	}
}

// What is lost of a vbucket that nothing is sent of any more is found by asking
// for heads; what an epoch's change in another vbucket is the reason for.
func TestLossOfWhatIsNotSentAgainIsFound(t *testing.T) {
	w := newWorld(t, 1, 1)
	a := w.start(vfs.NewCrashableMem(), Config{Retain: time.Second, Reconcile: time.Hour})
	a.do("open write")
	a.append()
	a.do("seal write send write")
	w.now += 2 * time.Second
	a.do("")
	w.shelf.restore(newShelf(1))
	a.f.m.noteEpoch(0, store.Epoch{9})
	a.do("heads open write close write")
	w.acked = nil // reported as lost
	if l := a.f.Status().Losses; l.Lost[0] != 1 || l.Total() != 1 {
		t.Errorf("losses %+v, want 1 event of vbucket 0", l)
	}
	w.check(a)
}

// Retained Batches that the store lacks are told apart from other repetitions.
func TestRestored(t *testing.T) {
	w, a := oneVB(t, Config{})
	a.do("open write")
	a.append()
	a.do("seal write send write")
	if st := a.f.Status(); st.Counts.Restored != 0 || !st.ResentAt.IsZero() {
		t.Errorf("status: %+v", st)
	}
	w.shelf.restore(newShelf(1))
	w.now += 11 * time.Second
	a.do("heads heads send write") // the second as the epoch is another one
	if st := a.f.Status(); st.Counts.Restored != 1 || st.Counts.Resent != 1 || st.ResentAt.IsZero() || st.Losses.Total() != 0 {
		t.Errorf("status: %+v", st)
	}
	w.check(a)
}

func TestAnIdThatWasNotAskedForIsRefused(t *testing.T) {
	f := func(change func(r *wire.OpenReply)) {
		t.Helper()
		_, a := oneVB(t, Config{})
		act := a.f.next()
		r := a.w.shelf.open(wire.OpenRequest{Class: store.ClassSpool, Nonce: store.Nonce{1}})
		change(&r)
		if err := a.f.m.Opened(act.Attempt, store.Nonce{1}, r, time.Second, 0); err == nil || a.f.m.inForce != nil {
			t.Errorf("accepted: %+v", r)
		}
	}
	f(func(r *wire.OpenReply) { r.Source.Nonce[0]++ })
	f(func(r *wire.OpenReply) { r.Source.Class = store.ClassDirect })
	f(func(r *wire.OpenReply) { r.Partition.VBuckets = 0 })
	f(func(r *wire.OpenReply) { r.Partition.Version = 2 })
	_, a := oneVB(t, Config{})
	a.do("open write")
	used := a.f.m.inForce.opened
	a.crash(false)
	act := a.f.next()
	if err := a.f.m.Opened(act.Attempt, used.ID.Nonce, wire.OpenReply{Source: used.ID, StoreID: used.StoreID, Partition: used.Partition}, 0, 0); err == nil {
		t.Error("an id that the spool has seen was accepted")
	}
}

func TestLateRepliesAreIgnored(t *testing.T) {
	_, a := oneVB(t, Config{})
	a.do("open write")
	a.append()
	for range 2 {
		a.step()
	}
	act := a.f.next()
	m := a.f.m
	m.Failed(act.Attempt, 0, 0)
	if err := m.Replied(act.Attempt, make([]store.PartResult, 1), 0, 0); err != nil || !unacked(m) {
		t.Error("a reply to a request that was given up was followed")
	}
	m.HeadsRead(act.Attempt, nil, 0)
	m.Gone(act.Attempt)
	if err := m.Closed(act.Attempt, store.Closed{}, 0, 0); err != nil {
		t.Error(err)
	}
	a.do("send write")
}
