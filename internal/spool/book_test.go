package spool

import (
	"bytes"
	"fmt"
	"io"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// book is what a spool was given, and what it must still have.
type book struct {
	lines    map[uint64]Record   // what the spool holds, as far as is known; no line: nothing, for ever
	tried    map[uint64][]Record // not promised: all that was ever written under a number
	next     uint64              // after the last line
	sure     uint64              // what is before is promised
	released uint64              // what is before may be gone
	inForce  place
	saved    map[string][]Record // in quarantine
	acked    int
}

func newBook() *book {
	return &book{
		lines: map[uint64]Record{}, tried: map[uint64][]Record{}, saved: map[string][]Record{},
		next: 1, sure: 1, released: 1,
	}
}

// try notes a record that may be in the spool, whatever happens.
func (b *book) try(r Record) { b.tried[r.LSN] = append(b.tried[r.LSN], r) }

// done notes records that are in the spool.
func (b *book) done(l *Log, recs ...Record) {
	for _, r := range recs {
		b.lines[r.LSN] = r
		b.next = r.LSN + 1
		b.inForce.follow(r)
	}
	b.promise(l)
}

// promise notes what must not be lost any more.
func (b *book) promise(l *Log) {
	for ; b.sure < b.next-uint64(l.Stats().UnsyncedRecords); b.sure++ {
		delete(b.tried, b.sure)
	}
}

func (p *place) follow(r Record) {
	switch {
	case r.Kind == KindSource:
		*p = place{source: r.Source}
	case r.Kind == KindDrop && r.Source == p.source:
		p.suspended = true
	}
}

// check compares the book with what was found when the spool was opened. What
// was not promised may be there or not; it is entered if it is.
func (b *book) check(l *Log, m *memory) error {
	st := l.Stats()
	if len(st.Damaged) > 0 {
		return fmt.Errorf("reported as damage: %+v", st.Damaged)
	}
	if st.NextLSN < b.sure {
		return fmt.Errorf("record %d was acknowledged and is lost: the spool ends before %d", b.sure-1, st.NextLSN)
	}
	if err := b.enter(m.records, st.NextLSN); err != nil {
		return err
	}
	first := st.FirstLSN
	if first > b.released && b.released < b.sure {
		return fmt.Errorf("record %d is lost: the spool begins with %d", b.released, first)
	}
	if err := b.compare(m.records, first); err != nil {
		return err
	}
	last, inForce := uint64(0), place{}
	for lsn := uint64(1); lsn < b.next; lsn++ {
		r, ok := b.lines[lsn]
		if ok && r.Kind != KindPartials && r.Payload[0] == 'c' {
			last = lsn
		}
		inForce.follow(r)
	}
	if b.inForce = inForce; l.inForce != inForce {
		return fmt.Errorf("in force is %+v, not %+v", l.inForce, inForce)
	}
	if m.last != last {
		return fmt.Errorf("the owner's memory is of record %d, not %d", m.last, last)
	}
	return nil
}

// enter notes what was found of what was not promised.
func (b *book) enter(found []Record, next uint64) error {
	for lsn := b.sure; lsn < max(b.next, next); lsn++ {
		delete(b.lines, lsn)
	}
	b.next = next
	for _, r := range found {
		if r.LSN < b.sure {
			continue
		}
		if !slices.ContainsFunc(b.tried[r.LSN], func(t Record) bool { return same(t, r) }) {
			return fmt.Errorf("record %d was never written: %v", r.LSN, r)
		}
		b.lines[r.LSN] = r
	}
	return nil
}

// compare compares the lines from a number on with what was found there.
func (b *book) compare(found []Record, from uint64) error {
	lsn := from
	for _, r := range found {
		if r.LSN < lsn {
			return fmt.Errorf("record %d is there twice or out of order, or was released", r.LSN)
		}
		for ; lsn < r.LSN; lsn++ {
			if _, ok := b.lines[lsn]; ok {
				return fmt.Errorf("record %d is lost, %d is there", lsn, r.LSN)
			}
		}
		if line, ok := b.lines[lsn]; !ok || !same(line, r) {
			return fmt.Errorf("record %d is not the one that was acknowledged", lsn)
		}
		lsn++
	}
	for ; lsn < b.next; lsn++ {
		if _, ok := b.lines[lsn]; ok {
			return fmt.Errorf("record %d is lost", lsn)
		}
	}
	return nil
}

func same(a, b Record) bool {
	return a.LSN == b.LSN && a.Kind == b.Kind && a.Source == b.Source && bytes.Equal(a.Payload, b.Payload)
}

// checkSaved checks that what is in quarantine is whole, and how much it is.
func (b *book) checkSaved(on vfs.FS, l *Log) error {
	dir := l.path(quarantineDir)
	names, err := on.List(dir)
	if err != nil {
		return err
	}
	var size int64
	for _, name := range names {
		info, err := on.Stat(on.PathJoin(dir, name))
		if err != nil {
			return err
		}
		size += info.Size()
	}
	if got := l.Stats().QuarantineBytes; got != size {
		return fmt.Errorf("%d bytes in quarantine, the statistics say %d", size, got)
	}
	for name, want := range b.saved {
		if err := checkSegment(on, on.PathJoin(dir, name+segmentSuffix), want); err != nil {
			return fmt.Errorf("quarantine %s: %w", name, err)
		}
	}
	return nil
}

// checkSegment reads a file in the format of segments.
func checkSegment(on vfs.FS, name string, want []Record) error {
	f, err := on.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	n, err := headerLength(data)
	if err != nil {
		return err
	}
	h, err := parseHeader(data[:n])
	if err != nil {
		return err
	}
	s := &scanner{r: bytes.NewReader(data), size: int64(len(data)), salt: h.salt, next: 1, off: int64(n)}
	for _, r := range want {
		what, err := s.scan()
		if err != nil || what != foundFrame || !bytes.Equal(s.frame.Payload, r.Payload) {
			return fmt.Errorf("a record is missing: %v, %w", what, err)
		}
	}
	if s.offset() != s.size {
		return fmt.Errorf("%d bytes too many", s.size-s.offset())
	}
	return nil
}
