package redisstore

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/tabaproject/taba/internal/store"
)

// trimTo trims the log to a position, or to just before the first entry that a
// record has not folded.
func (c *compaction) trimTo(want store.Position) error {
	if want.Offset <= c.ledger.trim.Offset || !c.heads[want] {
		return nil
	}
	heads, err := c.touched(want.Offset - c.ledger.trim.Offset)
	if err != nil {
		return err
	}
	if err := c.folded(heads); err != nil {
		return err
	}
	n := 0
	for n < len(heads) && store.Trimmable(&heads[n].entry, c) {
		n++
	}
	if n == 0 {
		return nil
	}
	c.change("LTRIM", c.key(kindHeads), strconv.Itoa(n), "-1")
	gone := []string{"UNLINK"}
	for i := range heads[:n] {
		if heads[i].entry.Kind == store.KindPartials {
			gone = append(gone, c.s.entryKey(c.vb, heads[i].entry.Position.Offset))
		}
	}
	if len(gone) > 1 {
		c.change(gone...)
	}
	last := &heads[n-1]
	c.ledger.trim, c.ledger.events, c.ledger.bytes = last.entry.Position, last.events, last.bytes
	for t, at := range c.graves {
		if at <= c.ledger.trim.Offset {
			delete(c.graves, t)
			c.change("HDEL", c.key(kindGraves), t)
		}
	}
	return nil
}

// touched reads the first n entries, with their outlines for bodies.
func (c *compaction) touched(n uint64) ([]head, error) {
	a, err := c.ask([][]string{{"LRANGE", c.key(kindHeads), "0", strconv.FormatUint(n-1, 10)}})
	if err != nil {
		return nil, err
	}
	heads, err := a.heads(0)
	if err != nil {
		return nil, err
	}
	var ask [][]string
	for i := range heads {
		if heads[i].entry.Kind == store.KindPartials {
			ask = append(ask, []string{"HGET", c.s.entryKey(c.vb, heads[i].entry.Position.Offset), fieldOutline})
		}
	}
	if a, err = c.ask(ask); err != nil {
		return nil, err
	}
	next := 0
	for i := range heads {
		e := &heads[i].entry
		if e.Kind != store.KindPartials {
			continue
		}
		v, ok, err := a.text(next)
		if err != nil || !ok {
			return nil, errors.Join(err, c.missing(e.Position.Offset))
		}
		e.Body = []byte(v)
		next++
	}
	return heads, nil
}

// errRaced: somebody else has compacted meanwhile.
var errRaced = errors.New("somebody else has compacted")

// missing says why an entry is not there.
func (c *compaction) missing(offset uint64) error {
	a, err := c.ask([][]string{{"GET", c.key(kindLedger)}})
	if err != nil {
		return err
	}
	if now, err := a.ledger(0); err != nil || now.trim != c.ledger.trim {
		return errors.Join(err, errRaced)
	}
	return fmt.Errorf("entry %d of the log of vbucket %d: %w", offset, c.vb, errLost)
}

// folded reads the records of what entries touch that are not known yet.
func (c *compaction) folded(heads []head) error {
	var names []string
	for i := range heads {
		e := &heads[i].entry
		if e.Kind == store.KindPrune {
			return c.foldedAll()
		}
		for _, n := range e.Command.Names {
			names = append(names, nameText(n))
		}
		err := e.Touches(func(t store.Tab, _ uint64) { names = append(names, nameText(nameOf(t))) })
		if err != nil {
			return err
		}
	}
	names = sorted(names)
	missing := names[:0]
	for _, n := range names {
		if _, ok := c.of[n]; !ok {
			missing = append(missing, n)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	a, err := c.ask([][]string{append([]string{"HMGET", c.key(kindRecords)}, missing...)})
	if err != nil {
		return err
	}
	of, err := a.recordsOf(0, missing)
	for n, rs := range of {
		c.of[n] = rs
	}
	return err
}

// foldedAll reads the records of every name.
func (c *compaction) foldedAll() error {
	a, err := c.ask([][]string{{"HGETALL", c.key(kindRecords)}})
	if err != nil {
		return err
	}
	of, err := a.allRecords(0)
	for n, rs := range of {
		if _, ok := c.of[n]; !ok {
			c.of[n] = rs
		}
	}
	return err
}

// Tab implements store.Folds.
func (c *compaction) Tab(t store.Tab) uint64 {
	if r, ok := c.of[nameText(nameOf(t))][t.Type]; ok {
		return r.position.Offset
	}
	return c.graves[tabText(t)]
}

// Name implements store.Folds.
func (c *compaction) Name(n store.TabName) uint64 { return c.of[nameText(n)].least() }

// All implements store.Folds.
func (c *compaction) All() uint64 {
	least := uint64(store.Untouched)
	for _, rs := range c.of {
		least = min(least, rs.least())
	}
	return least
}

func (rs records) least() uint64 {
	least := uint64(store.Untouched)
	for _, r := range rs {
		least = min(least, r.position.Offset)
	}
	return least
}
