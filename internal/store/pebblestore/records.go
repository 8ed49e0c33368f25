package pebblestore

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tabaproject/taba/internal/store"
)

// missing says that a log has a hole, which cannot be.
func missing(offset uint64) error {
	return fmt.Errorf("entry %d of the log is missing: %w", offset, errValue)
}

// records reads the records of names, or of every tab, sorted by tab.
func (r *reader) records(names []store.TabName, d store.Detail) ([]store.Record, error) {
	w, err := r.walk(d)
	if err != nil {
		return nil, err
	}
	if names == nil {
		err = w.under(vbKey(nil, kindRecord, r.vb))
	} else {
		names = slices.Clone(names)
		slices.SortFunc(names, func(a, b store.TabName) int {
			return store.CompareTabs(store.Tab{Namespace: a.Namespace, Name: a.Name}, store.Tab{Namespace: b.Namespace, Name: b.Name})
		})
		for _, n := range slices.Compact(names) {
			if err = w.under(nameKey(nil, kindRecord, r.vb, n)); err != nil {
				break
			}
		}
	}
	return w.found, errors.Join(err, w.close())
}

// walk reads records with one iterator per kind of key, side by side: all are
// in the order of tabs.
type walk struct {
	r                             *reader
	records, all, clients, states *pebble.Iterator // nil: not asked for
	found                         []store.Record
	key                           []byte
	names, bytes                  []byte // of the clients of one record
	ends                          []int  // of each name and State in them
	list                          []store.ClientState
}

func (r *reader) walk(d store.Detail) (*walk, error) {
	w := &walk{r: r}
	open := func(kind byte) (it *pebble.Iterator, err error) {
		prefix := vbKey(nil, kind, r.vb)
		return r.snap.NewIterWithContext(r.ctx, &pebble.IterOptions{LowerBound: prefix, UpperBound: after(prefix)})
	}
	var errs [4]error
	w.records, errs[0] = open(kindRecord)
	w.clients, errs[1] = open(kindClient)
	if d >= store.WithAll {
		w.all, errs[2] = open(kindAll)
	}
	if d >= store.WithClients {
		w.states, errs[3] = open(kindState)
	}
	if err := errors.Join(errs[:]...); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func (w *walk) close() error {
	var errs []error
	for _, it := range []*pebble.Iterator{w.records, w.all, w.clients, w.states} {
		if it != nil {
			errs = append(errs, it.Error(), it.Close())
		}
	}
	return errors.Join(errs...)
}

// under reads the records whose keys begin with prefix.
func (w *walk) under(prefix []byte) error {
	it := w.records
	for it.SeekGE(prefix); it.Valid() && bytes.HasPrefix(it.Key(), prefix); it.Next() {
		if err := errors.Join(w.r.ctx.Err(), w.record()); err != nil {
			return err
		}
	}
	return nil
}

// record reads the one that w.records is at.
func (w *walk) record() error {
	tab, ok := tabOf(w.records.Key())
	if !ok {
		return fmt.Errorf("key of a record: %w", errValue)
	}
	v, err := w.records.ValueAndErr()
	if err != nil {
		return err
	}
	var stored record
	if err := stored.decode(v); err != nil {
		return err
	}
	rec := store.Record{Tab: tab, Position: stored.position, Events: stored.events, First: stored.first}
	w.key = append(w.key[:0], w.records.Key()...)
	if w.all != nil && stored.all > 0 {
		if rec.All, err = w.state(w.all, kindAll, nil); err != nil {
			return err
		}
	}
	if err := w.readClients(&rec); err != nil {
		return err
	}
	w.found = append(w.found, rec)
	return nil
}

// state copies the State that the record must have under a key.
func (w *walk) state(it *pebble.Iterator, kind byte, client []byte) ([]byte, error) {
	v, err := w.at(it, kind, client)
	if err != nil {
		return nil, err
	}
	return append([]byte{}, v...), nil
}

func (w *walk) at(it *pebble.Iterator, kind byte, client []byte) ([]byte, error) {
	w.key[0] = kind
	key := append(w.key, client...)
	if !move(it, key) || !bytes.Equal(it.Key(), key) {
		return nil, errors.Join(fmt.Errorf("a State of a record is missing: %w", errValue), it.Error())
	}
	return it.ValueAndErr()
}

// move moves an iterator to the first key that is not less. Keys that are
// asked for only grow, so it is mostly there already or one short of it, and a
// step costs a tenth of a seek.
func move(it *pebble.Iterator, key []byte) bool {
	if it.Valid() && (bytes.Compare(it.Key(), key) >= 0 || it.Next() && bytes.Compare(it.Key(), key) >= 0) {
		return true
	}
	return it.SeekGE(key)
}

// readClients reads the directory of a record and, if asked for, the States.
// Names are cut out of one string and States out of one block: a few
// allocations per tab, not per client.
func (w *walk) readClients(rec *store.Record) error {
	w.names, w.bytes, w.ends, w.list = w.names[:0], w.bytes[:0], w.ends[:0], w.list[:0]
	w.key[0] = kindClient
	it := w.clients
	for move(it, w.key); it.Valid() && bytes.HasPrefix(it.Key(), w.key); it.Next() {
		v, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		events, size, err := decodeClient(v)
		if err != nil {
			return err
		}
		client := it.Key()[len(w.key):]
		w.names = append(w.names, client...)
		has := w.states != nil && size > 0
		if has {
			if v, err = w.at(w.states, kindState, client); err != nil {
				return err
			}
			w.bytes = append(w.bytes, v...)
			w.key[0] = kindClient
		}
		stateEnd := -1
		if has {
			stateEnd = len(w.bytes)
		}
		w.ends = append(w.ends, len(w.names), stateEnd)
		w.list = append(w.list, store.ClientState{Events: events})
	}
	rec.Clients = slices.Clone(w.list)
	w.cut(rec.Clients)
	return it.Error()
}

// cut gives clients their names and States.
func (w *walk) cut(clients []store.ClientState) {
	names := string(w.names)
	states := bytes.Clone(w.bytes)
	name, state := 0, 0
	for i := range clients {
		nameEnd, stateEnd := w.ends[2*i], w.ends[2*i+1]
		clients[i].Client = names[name:nameEnd]
		name = nameEnd
		if stateEnd >= 0 {
			if clients[i].State = states[state:stateEnd:stateEnd]; clients[i].State == nil {
				clients[i].State = []byte{}
			}
			state = stateEnd
		}
	}
}
