// Package spool is the agent's write-ahead log: what was appended survives
// kill -9 and power loss, and is handed back, in order, to whoever opens the
// directory next.
//
// The log is a sequence of records, numbered without gaps (LSN, from 1), cut
// into segment files. Partials are what applications were acknowledged for;
// the other kinds are the forwarder's memory: which source id is in force, what
// was sealed, acknowledged, closed, dropped. The log moves bytes; it knows of
// sources only that every record carries the number of the one in force when
// it was written, because that binding must be decided under the same lock as
// the record's place in the log.
//
// # What is promised
//
// Append returns when the record is synced (with Sync: Always). A failed write
// or sync is never tried again on the same file, whose contents are unknown
// from then on: the segment is abandoned at its last synced record, a new one
// is begun and what was not yet synced is written again, under the same
// numbers. If that fails too the call returns ErrFailed (or ErrFull, if the
// disk is) and nothing of it counts; the next call tries once more with yet
// another segment.
//
// Open cuts the torn tail that a crash leaves. What it reads beyond the last
// sync that the log knows of may be in the machine's memory only: it is written
// again with the first write, or by Flush, which must come before anything is
// done that relies on it. Damage anywhere else is
// reported, its bytes are copied to the quarantine directory, and the records
// around it are kept. Whether unreadable bytes were ever promised is known
// exactly: each record says up to where the log was synced when it was written.
//
// # Concurrency and back-pressure
//
// A Log is safe for concurrent use; writes are serialised, so callers should
// come through a group commit. Reading does not block writing. Over the quota
// Append returns ErrFull, which is all the back-pressure there is; control
// records are exempt from the quota, because they are what makes room. An idle
// log costs nothing: no goroutine, no timer.
package spool

import (
	"errors"
	"log/slog"
	"time"
)

// Errors of Append and Write, wrapped with what was being done.
var (
	// ErrFull: the quota or the disk is used up. Try again later.
	ErrFull = errors.New("spool is full")
	// ErrFailed: the disk failed. Nothing of this call counts.
	ErrFailed = errors.New("spool cannot write")
	// ErrSuspended: the source in force was dropped and none has taken its
	// place yet. Try again later.
	ErrSuspended = errors.New("spool has no source in force")
	// ErrClosed: the Log was closed.
	ErrClosed = errors.New("spool is closed")
	// ErrLocked: another process owns the directory.
	ErrLocked = errors.New("spool is owned by another process")
	// ErrTooLarge: a record larger than MaxRecord, or a body than MaxBody.
	ErrTooLarge = errors.New("spool record is too large")
)

// Limits of sizes.
const (
	// MaxRecord is the largest payload of a record.
	MaxRecord = 64 << 20
	// MaxBody is the largest body of Partials. It is smaller, so that a seal,
	// which holds several, has room.
	MaxBody = 32 << 20
)

// Kind of a record.
type Kind uint8

// Kinds of records. They are stored: never renumber them.
const (
	// KindPartials: what an application was acknowledged for. The payload is
	// a number of events and a body; see EventsOf and BodyOf.
	KindPartials Kind = 1
	// KindSource: Record.Source is in force from here on.
	KindSource Kind = 2
	// KindSeal: a numbered Batch, with its bytes.
	KindSeal Kind = 3
	// KindAck: how far the Batches of a source are acknowledged.
	KindAck Kind = 4
	// KindClose: a source was closed.
	KindClose Kind = 5
	// KindDrop: a source was dropped; what it held is in quarantine. If it
	// was in force nothing can be appended until the next KindSource.
	KindDrop Kind = 6

	// kindVoid takes the number of a record that was torn before it was
	// promised. It is passed to nobody.
	kindVoid Kind = 7

	// KindCheckpoint is never stored as a record: replay hands out the
	// checkpoint in the head of each segment under this kind.
	KindCheckpoint Kind = 255
)

// Record is one record of the log.
type Record struct {
	LSN     uint64 // its number; assigned by the Log
	Source  uint32 // the source it belongs to; 0: none was open yet
	Kind    Kind
	Payload []byte

	prefix []byte // of the payload, while it is being written
}

// Run sums up consecutive Partials of one source.
type Run struct {
	Source      uint32
	First, Last uint64 // LSNs; records of other sources may lie between
	Records     int
	Bytes       int64
	Events      uint64
}

// Sync says when appended records are synced.
type Sync uint8

// Sync policies. Control records that must be durable are synced under each.
const (
	// Always: before Append returns. The promise to applications rests on it.
	Always Sync = iota
	// Interval: at most SyncInterval after Append returned.
	Interval
	// Never: when a segment or 4 MiB are full, and with control records.
	Never
)

// Options are the settings of a Log. Zero fields take their defaults.
type Options struct {
	// QuotaBytes is how large the directory may grow before Append returns
	// ErrFull. Default 4 GiB.
	QuotaBytes int64
	// SegmentBytes is when a new segment is begun. Default 16 MiB.
	SegmentBytes int64
	// MinFreeBytes is how much of the file system Append leaves for control
	// records, which free space again. Default 64 MiB; negative: none.
	MinFreeBytes int64
	// Sync is when appended records are synced. Default Always.
	Sync Sync
	// SyncInterval is used by Interval. Default 1 s.
	SyncInterval time.Duration
	// Notify is called, without locks held, when Partials were appended after
	// Take had taken all. It must not block.
	Notify func()
	// Logger is told what was cut, damaged, abandoned. Default: nobody.
	Logger *slog.Logger

	salt func() uint32 // fixed in tests of the format
}

func (o *Options) setDefaults() {
	if o.QuotaBytes == 0 {
		o.QuotaBytes = 4 << 30
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = 16 << 20
	}
	if o.MinFreeBytes == 0 {
		o.MinFreeBytes = 64 << 20
	}
	if o.SyncInterval == 0 {
		o.SyncInterval = time.Second
	}
	if o.Notify == nil {
		o.Notify = func() {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.salt == nil {
		o.salt = randomSalt
	}
}

// Damage is a range of records that were promised and cannot be read.
type Damage struct {
	Segment     string // file name; empty if a whole segment is missing
	Offset      int64  // of the first unreadable byte
	Bytes       int64
	First, Last uint64 // LSNs lost; Last < First: none that was not written again
}

// Stats describe a Log.
type Stats struct {
	Segments        int
	Bytes           int64 // of all segments
	QuarantineBytes int64
	FirstLSN        uint64 // oldest record kept
	NextLSN         uint64
	UnsyncedRecords int
	Syncs           uint64
	Failures        uint64 // writes or syncs that failed; each cost a segment
	CutBytes        int64  // of torn tails that Open cut
	Damaged         []Damage
	Err             error // of the last write, nil if it succeeded
}

// EventsOf returns the number of events in a payload of KindPartials.
func EventsOf(payload []byte) uint64 {
	events, _ := splitPartials(payload)
	return events
}

// BodyOf returns the body in a payload of KindPartials.
func BodyOf(payload []byte) []byte {
	_, body := splitPartials(payload)
	return body
}
