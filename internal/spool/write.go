package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/cockroachdb/errors/oserror"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// maxUnsynced is how many bytes of unsynced records are kept in memory, to be
// written again if the sync fails. More than that is synced under any policy.
const maxUnsynced = 4 << 20

// Append appends Partials that hold the given number of events, bound to the
// source in force. When it returns nil they are as durable as the Sync policy
// says. The Log does not keep body.
func (l *Log) Append(body []byte, events uint64) error {
	notify, err := l.append(body, events)
	if notify {
		l.o.Notify()
	}
	return err
}

func (l *Log) append(body []byte, events uint64) (notify bool, err error) {
	if len(body) > MaxBody {
		return false, fmt.Errorf("%w: a body of %d bytes, the limit is %d", ErrTooLarge, len(body), MaxBody)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.admit(int64(len(body)) + frameHeader + binary.MaxVarintLen64); err != nil {
		return false, err
	}
	// In a field, because an array of this function's would escape.
	l.one[0] = Record{Source: l.inForce.source, Kind: KindPartials, prefix: binary.AppendUvarint(l.prefix[:0], events), Payload: body}
	err = l.write(l.one[:], l.o.Sync == Always, nil)
	lsn := l.one[0].LSN
	l.one[0] = Record{} // the body is the caller's
	if err != nil {
		return false, err
	}
	notify = len(l.runs) == 0
	l.note(lsn, int64(len(body)), events)
	return notify, nil
}

// admit refuses Partials that there is no place for.
func (l *Log) admit(size int64) error {
	switch {
	case l.closed:
		return ErrClosed
	case l.inForce.suspended:
		return ErrSuspended
	}
	if used := l.bytes() + l.stats.QuarantineBytes; used+size > l.o.QuotaBytes {
		return fmt.Errorf("%w: %d bytes used, the quota is %d", ErrFull, used, l.o.QuotaBytes)
	}
	return l.checkFree(size)
}

// checkFree looks at the file system once per MiB written.
func (l *Log) checkFree(size int64) error {
	l.checked += size
	if l.checked < 1<<20 || l.o.MinFreeBytes < 0 {
		return nil
	}
	usage, err := l.fs.GetDiskUsage(l.dir)
	if err != nil {
		l.checked = 0
		return nil // not every file system tells; writes will
	}
	if usage.AvailBytes < uint64(l.o.MinFreeBytes) {
		return fmt.Errorf("%w: %d bytes left on the file system of %s, %d are reserved", ErrFull, usage.AvailBytes, l.dir, l.o.MinFreeBytes)
	}
	l.checked = 0
	return nil
}

// note adds a record to what Take returns.
func (l *Log) note(lsn uint64, bytes int64, events uint64) {
	if n := len(l.runs); n > 0 && l.runs[n-1].Source == l.inForce.source {
		r := &l.runs[n-1]
		r.Last, r.Records, r.Bytes, r.Events = lsn, r.Records+1, r.Bytes+bytes, r.Events+events
		return
	}
	l.runs = append(l.runs, Run{Source: l.inForce.source, First: lsn, Last: lsn, Records: 1, Bytes: bytes, Events: events})
}

// Write appends control records and sets their LSNs. With a checkpoint they
// are synced, all or none count after a crash within one record, and the
// checkpoint, which must describe the state after them, goes to the head of
// segments to come. Without one they are synced with whatever is next. On an
// error none of them counts. Payloads are not kept.
func (l *Log) Write(checkpoint []byte, recs ...Record) error {
	for i := range recs {
		if len(recs[i].Payload) > MaxRecord {
			return fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, len(recs[i].Payload), MaxRecord)
		}
	}
	for i := range recs {
		if checkpoint == nil && (recs[i].Kind == KindSource || recs[i].Kind == KindDrop) {
			return errors.New("spool: a change of the source in force needs a checkpoint")
		}
	}
	if len(checkpoint) > maxCheckpoint {
		return fmt.Errorf("%w: a checkpoint of %d bytes, the limit is %d", ErrTooLarge, len(checkpoint), maxCheckpoint)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	return l.write(recs, checkpoint != nil, checkpoint)
}

// write appends recs, on a second segment if the first fails. l.mu is held.
func (l *Log) write(recs []Record, sync bool, checkpoint []byte) error {
	for i := range recs {
		recs[i].LSN = l.next + uint64(i)
	}
	err := l.try(recs, sync)
	if err != nil {
		l.abandon(err)
		if err = l.try(recs, sync); err != nil {
			l.abandon(err)
			l.stats.Err = classify(err)
			return l.stats.Err
		}
	}
	l.stats.Err = nil
	l.settle(recs, sync, checkpoint)
	return nil
}

// try writes recs to the active segment, or to a new one if there is none or
// it is full.
func (l *Log) try(recs []Record, sync bool) error {
	if l.file != nil && l.active().size >= l.o.SegmentBytes {
		if err := l.seal(); err != nil {
			return err
		}
	}
	if l.file == nil {
		if err := l.begin(); err != nil {
			return err
		}
	}
	if err := l.put(recs); err != nil {
		return err
	}
	if sync || l.backlog > maxUnsynced {
		return l.sync()
	}
	return nil
}

func (l *Log) active() *segment { return l.segments[len(l.segments)-1] }

// settle makes recs part of the log.
func (l *Log) settle(recs []Record, sync bool, checkpoint []byte) {
	for i := range recs {
		l.next = recs[i].LSN + 1
		switch recs[i].Kind {
		case KindSource:
			l.inForce = place{source: recs[i].Source}
		case KindDrop:
			if recs[i].Source == l.inForce.source {
				l.inForce.suspended = true
			}
		}
	}
	if !sync && l.backlog <= maxUnsynced {
		for _, r := range recs {
			l.keep(r)
		}
		l.arm()
		return
	}
	l.synced()
	if checkpoint != nil {
		l.promised = promise{l.inForce, append([]byte(nil), checkpoint...)}
	}
}

// keep copies a record that is not synced.
func (l *Log) keep(r Record) {
	r.Payload, r.prefix = append(append([]byte(nil), r.prefix...), r.Payload...), nil
	l.unsynced = append(l.unsynced, r)
	l.backlog += int64(len(r.Payload)) + frameHeader
}

// synced records that everything up to l.next is durable.
func (l *Log) synced() {
	l.durable = l.next
	clear(l.unsynced)
	l.unsynced, l.backlog = l.unsynced[:0], 0
}

// put writes frames at the end of the active segment.
func (l *Log) put(recs []Record) error {
	if len(recs) == 0 {
		return nil
	}
	seg := l.active()
	buf := l.buf[:0]
	for _, r := range recs {
		seg.mark(r.LSN, seg.size+int64(len(buf)))
		buf = appendFrame(buf, seg.salt, r, uint32(r.LSN-l.durable))
	}
	if cap(buf) <= maxUnsynced { // one large Batch must not hold its memory for ever
		l.buf = buf[:0]
	}
	size := int64(len(buf))
	seg.onDisk = seg.size + size // at worst
	if _, err := l.file.Write(buf); err != nil {
		return fmt.Errorf("write to %s: %w", seg.name(), err)
	}
	seg.size += size
	return nil
}

// sync makes the active segment durable, its name included.
func (l *Log) sync() error {
	seg := l.active()
	if err := l.file.SyncData(); err != nil {
		return fmt.Errorf("sync %s: %w", seg.name(), err)
	}
	l.stats.Syncs++
	if !seg.named {
		if err := l.name.Sync(); err != nil {
			return fmt.Errorf("sync %s: %w", l.dir, err)
		}
		seg.named = true
	}
	seg.safe = seg.size
	return nil
}

// begin starts a new segment. What is not yet synced is written to it first,
// under a temporary name: a segment that replaces the end of another must not
// be seen before it holds all of it.
func (l *Log) begin() error {
	l.number++
	again := len(l.unsynced) > 0
	name := segmentName(l.number)
	if again {
		name += temporarySuffix
	}
	file, err := l.fs.Create(l.path(name), vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("create %s: %w", name, err)
	}
	h := header{
		salt: l.o.salt(), first: l.durable,
		source: l.promised.inForce.source, suspended: l.promised.inForce.suspended, checkpoint: l.promised.checkpoint,
	}
	head := appendHeader(nil, h)
	seg := &segment{number: l.number, temporary: again, first: h.first, header: int64(len(head)), salt: h.salt}
	l.file, l.segments = file, append(l.segments, seg)
	if err := restrict(file, 0o600); err != nil {
		return fmt.Errorf("restrict %s: %w", name, err)
	}
	if _, err := file.Write(head); err != nil {
		return fmt.Errorf("write to %s: %w", name, err)
	}
	seg.size, seg.onDisk = seg.header, seg.header
	if again {
		return l.writeAgain()
	}
	return nil
}

// writeAgain writes what is not yet synced to a new segment, makes it durable
// and gives the segment its name.
func (l *Log) writeAgain() error {
	seg := l.active()
	if err := l.put(l.unsynced); err != nil {
		return err
	}
	if err := l.file.SyncData(); err != nil {
		return fmt.Errorf("sync %s: %w", seg.name(), err)
	}
	from := seg.name()
	seg.temporary = false
	if err := l.fs.Rename(l.path(from), l.path(seg.name())); err != nil {
		_ = l.fs.Remove(l.path(seg.name())) // in case it was renamed all the same
		seg.temporary = true
		return fmt.Errorf("rename %s: %w", from, err)
	}
	if err := l.sync(); err != nil {
		return err
	}
	for _, s := range l.segments[:len(l.segments)-1] {
		s.end = min(s.end, seg.first) // the rest of it is here now
	}
	l.synced()
	return nil
}

// seal ends the active segment, which is full.
func (l *Log) seal() error {
	if len(l.unsynced) > 0 || !l.active().named {
		if err := l.sync(); err != nil {
			return err
		}
		l.synced()
	}
	l.active().end = l.next
	err := l.file.Close()
	l.file = nil
	if err != nil {
		// Everything in it is synced: nothing depends on this.
		l.o.Logger.Warn("spool: close segment", "segment", l.active().name(), "err", err)
	}
	return nil
}

// abandon gives up the active segment: what it holds beyond the last sync is
// unknown and stays so, because the next segment begins there.
func (l *Log) abandon(why error) {
	l.stats.Failures++
	if l.file == nil {
		return // it could not even be made
	}
	seg := l.active()
	l.o.Logger.Error("spool: segment abandoned", "segment", seg.name(), "err", why)
	l.file.Close() // its contents are unknown already
	l.file = nil
	seg.end = l.durable
	seg.size = seg.safe // who reads beyond may meet the error again
	if seg.end > seg.first {
		return
	}
	if err := l.fs.Remove(l.path(seg.name())); err != nil && !oserror.IsNotExist(err) {
		// It stays in the list: if it outlived the segments that replace it,
		// what it holds would count again.
		l.o.Logger.Warn("spool: remove empty segment", "segment", seg.name(), "err", err)
		seg.end = seg.first
		return
	}
	l.segments = l.segments[:len(l.segments)-1]
}

// classify turns an I/O error into one of the package's.
func classify(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return fmt.Errorf("%w: %w", ErrFailed, err)
}

// Flush syncs what is not yet synced.
func (l *Log) Flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	return l.flush()
}

func (l *Log) flush() error {
	if len(l.unsynced) == 0 {
		return nil
	}
	return l.write(nil, true, nil)
}

// arm makes sure that unsynced records are synced in time.
func (l *Log) arm() {
	if l.o.Sync != Interval || l.timer != nil {
		return
	}
	l.timer = time.AfterFunc(l.o.SyncInterval, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.closed {
			return
		}
		l.timer = nil
		if err := l.flush(); err != nil {
			l.o.Logger.Error("spool: sync", "err", err)
			l.arm()
		}
	})
}
