package store

import (
	"encoding/binary"
	"math"

	"github.com/cespare/xxhash/v2"
)

// Next returns the position of the entry after p. Its identity depends on
// everything before it, on where it came from and on what it holds.
func (p Position) Next(e *Entry) Position {
	var d xxhash.Digest
	d.ResetWithSeed(p.Identity)
	var b [8]byte
	number := func(v uint64) {
		binary.LittleEndian.PutUint64(b[:], v)
		_, _ = d.Write(b[:])
	}
	number(uint64(e.Kind))
	number(e.Seq)
	id, _ := e.Source.AppendBinary(nil)
	_, _ = d.Write(id)
	_, _ = d.Write(e.Body)
	number(math.Float64bits(e.Command.At))
	for _, n := range e.Command.Names {
		number(uint64(len(n.Namespace)))
		_, _ = d.WriteString(n.Namespace)
		number(uint64(len(n.Name)))
		_, _ = d.WriteString(n.Name)
	}
	return Position{Offset: p.Offset + 1, Identity: d.Sum64()}
}

// Touches reports what an entry touches: the tabs of its Partials with the
// events of each, the names it deletes, or, for a prune, everything.
func (e *Entry) Touches(visit func(t Tab, events uint64)) error {
	r := NewBodyReader(e.Body)
	for r.NextTab() {
		visit(r.Tab.Tab(), r.Tab.Events)
	}
	return r.Err()
}

// TouchesAny reports whether the entry touches one of the names; nil means
// every tab. It does not allocate.
func (e *Entry) TouchesAny(names map[TabName]struct{}) bool {
	if names == nil || e.Kind == KindPrune {
		return true
	}
	for _, n := range e.Command.Names {
		if _, ok := names[n]; ok {
			return true
		}
	}
	r := NewBodyReader(e.Body)
	for r.NextTab() {
		if _, ok := names[TabName{Namespace: string(r.Tab.Namespace), Name: string(r.Tab.Name)}]; ok {
			return true
		}
	}
	return false
}

// NameSet makes a set of names; nil stays nil, which means every name.
func NameSet(names []TabName) map[TabName]struct{} {
	if names == nil {
		return nil
	}
	set := make(map[TabName]struct{}, len(names))
	for _, n := range names {
		set[n] = struct{}{}
	}
	return set
}

// Current reports whether an update may be applied: it was made from what is
// stored, and its last entry is known, being in the log under its identity or
// the trim point. record is the position of the record, nil if there is none;
// then the trim point counts: a tab without a record may have been removed and
// its tombstone trimmed, and who read it before that must read again, or it
// would enter the same moves in the ledger twice. While there is a tombstone, at
// an offset that is not 0, nothing may be applied; nor, where a replica took
// over that has the record still, what was made while there was one.
func Current(u *Update, record *Position, trim Position, tombstone uint64, known bool) bool {
	if u.Stored != (record != nil) {
		return false
	}
	old := trim
	if record != nil {
		old = *record
	}
	return tombstone == 0 && old == u.Old && known && u.New.Offset > u.Old.Offset
}

// Folds tells how far the records of a vbucket are folded, for deciding how far
// its log may be trimmed. A tombstone counts as a record.
type Folds interface {
	// Tab returns the offset to which the record of a tab is folded, 0 if
	// there is none.
	Tab(Tab) uint64
	// Name returns the least offset of the records of a name, of whatever
	// Type; the largest number if there is none.
	Name(TabName) uint64
	// All returns the least offset of all records; the largest number if
	// there is none.
	All() uint64
}

// Trimmable reports whether a log may be trimmed past e: every record that e
// touches has folded it.
func Trimmable(e *Entry, f Folds) bool {
	at := e.Position.Offset
	if e.Kind == KindPrune {
		return f.All() >= at
	}
	for _, n := range e.Command.Names {
		if f.Name(n) < at {
			return false
		}
	}
	ok := true
	_ = e.Touches(func(t Tab, _ uint64) { ok = ok && f.Tab(t) >= at })
	return ok
}

// Untouched is the answer of Folds for what has no record.
const Untouched = math.MaxUint64
