package seglog

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Record is what Open hands out. It is valid during the call only.
type Record struct {
	LSN    uint64
	Meta   []byte
	Pieces []Piece // of all bodies
}

// Open opens the log in a directory, which is there, and hands out the records
// after the given LSN, in order.
func Open(fs vfs.FS, dir string, o Options, after uint64, replay func(Record) error) (*Log, error) {
	o.setDefaults()
	l := &Log{fs: fs, dir: dir, o: o, eras: []*era{{}}}
	// What was removed must not be back after a power loss behind what is
	// begun from now on: numbers are those of the names that are there.
	err := syncDir(fs, dir)
	if err == nil {
		err = l.list()
	}
	if err == nil {
		err = l.replay(after, replay)
	}
	if err != nil {
		return nil, fmt.Errorf("log %s: %w", dir, errors.Join(err, l.Close()))
	}
	return l, nil
}

const segmentSuffix = ".log"

func segmentName(number, first uint64, salt uint32) string {
	return fmt.Sprintf("%016x-%016x-%08x%s", number, first, salt, segmentSuffix)
}

// parseName reads a name. ok is false if it is not a segment's.
func parseName(name string) (s segment, ok bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	parts := strings.Split(digits, "-")
	if !ok || len(parts) != 3 {
		return s, false
	}
	var n [3]uint64
	for i := range parts {
		var err error
		if n[i], err = strconv.ParseUint(parts[i], 16, 64); err != nil {
			return s, false
		}
	}
	s = segment{Segment: Segment{Number: n[0], First: n[1], End: n[1]}, salt: uint32(n[2]), old: true, named: true}
	return s, s.name() == name
}

func randomSalt() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.LittleEndian.Uint32(b[:])
}

// list opens the segments that are there.
func (l *Log) list() error {
	names, err := l.fs.List(l.dir)
	if err != nil {
		return fmt.Errorf("list: %w", err)
	}
	for _, name := range names {
		s, ok := parseName(name)
		if !ok {
			continue // not ours
		}
		if s.file, err = l.fs.Open(l.path(name), vfs.RandomReadsOption); err != nil {
			return err
		}
		l.segments = append(l.segments, &s)
		l.number = max(l.number, s.Number)
		info, err := s.file.Stat()
		if err != nil {
			return err
		}
		s.size = info.Size()
		s.Bytes = s.size
	}
	slices.SortFunc(l.segments, func(a, b *segment) int { return cmp.Compare(a.Number, b.Number) })
	return nil
}

// replayer reads segments one after the other.
type replayer struct {
	l      *Log
	after  uint64
	next   uint64 // LSN after the last record that was read and is wanted
	replay func(Record) error
	last   *record // read and not handed out yet: a later segment may have it again
	pieces []Piece // of it
	buf    []byte
}

// replay reads what is after an LSN. Segments of which nothing is after it are
// not looked at.
func (l *Log) replay(after uint64, replay func(Record) error) error {
	r := &replayer{l: l, after: after, next: after + 1, replay: replay}
	for i, seg := range l.segments {
		limit := uint64(math.MaxUint64)
		if i+1 < len(l.segments) {
			limit = l.segments[i+1].First
		}
		// It may have the record that the next one begins with.
		if limit <= after {
			seg.End = limit
			continue
		}
		if err := r.segment(seg, limit); err != nil {
			return err
		}
	}
	l.next = r.next
	if r.last == nil {
		return nil
	}
	return r.again()
}

// segment reads one. limit is the LSN that the next one begins with.
func (r *replayer) segment(seg *segment, limit uint64) error {
	if seg.First > r.next {
		return fmt.Errorf("the records %d to %d, which segment %s comes after, are missing: %s", r.next, seg.First-1, seg.name(), advice)
	}
	if r.last != nil && seg.First < r.last.lsn {
		return fmt.Errorf("segment %s begins with a record that one before it has, which ends with %d: %s", seg.name(), r.last.lsn, advice)
	}
	b, err := r.read(seg)
	if err != nil {
		return err
	}
	at, lsn := 0, seg.First
	for {
		rec, ok := parse(b[at:], seg.salt)
		if !ok || rec.lsn != lsn {
			found, ok := findAfter(b[at:], seg.salt, lsn)
			if !ok {
				break
			}
			if lsn = lsnOf(b[at+found:]); lsn > r.next {
				return r.damaged(seg, at, lsn)
			}
			at += found
			continue
		}
		if err := r.take(seg, rec, int64(at)); err != nil {
			return err
		}
		at += rec.size()
		lsn++
	}
	if limit != math.MaxUint64 && limit > r.next {
		return r.damaged(seg, at, limit)
	}
	if limit == math.MaxUint64 && len(b)-at >= headerLen && lsnOf(b[at:]) == lsn {
		r.l.o.Logger.Warn("the end of the log, which was not acknowledged, is cut", "segment", seg.name(), "offset", at, "lsn", lsn)
	}
	seg.Bytes, seg.End = int64(at), lsn
	if r.last != nil {
		r.last = r.last.clone() // the buffer is used again
	}
	return nil
}

const advice = "restore the store's directory from a copy"

func (r *replayer) damaged(seg *segment, at int, found uint64) error {
	return fmt.Errorf("segment %s is damaged at offset %d: the records %d to %d, which were acknowledged, cannot be read: %s",
		seg.name(), at, r.next, found-1, advice)
}

// take takes a record, unless it is not wanted. The one before it is sure then: it was
// synced before this one was written.
func (r *replayer) take(seg *segment, rec record, at int64) error {
	if rec.lsn <= r.after {
		return nil
	}
	if r.last != nil && r.last.lsn != rec.lsn {
		if err := r.hand(); err != nil {
			return err
		}
	}
	r.last, r.next = &rec, rec.lsn+1
	r.pieces = rec.pieces(r.pieces[:0], seg.Number, at)
	return nil
}

func (r *replayer) hand() error {
	return r.replay(Record{LSN: r.last.lsn, Meta: r.last.meta, Pieces: r.pieces})
}

// again writes the last record again, to a file of its own, and hands it out.
func (r *replayer) again() error {
	l := r.l
	l.next = r.last.lsn
	lsn, pieces, err := l.Append(r.last.meta, r.last.body())
	if err != nil {
		return fmt.Errorf("write the last record again: %w", err)
	}
	return r.replay(Record{LSN: lsn, Meta: r.last.meta, Pieces: pieces})
}

func (r *record) clone() *record {
	return &record{lsn: r.lsn, table: slices.Clone(r.table), meta: slices.Clone(r.meta), bodies: slices.Clone(r.bodies)}
}

// read reads a whole segment.
func (r *replayer) read(seg *segment) ([]byte, error) {
	r.buf = slices.Grow(r.buf[:0], int(seg.size))[:seg.size]
	if n, err := seg.file.ReadAt(r.buf, 0); n < len(r.buf) && (err == nil || errors.Is(err, io.EOF)) {
		return nil, fmt.Errorf("read segment %s: %w", seg.name(), io.ErrUnexpectedEOF)
	} else if n < len(r.buf) {
		return nil, fmt.Errorf("read segment %s: %w", seg.name(), err)
	}
	return r.buf, nil
}
