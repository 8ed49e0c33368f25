package pebblestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tabaproject/taba/internal/store/seglog"
)

// A segment of the log is needed as long as Pebble's tables do not have what its
// records say, and as long as it holds a body of an entry that is not trimmed, of
// which the tables must know as well: after a crash they are what is left.

// upkeep gives up segments, in a goroutine that ends when there is nothing to do.
type upkeep struct {
	mu    sync.Mutex
	held  map[uint64][]uint64 // by segment: for each vbucket the last entry whose body it has
	vbs   int
	state upkeepState
	ended sync.Cond
}

type upkeepState uint8

const (
	resting upkeepState = iota
	running
	anew // something has changed since it began
)

// hold notes which segment has bodies.
func (u *upkeep) hold(pieces []seglog.Piece, bodies []logged) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for i := range bodies {
		u.holdOne(pieces[0].Segment, bodies[i].vb, bodies[i].offset)
	}
}

func (u *upkeep) holdOne(segment uint64, vb int, offset uint64) {
	last := u.held[segment]
	if last == nil {
		last = make([]uint64, u.vbs)
		u.held[segment] = last
	}
	last[vb] = max(last[vb], offset)
}

// trimmed reports whether all that a segment has is before the trims.
func (u *upkeep) trimmed(segment uint64, trims []uint64) bool {
	for vb, last := range u.held[segment] {
		if last > trims[vb] {
			return false
		}
	}
	return true
}

// wait waits until nothing runs. Nothing must begin meanwhile.
func (u *upkeep) wait() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for u.state != resting { // openUpkeep was called, then
		u.ended.Wait()
	}
}

// openUpkeep finds out which segments have bodies, and that they are there.
func (s *Store) openUpkeep() error {
	u := &s.upkeep
	u.held, u.vbs, u.ended.L = make(map[uint64][]uint64), len(s.vbs), &u.mu
	there := make(map[uint64]bool)
	segments, _ := s.log.Segments()
	for i := range segments {
		there[segments[i].Number] = true
	}
	for vb := range s.vbs {
		err := scan(context.Background(), s.db, vbKey(nil, kindPlace, vb), func(key, v []byte) error {
			segment, err := segmentOf(v)
			if err == nil && !there[segment] {
				err = fmt.Errorf("segment %d of the log, which has entry %d of vbucket %d, is missing in %s: restore the store's directory from a copy",
					segment, offsetOf(key), vb, s.logPath())
			}
			u.holdOne(segment, vb, offsetOf(key))
			return err
		})
		if err != nil {
			return err
		}
	}
	s.commits.segment = s.log.Newest()
	s.tidy()
	return nil
}

// tidy has segments given up that nobody needs any more. It does not wait.
func (s *Store) tidy() {
	u := &s.upkeep
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.state != resting {
		u.state = anew
		return
	}
	u.state = running
	go s.tidyAll()
}

func (s *Store) tidyAll() {
	u := &s.upkeep
	for {
		if err := s.giveUp(); err != nil && s.g.failure() == nil {
			s.opts.Logger.Error("segments of the log could not be given up, which is tried again", "dir", s.opts.Dir, "err", err)
		}
		u.mu.Lock()
		if u.state == running {
			u.state = resting
			u.ended.Broadcast()
			u.mu.Unlock()
			return
		}
		u.state = running
		u.mu.Unlock()
	}
}

// giveUp gives up what Pebble's tables allow, and has them written first if that
// is worth it.
func (s *Store) giveUp() error {
	applied, err := s.retire()
	if err != nil || !s.flushPays(applied) {
		return err
	}
	if err := s.flush(); err != nil {
		return err
	}
	_, err = s.retire()
	return err
}

// retire returns up to which record Pebble's tables have what the log says.
func (s *Store) retire() (applied uint64, err error) {
	applied, trims, err := s.durable()
	if err = s.settle(err); err != nil {
		return 0, err
	}
	u := &s.upkeep
	return applied, s.log.Retire(func(seg seglog.Segment) bool {
		u.mu.Lock()
		defer u.mu.Unlock()
		if seg.End > applied+1 || !u.trimmed(seg.Number, trims) {
			return false
		}
		delete(u.held, seg.Number)
		return true
	})
}

// durable reads from Pebble's tables alone how far the log is applied, and to where
// each vbucket is trimmed.
func (s *Store) durable() (applied uint64, trims []uint64, err error) {
	it, err := s.db.NewIter(&pebble.IterOptions{OnlyReadGuaranteedDurable: true})
	if err != nil {
		return 0, nil, err
	}
	value := func(key []byte, use func(v []byte) error) {
		if err != nil || !it.SeekGE(key) || !bytes.Equal(it.Key(), key) {
			return
		}
		var v []byte
		if v, err = it.ValueAndErr(); err == nil {
			err = use(v)
		}
	}
	value([]byte{kindApplied}, func(v []byte) (err error) {
		applied, err = decodeApplied(v)
		return err
	})
	for vb := range s.vbs {
		var l ledger
		value(vbKey(nil, kindLedger, vb), l.decode)
		trims = append(trims, l.trim.Offset)
	}
	return applied, trims, errors.Join(err, it.Error(), it.Close())
}

// replaySegments is how many segments may be kept to be replayed: to read them
// takes a small part of a second.
const replaySegments = 4

// flushPays reports whether segments would be given up that take more than what
// the others do, or whether there is much to be replayed after a crash.
func (s *Store) flushPays(applied uint64) bool {
	trims := make([]uint64, len(s.vbs))
	for vb, b := range s.vbs {
		trims[vb] = b.ledger.Load().trim.Offset
	}
	segments, active := s.log.Segments()
	u := &s.upkeep
	u.mu.Lock()
	defer u.mu.Unlock()
	var free, needed, replay int64
	for i := range segments {
		seg := &segments[i]
		if seg.End > applied+1 {
			replay += seg.Bytes
		}
		if i == len(segments)-1 && active || !u.trimmed(seg.Number, trims) {
			needed += seg.Bytes
		} else {
			free += seg.Bytes
		}
	}
	return free > needed || replay > replaySegments*s.opts.segment
}
