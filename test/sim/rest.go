package sim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/view"
)

var anID = store.SourceID{Class: store.ClassSpool}

// restRounds is how many seconds a cluster is given to come to rest: several
// times what agents wait between two looks at their heads.
const restRounds = 45

// rest ends the faults, lets everything arrive that is on its way, and checks
// the whole account.
func (w *World) rest() {
	w.say("the faults end")
	w.faults = false
	w.calm()
	if w.engine != nil {
		w.disk.end(true)
		w.risePebble()
		w.calm()
	}
	for range restRounds {
		w.now += time.Second
		w.settle()
	}
	if w.mix.Account && w.err == nil {
		w.lastPosts()
	}
	if w.err == nil {
		w.err = errors.Join(w.idle(), w.quarantine(), w.answers(), w.ledger())
		w.say("at rest: %s", outcome(w.err))
	}
}

// calm takes the faults from disks and clocks.
func (w *World) calm() {
	for _, a := range w.agents {
		a.disk.fail(0)
	}
	w.heal(100)
	if w.disk != nil {
		w.disk.fail(0)
	}
	if w.cluster != nil {
		w.cluster.stuck = false
		clear(w.away)
	}
}

// settle lets agents and messages go on until nothing is left to be done now.
func (w *World) settle() {
	for n := 0; w.err == nil; n++ {
		if n > 5000 {
			w.fail(errors.New("the cluster does not come to rest"))
		}
		worked := false
		for _, a := range w.agents {
			worked = a.work() || worked
		}
		for _, c := range w.clients {
			worked = c.work() || worked
		}
		w.arriveAll(false)
		if !worked {
			return
		}
	}
}

func (w *World) idle() (err error) {
	for _, a := range w.agents {
		if st := a.step.Status(); !a.step.Idle() {
			err = errors.Join(err, fmt.Errorf("%s still holds %d records: %s", a.name, st.Backlog, st.LastError))
		}
	}
	return err
}

// quarantine notes what is there, and complains if nothing was a reason.
func (w *World) quarantine() (err error) {
	for _, a := range w.agents {
		if n := a.quarantined(); n > 0 && !w.mix.Quarantine {
			err = errors.Join(err, fmt.Errorf("%d events are in the quarantine of %s without need", n, a.name))
		} else if n > 0 && a.step.Status().Spool.QuarantineBytes == 0 {
			err = errors.Join(err, fmt.Errorf("%s does not report the %d events in its quarantine", a.name, n))
		}
	}
	return err
}

// answers compares the answers of several Views with the book and with each
// other: one that has followed the log, one that begins after compaction, one
// of a store that was never compacted.
func (w *World) answers() error {
	before, err := w.read(w.servers[0].view)
	if err == nil {
		err = w.book.check(before, true)
	}
	if err == nil && w.mix.Account {
		err = w.losses(before)
	}
	if err != nil {
		return err
	}
	if err := w.servers[1].compactor.Compact(context.Background()); err != nil {
		return err
	}
	fresh := view.New(w.store, registry, view.Options{})
	after, err := w.read(fresh)
	if err == nil {
		err = same("before and after compaction", before, after)
	}
	if err != nil || w.cluster == nil {
		return err
	}
	plain := view.New(keptMeta{w.cluster.replay(len(w.cluster.history), false), w.cluster.meta}, registry, view.Options{})
	never, err := w.read(plain)
	if err == nil {
		err = same("with and without compaction", after, never)
	}
	if err != nil {
		return err
	}
	withC, err1 := w.projection(fresh)
	without, err2 := w.projection(plain)
	return errors.Join(err1, err2, same("of clients, with and without compaction", withC, without))
}

// keptMeta is a store under another's identity.
type keptMeta struct {
	store.Store
	meta store.Meta
}

// Meta implements store.Store.
func (k keptMeta) Meta() store.Meta { return k.meta }

func same(what string, a, b answer) error {
	if !maps.Equal(a, b) {
		return fmt.Errorf("the answers %s differ: %v and %v", what, a, b)
	}
	return nil
}

func (w *World) ledger() error {
	r, err := w.servers[0].compactor.Audit(context.Background())
	if err == nil && !r.OK() {
		err = errors.New("the ledger does not hold: " + strings.Join(r.Problems(), "; "))
	}
	return err
}
