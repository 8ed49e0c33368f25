package pebblestore

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tabaproject/taba/internal/store"
)

// write writes one update over the stored record, nil if there is none, and
// enters it in the ledger.
func (c *compaction) write(u *store.Update, old *record) error {
	l := &c.ledger
	l.pruned += u.Pruned
	l.deleted += u.Deleted
	l.setAside += u.SetAside
	if old != nil {
		l.recorded -= old.events
		l.recordBytes -= old.size()
	}
	if u.Remove {
		return c.remove(u, old)
	}
	if old != nil && u.Reset {
		if err := c.drop(u.Tab); err != nil {
			return err
		}
		old = nil
	}
	next := record{position: u.New, events: u.Events, first: u.First}
	if old != nil {
		next.all, next.bytes = old.all, old.bytes
	}
	if u.All != nil {
		next.all = uint64(len(u.All)) + 1
		if err := c.batch.Set(tabKey(nil, kindAll, c.vb, u.Tab), u.All, nil); err != nil {
			return err
		}
	}
	grown, err := c.clients(u, old != nil)
	if err != nil {
		return err
	}
	next.bytes += grown
	l.recorded += next.events
	l.recordBytes += next.size()
	return c.batch.Set(tabKey(nil, kindRecord, c.vb, u.Tab), next.encode(), nil)
}

// clients writes the clients of an update and returns by how much the record
// has grown, modulo 2^64. There may be some already, or there are none.
func (c *compaction) clients(u *store.Update, some bool) (grown uint64, err error) {
	known := sizes{prefix: tabKey(nil, kindClient, c.vb, u.Tab)}
	if some && len(u.Clients) > 0 {
		if err := known.open(c); err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, known.it.Close()) }()
	}
	var value []byte
	for i := range u.Clients {
		s := &u.Clients[i]
		before, err := known.of(s.Client)
		if err != nil {
			return 0, err
		}
		key := known.key
		value = appendClient(value[:0], s)
		if err := c.batch.Set(key, value, nil); err != nil {
			return 0, err
		}
		key[0] = kindState
		after := clientSize(len(s.Client), 0)
		if s.State != nil {
			after = clientSize(len(s.Client), uint64(len(s.State))+1)
			err = c.batch.Set(key, s.State, nil)
		} else if before > 0 {
			err = c.batch.Delete(key, nil)
		}
		if err != nil {
			return 0, err
		}
		grown += after - before
	}
	return grown, nil
}

// sizes reads what the clients of a record take. Clients that are asked for in
// order are read in one go; a lookup of each would cost several times as much.
type sizes struct {
	prefix []byte
	key    []byte           // of the client asked for last
	it     *pebble.Iterator // nil: there are none
}

func (z *sizes) open(c *compaction) (err error) {
	z.it, err = c.batch.NewIterWithContext(c.ctx, &pebble.IterOptions{LowerBound: z.prefix, UpperBound: after(z.prefix)})
	return err
}

// of returns what a client takes, 0 if it is new, and leaves its key in z.key.
func (z *sizes) of(client string) (uint64, error) {
	z.key = append(append(z.key[:0], z.prefix...), client...)
	if z.it == nil {
		return 0, nil
	}
	if !z.it.Valid() || !bytes.Equal(z.it.Key(), z.key) {
		z.it.SeekGE(z.key)
	}
	if !z.it.Valid() || !bytes.Equal(z.it.Key(), z.key) {
		return 0, z.it.Error()
	}
	v, err := z.it.ValueAndErr()
	if err != nil {
		return 0, err
	}
	_, state, err := decodeClient(v)
	z.it.Next() // to where the next one probably is
	return clientSize(len(client), state), err
}

// drop removes the States and the directory of a tab.
func (c *compaction) drop(t store.Tab) error {
	for _, kind := range []byte{kindClient, kindState} {
		prefix := tabKey(nil, kind, c.vb, t)
		if err := c.batch.DeleteRange(prefix, after(prefix), nil); err != nil {
			return err
		}
	}
	return c.batch.Delete(tabKey(nil, kindAll, c.vb, t), nil)
}

// remove removes a record and leaves a tombstone, unless the log is trimmed to
// it already.
func (c *compaction) remove(u *store.Update, old *record) error {
	if old != nil {
		if err := c.drop(u.Tab); err != nil {
			return err
		}
		if err := c.batch.Delete(tabKey(nil, kindRecord, c.vb, u.Tab), nil); err != nil {
			return err
		}
	}
	if u.New.Offset <= c.ledger.trim.Offset {
		return nil
	}
	c.graves = true
	return c.batch.Set(tabKey(nil, kindGrave, c.vb, u.Tab), binary.AppendUvarint(nil, u.New.Offset), nil)
}
