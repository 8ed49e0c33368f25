package pebblestore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tabaproject/taba/internal/store/seglog"
)

// commit is what one call writes. It becomes durable in the commit log, in one
// record with what other calls want to write at that moment, and is applied to
// Pebble then, whose own log is not used.
type commit struct {
	batch  *pebble.Batch
	bodies []logged // that stay in the log

	done bool
	err  error
}

// logged is the body of an entry that stays in the log.
type logged struct {
	vb     int
	offset uint64
	body   seglog.Body
}

// commits are those that wait for their turn.
type commits struct {
	mu      sync.Mutex
	waiting []*commit

	turn    sync.Mutex // held by who commits for all that wait
	group   []*commit
	bodies  []seglog.Body
	meta    []byte
	key     []byte
	value   []byte
	segment uint64 // that was written to last
}

// commit makes a commit durable and applies it, which releases its batch. An error
// means that its fate is not known until the store is opened again.
//
// Whoever has the turn commits for all that wait, itself, without waking
// another goroutine; what comes meanwhile waits for the next turn, so that it is
// synced together. When its turn comes it mostly finds itself done.
func (s *Store) commit(c *commit) error {
	q := &s.commits
	q.mu.Lock()
	q.waiting = append(q.waiting, c)
	q.mu.Unlock()
	q.turn.Lock()
	defer q.turn.Unlock()
	if c.done {
		return c.err
	}
	q.mu.Lock()
	q.group, q.waiting = q.waiting, q.group[:0]
	q.mu.Unlock()
	err := s.commitGroup()
	for _, c := range q.group {
		c.done, c.err = true, err
	}
	clear(q.group)
	return err
}

// commitGroup writes the commits of q.group as one record and applies them.
func (s *Store) commitGroup() (err error) {
	if err := s.g.failure(); err != nil {
		return err
	}
	defer s.recovered(&err)
	q := &s.commits
	first := q.group[0]
	for _, c := range q.group[1:] {
		if err := errors.Join(first.batch.Apply(c.batch, nil), c.batch.Close()); err != nil {
			return err
		}
		first.bodies = append(first.bodies, c.bodies...)
	}
	q.bodies = q.bodies[:0]
	for i := range first.bodies {
		q.bodies = append(q.bodies, first.bodies[i].body)
	}
	q.meta = appendMeta(q.meta[:0], first)
	lsn, pieces, err := s.log.Append(q.meta, q.bodies)
	if err != nil {
		s.g.cut(err)
	}
	if err := s.g.failure(); err != nil {
		return err
	}
	clear(q.bodies) // callers own them
	if n := len(first.bodies); n > 0 {
		s.upkeep.hold(pieces, first.bodies)
	}
	q.place(first, lsn, pieces)
	if err := s.apply(first.batch); err != nil {
		return err
	}
	s.committed()
	return nil
}

// committed has segments looked after when another one was begun.
func (s *Store) committed() {
	if n := s.log.Newest(); n != s.commits.segment {
		s.commits.segment = n
		s.tidy()
	}
}

// place adds to a batch where its bodies are, and that it is applied.
func (q *commits) place(c *commit, lsn uint64, pieces []seglog.Piece) {
	for i := range c.bodies {
		b := &c.bodies[i]
		n := max(len(b.body.Ends), 1)
		q.key = logKey(q.key[:0], kindPlace, b.vb, b.offset)
		q.value = appendPlace(q.value[:0], pieces[:n])
		_ = c.batch.Set(q.key, q.value, nil) // never fails: not indexed
		pieces = pieces[n:]
	}
	q.value = binary.AppendUvarint(q.value[:0], lsn)
	_ = c.batch.Set([]byte{kindApplied}, q.value, nil)
}

func decodeApplied(v []byte) (uint64, error) {
	d := decoder{rest: v}
	lsn := d.uvarint()
	return lsn, d.err("end of the commit log")
}

// The meta of a record: how many bodies, for each its vbucket, the offset of its
// entry and the number of its pieces; then a batch as Pebble writes it.

func appendMeta(dst []byte, c *commit) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(c.bodies)))
	for i := range c.bodies {
		b := &c.bodies[i]
		dst = binary.AppendUvarint(dst, uint64(b.vb))
		dst = binary.AppendUvarint(dst, b.offset)
		dst = binary.AppendUvarint(dst, uint64(max(len(b.body.Ends), 1)))
	}
	return append(dst, c.batch.Repr()...)
}

// decodeCommit returns the bodies, of which only the number of ends is known, and
// the batch.
func decodeCommit(meta []byte, pieces int) (bodies []logged, batch []byte, err error) {
	d := decoder{rest: meta}
	for n := d.uvarint(); n > 0 && !d.bad; n-- {
		b := logged{vb: int(d.uvarint()), offset: d.uvarint()}
		ends := d.uvarint()
		if d.bad = d.bad || ends == 0 || ends > uint64(pieces) || uint64(b.vb) >= maxVBuckets; d.bad {
			break
		}
		pieces -= int(ends)
		b.body.Ends = make([]int, ends)
		bodies = append(bodies, b)
	}
	d.bad = d.bad || pieces != 0 || len(d.rest) < pebbleHeader
	return bodies, d.rest, d.err("record of the commit log")
}

// pebbleHeader is the least that a batch of Pebble's takes.
const pebbleHeader = 12

// replay applies a record of the log again.
func (s *Store) replay(r seglog.Record) error {
	bodies, repr, err := decodeCommit(r.Meta, len(r.Pieces))
	if err != nil {
		return fmt.Errorf("record %d: %w", r.LSN, err)
	}
	b := s.db.NewBatch()
	if err := b.SetRepr(append([]byte(nil), repr...)); err != nil {
		return fmt.Errorf("record %d: %w", r.LSN, errors.Join(err, b.Close()))
	}
	s.commits.place(&commit{batch: b, bodies: bodies}, r.LSN, r.Pieces)
	return s.apply(b)
}

// logDir is the directory of the commit log, in that of the store.
const logDir = "log"

func (s *Store) logPath() string { return s.g.PathJoin(s.opts.Dir, logDir) }

// makeLog makes the directory of the log, durably.
func (s *Store) makeLog() error {
	if err := s.g.MkdirAll(s.logPath(), 0o700); err != nil {
		return err
	}
	return s.syncNames()
}

func (s *Store) syncNames() error {
	return s.g.change("sync", s.opts.Dir, func() error { return syncDir(s.g.FS, s.opts.Dir) })
}

// openLog opens the log and applies what Pebble's tables do not have.
func (s *Store) openLog() error {
	var applied uint64
	_, err := get(s.db, []byte{kindApplied}, func(v []byte) (err error) {
		applied, err = decodeApplied(v)
		return err
	})
	if err != nil {
		return err
	}
	o := seglog.Options{SegmentBytes: s.opts.segment, Logger: s.opts.Logger}
	s.log, err = seglog.Open(s.g, s.logPath(), o, applied, s.replay)
	return err
}
