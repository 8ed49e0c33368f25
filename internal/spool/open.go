package spool

import (
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/cockroachdb/errors/oserror"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Replayer takes what a spool holds when it is opened.
type Replayer interface {
	// Replay takes the next record that counts. KindCheckpoint stands for the
	// checkpoint at the head of each segment, and precedes its records. The
	// payload is valid during the call only. An error ends Open.
	Replay(Record) error
	// Checkpoint appends the state after all records: what the heads of
	// segments to come will say.
	Checkpoint(dst []byte) []byte
}

// Open opens the spool in dir, making it if need be, and replays it.
func Open(fs vfs.FS, dir string, o Options, into Replayer) (*Log, error) {
	o.setDefaults()
	l := &Log{fs: fs, dir: dir, o: o, next: 1, durable: 1}
	if err := l.own(); err != nil {
		return nil, err
	}
	if err := l.replay(into); err != nil {
		l.name.Close()
		l.lock.Close()
		return nil, fmt.Errorf("replay spool %s: %w", dir, err)
	}
	return l, nil
}

// own makes the directory and takes its lock.
func (l *Log) own() error {
	if err := l.make(); err != nil {
		return err
	}
	var err error
	l.lock, err = l.fs.Lock(l.path(lockName))
	if err != nil {
		return lockError(l.path(lockName), err)
	}
	if l.name, err = l.fs.OpenDir(l.dir); err == nil {
		err = l.name.Sync()
	}
	if err != nil {
		if l.name != nil {
			l.name.Close()
		}
		l.lock.Close()
		return fmt.Errorf("open spool directory %s: %w", l.dir, err)
	}
	return nil
}

// make makes the directory, and itself sure that no power loss takes it away.
// The one for the quarantine is made last: once it is there the others are
// durable. Without it nobody knows how far an earlier attempt came.
func (l *Log) make() error {
	_, err := l.fs.Stat(l.path(quarantineDir))
	if err == nil {
		return nil
	}
	if !oserror.IsNotExist(err) {
		return fmt.Errorf("look for the spool directory: %w", err)
	}
	if err := l.fs.MkdirAll(l.dir, 0o700); err != nil {
		return fmt.Errorf("make spool directory: %w", err)
	}
	for dir := l.dir; l.fs.PathDir(dir) != dir; {
		dir = l.fs.PathDir(dir)
		if err := l.syncDir(dir); err != nil && !errors.Is(err, os.ErrPermission) { // nobody makes a name in such a one
			return err
		}
	}
	if err := l.restrictDir(); err != nil {
		return err
	}
	if err := l.fs.MkdirAll(l.path(quarantineDir), 0o700); err != nil {
		return fmt.Errorf("make quarantine directory: %w", err)
	}
	return nil
}

// restrictDir makes the directory its owner's only, whatever the umask was.
func (l *Log) restrictDir() error {
	d, err := l.fs.OpenDir(l.dir)
	if err != nil {
		return fmt.Errorf("open spool directory %s: %w", l.dir, err)
	}
	defer d.Close()
	if err := restrict(d, 0o700); err != nil {
		return fmt.Errorf("restrict spool directory %s: %w", l.dir, err)
	}
	return nil
}

// lockError tells another owner from a disk that fails.
func lockError(name string, err error) error {
	path := (*os.PathError)(nil)
	if errors.As(err, &path) || errors.Is(err, syscall.EIO) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("lock %s: %w", name, err)
	}
	return fmt.Errorf("%w: %s: %w", ErrLocked, name, err)
}

func (l *Log) syncDir(dir string) error {
	d, err := l.fs.OpenDir(dir)
	if err != nil {
		return fmt.Errorf("open directory %s: %w", dir, err)
	}
	err = d.Sync()
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("sync directory %s: %w", dir, err)
	}
	return nil
}

// replay reads every segment. Later segments win: where one begins, what
// earlier ones hold from there on was abandoned.
func (l *Log) replay(into Replayer) error {
	if err := l.list(); err != nil {
		return err
	}
	heads, err := l.readHeaders()
	if err != nil {
		return err
	}
	limit := uint64(math.MaxUint64)
	for i := len(l.segments) - 1; i >= 0; i-- {
		l.segments[i].end = limit
		limit = min(limit, l.segments[i].first)
	}
	r := replayer{l: l, visit: into.Replay}
	for i, seg := range l.segments {
		if i == 0 {
			r.next = seg.first
		}
		if err := r.segment(seg, heads[i]); err != nil {
			return fmt.Errorf("segment %s: %w", segmentName(seg.number), err)
		}
	}
	if err := r.finish(); err != nil {
		return err
	}
	l.promised = promise{l.inForce, into.Checkpoint(nil)}
	return nil
}

// list finds the segments and the size of what is in quarantine.
func (l *Log) list() error {
	names, err := l.fs.List(l.dir)
	if err != nil {
		return fmt.Errorf("list: %w", err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, segmentSuffix+temporarySuffix) {
			if err := l.fs.Remove(l.path(name)); err != nil && !oserror.IsNotExist(err) {
				return fmt.Errorf("remove %s: %w", name, err)
			}
			continue
		}
		digits, ok := strings.CutSuffix(name, segmentSuffix)
		number, err := strconv.ParseUint(digits, 16, 64)
		if !ok || err != nil {
			continue // not ours
		}
		l.segments = append(l.segments, &segment{number: number})
		l.number = max(l.number, number)
	}
	slices.SortFunc(l.segments, func(a, b *segment) int {
		if a.number < b.number {
			return -1
		}
		return 1
	})
	names, err = l.fs.List(l.path(quarantineDir))
	if err != nil {
		return fmt.Errorf("list quarantine: %w", err)
	}
	for _, name := range names {
		info, err := l.fs.Stat(l.fs.PathJoin(l.path(quarantineDir), name))
		if err != nil && !oserror.IsNotExist(err) {
			return fmt.Errorf("quarantine: %w", err)
		}
		if err == nil {
			l.stats.QuarantineBytes += info.Size()
		}
	}
	return nil
}

// readHeaders reads the head of each segment and takes away those without a
// readable one. Such a segment was torn while it was made, before anything in
// it was promised, or it is damage; the numbers of the records around it tell.
func (l *Log) readHeaders() ([]header, error) {
	var heads []header
	kept := l.segments[:0]
	oldest := false // the oldest segment was taken away
	for _, seg := range l.segments {
		h, err := l.readHeader(seg)
		if errors.Is(err, errHeader) {
			if err := l.discard(seg, err); err != nil {
				return nil, err
			}
			oldest = oldest || len(kept) == 0 && seg.size > 0
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("segment %s: %w", segmentName(seg.number), err)
		}
		seg.first, seg.salt = h.first, h.salt
		kept, heads = append(kept, seg), append(heads, h)
	}
	clear(l.segments[len(kept):])
	l.segments = kept
	if oldest && len(heads) > 0 && heads[0].first > 1 {
		// What it held and what was released before cannot be told apart.
		l.stats.Damaged = append(l.stats.Damaged, Damage{First: 1, Last: heads[0].first - 1})
	}
	return heads, nil
}

func (l *Log) readHeader(seg *segment) (header, error) {
	f, err := l.fs.Open(l.path(segmentName(seg.number)))
	if err != nil {
		return header{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return header{}, err
	}
	seg.size, seg.onDisk = info.Size(), info.Size()
	if seg.size < int64(segmentPrefix) {
		return header{}, fmt.Errorf("%w: the file has %d bytes", errHeader, seg.size)
	}
	prefix := make([]byte, segmentPrefix)
	if err := readFull(f, prefix, 0); err != nil {
		return header{}, err
	}
	n, err := headerLength(prefix)
	if err != nil {
		return header{}, err
	}
	if int64(n) > seg.size {
		return header{}, fmt.Errorf("%w: %d bytes in a file of %d", errHeader, n, seg.size)
	}
	head := make([]byte, n)
	if err := readFull(f, head, 0); err != nil {
		return header{}, err
	}
	seg.header = int64(n)
	return parseHeader(head)
}

// discard takes away a segment whose header cannot be read.
func (l *Log) discard(seg *segment, why error) error {
	name := segmentName(seg.number)
	blank, err := l.blank(name, seg.size)
	if err != nil {
		return fmt.Errorf("segment %s: %w", name, err)
	}
	l.stats.CutBytes += seg.size
	l.o.Logger.Warn("spool: segment without a readable head taken away", "segment", name, "bytes", seg.size, "err", why)
	if blank {
		err = l.fs.Remove(l.path(name))
	} else {
		err = l.fs.Rename(l.path(name), l.fs.PathJoin(l.path(quarantineDir), name))
		l.stats.QuarantineBytes += seg.size
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("take away %s: %w", name, err)
	}
	return nil
}

// blank reports whether a file holds only zeros.
func (l *Log) blank(name string, size int64) (bool, error) {
	f, err := l.fs.Open(l.path(name))
	if err != nil {
		return false, err
	}
	defer f.Close()
	buf := make([]byte, min(size, readAhead))
	for at := int64(0); at < size; at += int64(len(buf)) {
		buf = buf[:min(int64(len(buf)), size-at)]
		if err := readFull(f, buf, at); err != nil {
			return false, err
		}
		for _, c := range buf {
			if c != 0 {
				return false, nil
			}
		}
	}
	return true, nil
}
