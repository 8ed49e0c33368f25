package spool

import (
	"encoding/binary"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Log is an open spool directory.
type Log struct {
	fs   vfs.FS
	dir  string
	o    Options
	lock io.Closer
	name vfs.File // the directory, for syncing names

	mu       sync.Mutex
	closed   bool
	segments []*segment // oldest first; the last one is active unless file is nil
	file     vfs.File   // of the active segment
	number   uint64     // of the newest segment ever made
	next     uint64     // LSN of the next record
	durable  uint64     // every record before this LSN is synced
	unsynced []Record   // [durable, next), kept to be written again
	backlog  int64      // bytes of unsynced
	inForce  place
	promised promise // what the next segment's header may say
	runs     []Run   // appended since Take
	buf      []byte  // frames being written
	one      [1]Record
	prefix   [binary.MaxVarintLen64]byte
	timer    *time.Timer // of Interval; nil: not armed
	checked  int64       // bytes written since the free space was looked at
	stats    Stats
}

// place is which source new Partials belong to.
type place struct {
	source    uint32
	suspended bool
}

// promise is durable state that is repeated in the head of each segment, so
// that older segments can be deleted.
type promise struct {
	inForce    place
	checkpoint []byte
}

// segment is one file of the log.
type segment struct {
	number uint64
	first  uint64 // LSN
	end    uint64 // LSN after the last record that counts; of the active one: Log.next
	header int64
	size   int64 // up to the end of its last good frame
	safe   int64 // of it, what this process has synced
	onDisk int64 // what it takes up
	salt   uint32
	named  bool // its name is synced, and its head
	// temporary: it does not yet hold all that it replaces.
	temporary bool
	marks     []mark // sparse index, at least markEvery bytes apart
}

// mark says where a record begins.
type mark struct {
	lsn    uint64
	offset int64
}

const markEvery = 64 << 10

func (s *segment) mark(lsn uint64, offset int64) {
	if n := len(s.marks); n == 0 || offset-s.marks[n-1].offset >= markEvery {
		s.marks = append(s.marks, mark{lsn, offset})
	}
}

// seek returns the last mark at or before lsn.
func (s *segment) seek(lsn uint64) mark {
	m := mark{s.first, s.header}
	for _, c := range s.marks {
		if c.lsn > lsn {
			break
		}
		m = c
	}
	return m
}

const (
	segmentSuffix   = ".seg"
	temporarySuffix = ".tmp"
	lockName        = "LOCK"
	quarantineDir   = "quarantine"
)

func (s *segment) name() string {
	if s.temporary {
		return segmentName(s.number) + temporarySuffix
	}
	return segmentName(s.number)
}

func segmentName(number uint64) string { return fmt.Sprintf("%016x%s", number, segmentSuffix) }

func (l *Log) path(name string) string { return l.fs.PathJoin(l.dir, name) }

// Take returns what was appended since the last call, in order.
func (l *Log) Take() []Run {
	l.mu.Lock()
	defer l.mu.Unlock()
	runs := l.runs
	l.runs = nil
	return runs
}

// NextLSN is the number that the next record gets.
func (l *Log) NextLSN() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next
}

// Stats returns the log's sizes and counters.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	st := l.stats
	st.Segments = len(l.segments)
	st.Bytes = l.bytes()
	st.FirstLSN, st.NextLSN = l.next, l.next
	if len(l.segments) > 0 {
		st.FirstLSN = l.segments[0].first
	}
	st.UnsyncedRecords = len(l.unsynced)
	return st
}

func (l *Log) bytes() int64 {
	var n int64
	for _, s := range l.segments {
		n += s.onDisk
	}
	return n
}

// Close syncs what is not synced and releases the directory. Calling it again
// does nothing.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	err := l.flush()
	l.closed = true
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	if l.file != nil {
		l.file.Close() // synced or abandoned: nothing depends on it
		l.file = nil
	}
	l.name.Close()
	if cerr := l.lock.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("release %s: %w", l.path(lockName), cerr)
	}
	return err
}
