package spool

import (
	"bufio"
	"fmt"
	"io"
	"slices"

	"github.com/cockroachdb/errors/oserror"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Scan passes the records from LSN from up to and including to, in order, to
// visit until it returns false. Records lost to damage are left out. A payload
// is valid during the call only. Scan must not run beside Release.
func (l *Log) Scan(from, to uint64, visit func(Record) bool) error {
	l.mu.Lock()
	next := l.next
	var todo []segment
	onDisk := uint64(0) // what is before is in segments
	for _, s := range l.segments {
		end := s.end
		if s == l.segments[len(l.segments)-1] && l.file != nil {
			end = next
		}
		onDisk = max(onDisk, end)
		if end > max(from, s.first) && s.first <= to {
			todo = append(todo, *s)
			todo[len(todo)-1].end = end
		}
	}
	rest := l.unwritten(max(from, onDisk), to)
	l.mu.Unlock()
	for i := range todo {
		more, err := l.scanSegment(&todo[i], from, to, visit)
		if err != nil {
			return fmt.Errorf("read segment %s: %w", todo[i].name(), err)
		}
		if !more {
			return nil
		}
	}
	for _, r := range rest {
		if !visit(r) {
			break
		}
	}
	return nil
}

// unwritten returns the records that are in memory only, because the segment
// that held them was abandoned and the disk has not taken them again yet.
func (l *Log) unwritten(from, to uint64) (recs []Record) {
	for _, r := range l.unsynced {
		if r.LSN >= from && r.LSN <= to && r.Kind != kindVoid {
			recs = append(recs, r)
		}
	}
	return recs
}

func (l *Log) scanSegment(seg *segment, from, to uint64, visit func(Record) bool) (more bool, err error) {
	f, err := l.fs.Open(l.path(seg.name()))
	if err != nil {
		return false, err
	}
	defer f.Close()
	at := seg.seek(from)
	s := &scanner{r: f, size: seg.size, salt: seg.salt, next: at.lsn, off: at.offset}
	for {
		what, err := s.scan()
		if err != nil {
			return false, err
		}
		switch {
		case what == foundEnd:
			return true, nil
		case what != foundFrame || s.frame.LSN < from || s.frame.Kind == kindVoid:
			continue
		case s.frame.LSN >= seg.end:
			return true, nil
		case s.frame.LSN > to || !visit(s.frame.Record):
			return false, nil
		}
	}
}

// Release deletes the segments that hold nothing at or after LSN before. The
// deletions are synced one by one, oldest first: after a crash no segment is
// back without those that follow it and count. One stays until the head of the
// next is durable, which says what it leaves behind.
func (l *Log) Release(before uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.runs) > 0 { // what was not taken yet is not known to be released
		before = min(before, l.runs[0].First)
	}
	for len(l.segments) > 1 && l.segments[0].end <= before {
		i := l.firstToGo()
		if !l.segments[i+1].named {
			return nil
		}
		name := l.segments[i].name()
		if err := l.fs.Remove(l.path(name)); err != nil && !oserror.IsNotExist(err) {
			return fmt.Errorf("remove %s: %w", name, err)
		}
		if err := l.name.Sync(); err != nil {
			return fmt.Errorf("sync %s: %w", l.dir, err)
		}
		l.segments = slices.Delete(l.segments, i, i+1)
	}
	return nil
}

// firstToGo is the segment to be deleted next: the oldest, but before it those
// behind it of which nothing counts. Such a one may never have been synced, and
// as the oldest, torn by a power loss, it could not be told from one that is
// damaged.
func (l *Log) firstToGo() int {
	i := 0
	for i+2 < len(l.segments) && l.segments[i+1].end <= l.segments[i+1].first {
		i++
	}
	return i
}

// Quarantine saves the records that each yields under a name in the quarantine
// directory, in the format of a segment, durable when it returns. Saving under
// the same name again replaces what is there. note says why. each may call Scan.
func (l *Log) Quarantine(name, note string, each func(yield func(Record) error) error) error {
	salt := l.o.salt()
	return l.quarantine(name+segmentSuffix, func(w io.Writer) error {
		buf := appendHeader(nil, header{salt: salt, first: 1, checkpoint: []byte(note)})
		if _, err := w.Write(buf); err != nil {
			return err
		}
		lsn := uint64(0)
		return each(func(r Record) error {
			lsn++
			r.LSN = lsn // consecutive, so that any reader of segments reads it
			buf = appendFrame(buf[:0], salt, r, 0)
			_, err := w.Write(buf)
			return err
		})
	})
}

func (l *Log) quarantine(name string, write func(io.Writer) error) error {
	dir := l.path(quarantineDir)
	path := l.fs.PathJoin(dir, name)
	old := l.size(path)
	defer func() { // a file that could not be finished takes room as well
		l.mu.Lock()
		defer l.mu.Unlock()
		l.stats.QuarantineBytes += l.size(path) - old
	}()
	f, err := l.fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("quarantine %s: %w", name, err)
	}
	w := bufio.NewWriterSize(f, 64<<10)
	err = restrict(f, 0o600)
	if err == nil {
		err = write(w)
	}
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = l.syncDir(dir)
	}
	if err != nil {
		return fmt.Errorf("quarantine %s: %w", name, classify(err))
	}
	return nil
}

// size is the size of a file, 0 if there is none.
func (l *Log) size(path string) int64 {
	info, err := l.fs.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}
