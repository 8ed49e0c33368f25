package seglog

import (
	"errors"
	"fmt"
	"os"
	"slices"
)

// era is the time between two moments at which segments were given up. They may
// go when nobody reads any more who began in it or before.
type era struct {
	readers int
	gone    []*segment // given up at its end
}

// Pin keeps segments from going away.
type Pin struct {
	l *Log
	e *era
}

// Pin keeps the segments that are there now until it is released.
func (l *Log) Pin() Pin {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.eras[len(l.eras)-1]
	e.readers++
	return Pin{l, e}
}

// Release ends it.
func (p Pin) Release() error {
	p.l.mu.Lock()
	defer p.l.mu.Unlock()
	p.e.readers--
	return p.l.sweep()
}

// Read reads a piece, or some that lie one after the other, into b. They may
// have been given up since the Pin was taken.
func (p Pin) Read(segment uint64, offset int64, b []byte) error {
	seg := p.l.find(segment)
	if seg == nil {
		return fmt.Errorf("segment %d of the log is missing", segment)
	}
	n, err := seg.file.ReadAt(b, offset)
	if n == len(b) {
		return nil // whatever err says: io.EOF is allowed here
	}
	return fmt.Errorf("segment %s of the log: %d bytes at %d: %w", seg.name(), len(b), offset, errors.Join(errShort, err))
}

var errShort = errors.New("the file ends before")

// Check checks a piece that was read.
func (p Pin) Check(piece Piece, b []byte) error {
	if Sum(b) == piece.Sum {
		return nil
	}
	name := fmt.Sprint("number ", piece.Segment)
	if seg := p.l.find(piece.Segment); seg != nil {
		name = seg.name()
	}
	return fmt.Errorf("segment %s of the log is damaged at %d: %d bytes do not have their checksum", name, piece.Offset, len(b))
}

// find returns a segment that is there or was given up while somebody reads.
func (l *Log) find(number uint64) *segment {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := search(l.segments, number); s != nil {
		return s
	}
	for _, e := range l.eras {
		if s := search(e.gone, number); s != nil {
			return s
		}
	}
	return nil
}

// search finds a segment in a list that is sorted by number.
func search(list []*segment, number uint64) *segment {
	i, ok := slices.BinarySearchFunc(list, number, func(s *segment, n uint64) int {
		switch {
		case s.Number < n:
			return -1
		case s.Number > n:
			return 1
		}
		return 0
	})
	if !ok {
		return nil
	}
	return list[i]
}

// Retire gives up the segments of which dead says so, of those that are not
// appended to. Nobody may need them any more but who holds a Pin.
func (l *Log) Retire(dead func(Segment) bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	now := l.eras[len(l.eras)-1]
	l.segments = slices.DeleteFunc(l.segments, func(s *segment) bool {
		if s == l.active || !dead(s.Segment) {
			return false
		}
		now.gone = append(now.gone, s)
		return true
	})
	if len(now.gone) > 0 {
		l.eras = append(l.eras, new(era))
		l.most, l.begun = max(l.begun, 1), 0
	}
	return l.sweep()
}

// sweep frees what nobody can read any more.
func (l *Log) sweep() error {
	var errs []error
	for len(l.eras) > 1 && l.eras[0].readers == 0 {
		errs = append(errs, l.free(l.eras[0].gone))
		l.eras = slices.Delete(l.eras, 0, 1)
	}
	return errors.Join(errs...)
}

// free keeps as many files to be written over as were begun between the last
// two times that some were given up, and removes the others.
func (l *Log) free(list []*segment) error {
	var drop []*segment
	for _, s := range list {
		if s.old {
			drop = append(drop, s)
		} else {
			l.spares = append(l.spares, s)
		}
	}
	surplus := max(len(l.spares)-l.most, 0)
	drop = append(drop, l.spares[:surplus]...)
	l.spares = slices.Delete(l.spares, 0, surplus)
	return l.remove(drop)
}

func (l *Log) remove(list []*segment) error {
	var errs []error
	for _, s := range list {
		err := l.fs.Remove(l.path(s.name()))
		if errors.Is(err, os.ErrNotExist) {
			err = nil
		}
		errs = append(errs, err, s.file.Close())
	}
	return errors.Join(errs...)
}
