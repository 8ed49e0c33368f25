package sim

import (
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func (w *World) clone() {
	a := w.anyAgent()
	if len(w.agents) >= w.mix.Agents+2 {
		return
	}
	name := fmt.Sprintf("%s' (%d)", a.name, len(w.agents))
	w.say("the disk of %s is copied, and %s starts on the copy", a.name, name)
	w.count(nCopies)
	a.copied(a.met, len(a.tried))
	c := w.startAgent(name, newMachine(copyOf(a.disk.mem)))
	c.met, c.own, c.tried, c.unsure = a.met, slices.Clone(a.own), slices.Clone(a.tried), a.unsure
}

// copied notes that a disk is there twice. Without an id it cannot be told
// from the copy; nor if the store has forgotten that the id was ended.
func (a *agent) copied(met bool, tried int) {
	if !met {
		a.w.book.each(a.tried[:tried], func(f *fate) { f.copies++ })
		return
	}
	unsure := min(a.unsure, tried)
	a.w.book.each(a.tried[:unsure], func(f *fate) { f.copies++ })
	a.w.twins = append(a.w.twins, slices.Clone(a.tried[unsure:tried]))
}

// forgetTwins notes that the store has forgotten which of two copies of a disk
// ended their common id: both may do so, and send what they hold under ids of
// their own. The same goes for copies of a disk that are made from now on.
func (w *World) forgetTwins() {
	for _, a := range w.agents {
		a.unsure = len(a.tried)
		if b := a.backup; b != nil && b.met { // it may be a copy yet
			w.twins = append(w.twins, a.tried[:b.tried])
		}
	}
	for _, list := range w.twins {
		w.book.each(list, func(f *fate) { f.copies++ })
	}
	w.twins = nil
}

// backup is an earlier state of an agent's disk.
type backup struct {
	disk  *vfs.MemFS
	saved int // len(own)
	tried int // len(tried)
	met   bool
}

func (w *World) restore() {
	if a := w.anyAgent(); a.backup == nil {
		w.say("the disk of %s is backed up", a.name)
		a.backup = &backup{copyOf(a.disk.mem), len(a.own), len(a.tried), a.met}
	} else {
		a.restore()
	}
}

// restore brings the backup back. What was acknowledged since is lost with the
// disk, unless it was sent.
func (a *agent) restore() {
	a.w.say("the backup of the disk of %s is restored", a.name)
	a.w.count(nCopies)
	old := a.backup
	a.w.book.each(a.own[old.saved:], func(f *fate) { f.excused = true })
	a.copied(old.met, old.tried)
	a.own, a.tried, a.met, a.backup = a.own[:old.saved], a.tried[:old.tried], old.met, nil
	a.unsure = min(a.unsure, len(a.tried))
	a.start(newMachine(old.disk))
}

// fill fills the disk, or makes room.
func (a *agent) fill() {
	a.disk.mu.Lock()
	defer a.disk.mu.Unlock()
	a.disk.full = a.w.faults && !a.disk.full
	a.w.say("the disk of %s is full: %v", a.name, a.disk.full)
}

// storeBackup is an earlier state of Pebble's disk and of what was promised.
type storeBackup struct {
	disk  *vfs.MemFS
	fates []fate
}

// restoreStore copies the directory of the store, or brings the copy back.
// What was acknowledged in between is lost, unless agents hold it still; what
// was deleted in between may be back, and copies of spools that were told apart
// may not be any more.
func (w *World) restoreStore() {
	if w.backup == nil {
		w.say("the store is backed up")
		w.backup = &storeBackup{copyOf(w.disk.mem), slices.Clone(w.book.fates)}
		return
	}
	w.say("the backup of the store is restored")
	w.count(nCopies)
	for i := range w.book.fates {
		f := &w.book.fates[i]
		var before fate
		if i < len(w.backup.fates) {
			before = w.backup.fates[i]
		}
		f.excused = f.excused || f.a2 && !before.a2
		f.seen, f.gone = false, before.gone
	}
	w.excuseTold()
	w.forgetTwins()
	w.disk.end(false)
	w.disk.mu.Lock()
	w.disk.after = newMachine(w.backup.disk)
	w.disk.mu.Unlock()
	w.backup = nil
	w.risePebble()
}
