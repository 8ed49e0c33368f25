package seglog

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Options of a Log. Zero fields take their defaults.
type Options struct {
	// SegmentBytes is when a new segment is begun. Default 16 MiB.
	SegmentBytes int64
	// Logger is told what was cut. Default: nobody.
	Logger *slog.Logger

	salt func() uint32 // fixed in tests of the format
}

func (o *Options) setDefaults() {
	if o.SegmentBytes == 0 {
		o.SegmentBytes = 16 << 20
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.salt == nil {
		o.salt = randomSalt
	}
}

// ErrClosed: the Log was closed.
var ErrClosed = errors.New("log is closed")

// Log is an open log.
type Log struct {
	fs  vfs.FS
	dir string
	o   Options

	// Of who appends.
	err    error // that ended it
	buf    []byte
	pieces []Piece

	mu       sync.Mutex // guards all below
	closed   bool
	next     uint64     // LSN of the next record
	number   uint64     // of the newest segment ever made
	segments []*segment // oldest first
	active   *segment   // the last of them; nil: the next record begins one
	spares   []*segment // to be written over
	begun    int        // segments, since some were given up
	most     int        // spares
	eras     []*era     // oldest first; the last is now
}

// Segment is one file of the log.
type Segment struct {
	Number     uint64
	First, End uint64 // LSNs: of its first record, and after its last
	Bytes      int64  // that its records take
}

type segment struct {
	Segment
	salt  uint32
	file  vfs.File
	size  int64 // of the file
	old   bool  // was there when the log was opened
	named bool  // its name is durable
}

func (s *segment) name() string { return segmentName(s.Number, s.First, s.salt) }

// Append writes a record and syncs it. It returns where the pieces of its
// bodies lie, valid until the next call.
func (l *Log) Append(meta []byte, bodies []Body) (lsn uint64, at []Piece, err error) {
	if l.err != nil {
		return 0, nil, l.err
	}
	if lsn, at, err = l.append(meta, bodies); err != nil {
		l.err = err
	}
	return lsn, at, err
}

func (l *Log) append(meta []byte, bodies []Body) (uint64, []Piece, error) {
	l.mu.Lock()
	seg, lsn, closed := l.active, l.next, l.closed
	l.mu.Unlock()
	if closed {
		return 0, nil, ErrClosed
	}
	if seg == nil || seg.Bytes >= l.o.SegmentBytes {
		var err error
		if seg, err = l.begin(lsn); err != nil {
			return 0, nil, err
		}
	}
	end, err := l.write(seg, lsn, meta, bodies)
	if err == nil {
		err = l.sync(seg)
	}
	if err != nil {
		return 0, nil, fmt.Errorf("segment %s: %w", seg.name(), err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next = lsn + 1
	seg.Bytes, seg.End = end, l.next
	return lsn, l.pieces, nil
}

// begin starts a new segment, in a file that was given up if there is one.
func (l *Log) begin(first uint64) (*segment, error) {
	l.mu.Lock()
	l.number++
	l.begun++
	seg := &segment{Segment: Segment{Number: l.number, First: first, End: first}, salt: l.o.salt()}
	var spare *segment
	if n := len(l.spares); n > 0 {
		spare, l.spares = l.spares[n-1], l.spares[:n-1]
	}
	l.mu.Unlock()
	path := l.path(seg.name())
	var err error
	if spare != nil {
		seg.file, seg.size = spare.file, spare.size
		if err = l.fs.Rename(l.path(spare.name()), path); err != nil {
			err = errors.Join(err, spare.file.Close())
		}
	} else {
		seg.file, err = l.fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	}
	if err != nil {
		return nil, fmt.Errorf("begin segment %s: %w", seg.name(), err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.segments = append(l.segments, seg)
	l.active = seg
	return seg, nil
}

// Sizes of writes.
const (
	// direct is how large a body is that is written from where it is: to copy it
	// would cost more than another call.
	direct = 64 << 10
	// ahead is what a file grows by at least.
	ahead = 64 << 10
)

// write writes a record at the end of a segment and returns where it ends.
func (l *Log) write(seg *segment, lsn uint64, meta []byte, bodies []Body) (int64, error) {
	l.shrink()
	l.buf = appendHead(l.buf[:0], seg.salt, lsn, meta, bodies)
	head := record{meta: meta, table: l.buf[headerLen : len(l.buf)-len(meta)]}
	l.pieces = head.pieces(l.pieces[:0], seg.Number, seg.Bytes)
	at := seg.Bytes // where the buffer goes
	end := at + int64(len(l.buf))
	for i := range bodies {
		b := bodies[i].Bytes
		end += int64(len(b))
		if len(b) < direct {
			l.buf = append(l.buf, b...)
			continue
		}
		err := l.put(seg, l.buf, at)
		if err == nil {
			err = l.put(seg, b, at+int64(len(l.buf)))
		}
		if err != nil {
			return 0, err
		}
		at, l.buf = end, l.buf[:0]
	}
	if end > seg.size && end-seg.Bytes < ahead {
		l.buf = append(l.buf, make([]byte, -end&(ahead-1))...)
	}
	return end, l.put(seg, l.buf, at)
}

// shrink halves the buffer when most of it was of no use last time.
func (l *Log) shrink() {
	if c := cap(l.buf); c > 4*ahead && len(l.buf) < c/4 {
		l.buf = make([]byte, 0, c/2)
	}
}

func (l *Log) put(seg *segment, b []byte, at int64) error {
	if len(b) == 0 {
		return nil
	}
	if _, err := seg.file.WriteAt(b, at); err != nil {
		return fmt.Errorf("write at %d: %w", at, err)
	}
	seg.size = max(seg.size, at+int64(len(b)))
	return nil
}

// sync makes a segment durable, and its name.
func (l *Log) sync(seg *segment) error {
	if err := seg.file.SyncData(); err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	if seg.named {
		return nil
	}
	if err := syncDir(l.fs, l.dir); err != nil {
		return fmt.Errorf("sync %s: %w", l.dir, err)
	}
	seg.named = true
	return nil
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (l *Log) path(name string) string { return l.fs.PathJoin(l.dir, name) }

// Next is the LSN of the next record.
func (l *Log) Next() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next
}

// Newest is the number of the newest segment.
func (l *Log) Newest() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.number
}

// Segments lists the segments, oldest first. Records are appended to the last
// one if active is true.
func (l *Log) Segments() (list []Segment, active bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.segments {
		list = append(list, s.Segment)
	}
	return list, l.active != nil
}

// Close releases the files. Nothing may use the Log meanwhile or afterwards.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	var errs []error
	for _, e := range l.eras {
		errs = append(errs, l.remove(e.gone))
	}
	errs = append(errs, l.remove(l.spares))
	for _, s := range l.segments {
		errs = append(errs, s.file.Close())
	}
	return errors.Join(errs...)
}
