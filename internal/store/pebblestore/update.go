package pebblestore

import (
	"encoding/binary"

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
	for i := range u.Clients {
		grown, err := c.client(u.Tab, &u.Clients[i])
		if err != nil {
			return err
		}
		next.bytes += grown
	}
	l.recorded += next.events
	l.recordBytes += next.size()
	return c.batch.Set(tabKey(nil, kindRecord, c.vb, u.Tab), next.encode(), nil)
}

// client writes one client and returns by how much it has grown, modulo 2^64.
func (c *compaction) client(t store.Tab, s *store.ClientState) (grown uint64, err error) {
	key := append(tabKey(nil, kindClient, c.vb, t), s.Client...)
	var before uint64
	_, err = get(c.batch, key, func(v []byte) error {
		_, state, err := decodeClient(v)
		before = clientSize(len(s.Client), state)
		return err
	})
	if err != nil {
		return 0, err
	}
	if err := c.batch.Set(key, appendClient(nil, s), nil); err != nil {
		return 0, err
	}
	key[0] = kindState
	after := clientSize(len(s.Client), 0)
	if s.State == nil {
		err = c.batch.Delete(key, nil)
	} else {
		after = clientSize(len(s.Client), uint64(len(s.State))+1)
		err = c.batch.Set(key, s.State, nil)
	}
	return after - before, err
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
	return c.batch.Set(tabKey(nil, kindGrave, c.vb, u.Tab), binary.AppendUvarint(nil, u.New.Offset), nil)
}
