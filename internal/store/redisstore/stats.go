package redisstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/tabaproject/taba/internal/store"
)

// Stats implements store.Store. It waits for no replica.
func (s *Store) Stats(ctx context.Context, vb int) (st store.Stats, err error) {
	if err := s.beginVB(ctx, vb); err != nil {
		return st, err
	}
	defer s.life.RUnlock()
	ask := [][]string{{"GET", s.key(vb, kindState)}, {"GET", s.key(vb, kindLedger)}}
	err = s.do(ctx, &readOp{vb: vb, ask: ask, use: func(_ *session, a answers) (err error) {
		st, err = a.stats()
		return err
	}})
	return st, err
}

// stats are those of a state and a ledger.
func (a answers) stats() (store.Stats, error) {
	s, err := a.state(0)
	l, err2 := a.ledger(1)
	return store.Stats{
		End: s.end.Position, Trim: l.trim,
		LogBytes: int64(s.end.bytes - l.bytes), RecordBytes: int64(l.recordBytes),
		Appended: s.end.events, Recorded: l.recorded,
		Pruned: l.pruned, Deleted: l.deleted, SetAside: l.setAside,
	}, errors.Join(err, err2)
}

// Audit implements store.Store. It reads what every entry touches.
func (s *Store) Audit(ctx context.Context, vb int) (store.Stats, error) {
	if err := s.beginVB(ctx, vb); err != nil {
		return store.Stats{}, err
	}
	defer s.life.RUnlock()
	o := &auditOp{s: s, vb: vb}
	err := s.do(ctx, o)
	return o.stats, err
}

// auditOp counts the tail of a log: heads and records at one instant, then
// outlines, and again if the log was trimmed in between.
type auditOp struct {
	s      *Store
	vb     int
	stats  store.Stats
	folds  compaction // what records have folded
	heads  []head
	halved bool // heads and records are read
}

func (o *auditOp) vbucket() int { return o.vb }
func (o *auditOp) level() level { return none }

func (o *auditOp) commands(b *batch) {
	if !o.halved {
		var ask [][]string
		for _, kind := range []string{kindState, kindLedger} {
			ask = append(ask, []string{"GET", o.s.key(o.vb, kind)})
		}
		b.together(append(ask,
			[]string{"LRANGE", o.s.key(o.vb, kindHeads), "0", "-1"},
			[]string{"HGETALL", o.s.key(o.vb, kindRecords)},
			[]string{"HGETALL", o.s.key(o.vb, kindGraves)},
		))
		return
	}
	b.add("PING") // there may be no entries
	for i := range o.heads {
		if e := &o.heads[i].entry; e.Kind == store.KindPartials {
			b.add("HGET", o.s.entryKey(o.vb, e.Position.Offset), fieldOutline)
		}
	}
}

func (o *auditOp) replies(_ *session, r replies) (again bool, err error) {
	if !o.halved {
		a, err := r.together()
		if err != nil {
			return false, err
		}
		o.halved = true
		return true, o.read(a)
	}
	if _, err := r.last(); err != nil {
		return false, err
	}
	rest := answersOf(r.rs[1:])
	for i := range o.heads {
		e := &o.heads[i].entry
		if e.Kind != store.KindPartials {
			continue
		}
		v, ok, err := rest.text(0)
		if err != nil {
			return false, err
		}
		if !ok { // the log was trimmed meanwhile
			o.halved = false
			return true, nil
		}
		e.Body = []byte(v)
		rest = rest[1:]
	}
	return false, o.count()
}

func (o *auditOp) read(a answers) (err error) {
	if o.stats, err = a.stats(); err != nil {
		return err
	}
	if o.heads, err = a.heads(2); err != nil {
		return err
	}
	if o.folds.of, err = a.allRecords(3); err != nil {
		return err
	}
	graves, err := a.fields(4)
	o.folds.graves = make(map[string]uint64, len(graves))
	for t, v := range graves {
		if o.folds.graves[t], err = decodeGrave(v); err != nil {
			break
		}
	}
	return err
}

// count counts the events of entries that are in no record.
func (o *auditOp) count() error {
	o.stats.Tail = 0
	for i := range o.heads {
		e := &o.heads[i].entry
		err := e.Touches(func(t store.Tab, events uint64) {
			if e.Position.Offset > o.folds.Tab(t) {
				o.stats.Tail += events
			}
		})
		if err != nil {
			return fmt.Errorf("entry %d of the log of vbucket %d: %w", e.Position.Offset, o.vb, err)
		}
	}
	return nil
}
