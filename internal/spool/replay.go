package spool

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// replayer walks the segments and tells torn tails from damage.
type replayer struct {
	l     *Log
	visit func(Record) error
	next  uint64 // LSN
	holes []damaged
	// durable: every record before this LSN was once synced, says the log.
	durable uint64
}

type damaged struct {
	Damage
	seg *segment
}

// segment visits the records of seg that count. On entry seg.end is where the
// next segment begins.
func (r *replayer) segment(seg *segment, h header) error {
	limit := seg.end
	last := limit == math.MaxUint64
	r.durable = max(r.durable, h.first)
	r.missing(h.first)
	r.l.inForce = place{h.source, h.suspended}
	if err := r.visit(Record{LSN: h.first, Kind: KindCheckpoint, Source: h.source, Payload: h.checkpoint}); err != nil {
		return err
	}
	f, err := r.l.fs.Open(r.l.path(segmentName(seg.number)), vfs.SequentialReadsOption)
	if err != nil {
		return err
	}
	defer f.Close()
	s := &scanner{r: f, size: seg.onDisk, salt: seg.salt, next: seg.first, off: seg.header}
	if err := r.frames(seg, s, limit); err != nil {
		return err
	}
	seg.end = r.next
	if !last {
		r.missing(limit)
		seg.end = limit
	}
	return nil
}

func (r *replayer) frames(seg *segment, s *scanner, limit uint64) error {
	seg.size = seg.header
	for {
		offset := s.offset()
		what, err := s.scan()
		if err != nil || what == foundEnd {
			return err
		}
		if what != foundFrame {
			r.hole(seg, s.hole, limit, what == foundTail)
			continue
		}
		if s.frame.LSN >= limit {
			return nil // written again in a later segment
		}
		if err := r.record(&s.frame); err != nil {
			return err
		}
		seg.mark(s.frame.LSN, offset)
		seg.size = s.offset()
	}
}

// record visits one record that counts.
func (r *replayer) record(f *frame) error {
	r.durable = max(r.durable, f.LSN-min(f.LSN, uint64(f.unsynced)))
	r.next = f.LSN + 1
	if f.Kind == kindVoid {
		return nil
	}
	switch f.Kind {
	case KindSource:
		r.l.inForce = place{source: f.Source}
	case KindDrop:
		if f.Source == r.l.inForce.source {
			r.l.inForce.suspended = true
		}
	}
	return r.visit(f.Record)
}

// hole notes unreadable bytes. Whether they were ever promised is known only
// at the end.
func (r *replayer) hole(seg *segment, h hole, limit uint64, tail bool) {
	if tail {
		h.last = limit - 1 // whatever it held; missing decides
		if limit == math.MaxUint64 {
			r.l.stats.CutBytes += h.bytes
			r.l.o.Logger.Warn("spool: torn tail cut", "segment", segmentName(seg.number), "offset", h.offset, "bytes", h.bytes)
			return
		}
	}
	h.last = min(h.last, limit-1)
	r.holes = append(r.holes, damaged{
		Damage: Damage{Segment: segmentName(seg.number), Offset: h.offset, Bytes: h.bytes, First: h.first, Last: h.last},
		seg:    seg,
	})
	r.next = max(r.next, h.last+1)
}

// missing notes records before lsn that no segment has.
func (r *replayer) missing(lsn uint64) {
	if r.next < lsn {
		r.holes = append(r.holes, damaged{Damage: Damage{First: r.next, Last: lsn - 1}})
	}
	r.next = lsn
}

// finish decides which holes are damage, saves their bytes and leaves the Log
// ready to be written.
func (r *replayer) finish() error {
	l := r.l
	l.next = max(r.next, 1)
	l.durable = min(max(r.durable, 1), l.next)
	for _, seg := range l.segments {
		// Of one that holds nothing durable the head may be in the machine's
		// memory only: the process before may have ended before it synced it.
		seg.named = seg.end > seg.first && seg.first < l.durable
	}
	if err := l.loadTail(); err != nil {
		return err
	}
	for _, d := range r.holes {
		if d.Last < d.First || d.First >= r.durable {
			l.stats.CutBytes += d.Bytes // written again, or never promised
			continue
		}
		l.stats.Damaged = append(l.stats.Damaged, d.Damage)
		l.o.Logger.Error("spool: records are damaged", "segment", d.Segment, "offset", d.Offset, "bytes", d.Bytes, "first", d.First, "last", d.Last)
		if d.seg == nil {
			continue
		}
		if err := l.saveDamaged(d); err != nil {
			return err
		}
	}
	l.stats.Damaged = slices.Clip(l.stats.Damaged)
	return nil
}

// loadTail reads what may never have been synced, to be written again.
func (l *Log) loadTail() error {
	if l.durable == l.next {
		return nil
	}
	next := l.durable
	keep := func(r Record) bool {
		for ; next < r.LSN; next++ {
			l.keep(Record{LSN: next, Kind: kindVoid})
		}
		l.keep(r)
		next++
		return true
	}
	if err := l.Scan(l.durable, l.next-1, keep); err != nil {
		return err
	}
	for ; next < l.next; next++ {
		l.keep(Record{LSN: next, Kind: kindVoid})
	}
	return nil
}

// saveDamaged copies unreadable bytes to the quarantine directory. The name
// depends on the place only, so that opening again does not save it again.
func (l *Log) saveDamaged(d damaged) error {
	name := fmt.Sprintf("%s-%012x.damaged", d.Segment, d.Offset)
	f, err := l.fs.Open(l.path(d.Segment))
	if err != nil {
		return err
	}
	defer f.Close()
	return l.quarantine(name, func(w io.Writer) error {
		_, err := io.Copy(w, io.NewSectionReader(f, d.Offset, d.Bytes))
		return err
	})
}

// readFull reads exactly len(b) bytes at off.
func readFull(f vfs.File, b []byte, off int64) error {
	n, err := f.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read at %d: %w", off, err)
}
