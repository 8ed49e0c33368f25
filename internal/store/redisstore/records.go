package redisstore

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/tabaproject/taba/internal/store"
)

// records takes the records that look has read. complete: there was none of
// another name.
func (o *loadOp) records(a answers) (complete bool, err error) {
	if len(o.names) == 0 && !o.all {
		return true, nil
	}
	var of map[string]records
	if o.all {
		if of, err = a.allRecords(0); err != nil {
			return false, err
		}
		for name := range of {
			if _, known := slices.BinarySearch(o.names, name); !known {
				o.step = list
				return false, nil
			}
		}
	} else if of, err = a.recordsOf(0, o.names); err != nil {
		return false, err
	}
	for i, text := range o.names {
		rs := of[text]
		if len(rs) == 0 {
			continue
		}
		n, ok := parseName(text)
		if !ok {
			return false, fmt.Errorf("a field of %s: %w", o.s.key(o.vb, kindRecords), errValue)
		}
		list, err := o.named(n, rs, a[1+i*int(o.req.Records):])
		if err != nil {
			return false, err
		}
		o.loaded.Records = append(o.loaded.Records, list...)
	}
	slices.SortFunc(o.loaded.Records, func(a, b store.Record) int { return store.CompareTabs(a.Tab, b.Tab) })
	return true, nil
}

// recordsOf reads the records of names.
func (a answers) recordsOf(i int, names []string) (map[string]records, error) {
	list, err := a[i].ToArray()
	if err != nil {
		return nil, err
	}
	of := make(map[string]records, len(names))
	for n, m := range list {
		if m.IsNil() {
			continue
		}
		v, err := m.ToString()
		if err != nil {
			return nil, err
		}
		if of[names[n]], err = decodeRecords(v); err != nil {
			return nil, err
		}
	}
	return of, nil
}

// allRecords reads the records of every name.
func (a answers) allRecords(i int) (map[string]records, error) {
	fields, err := a.fields(i)
	if err != nil {
		return nil, err
	}
	of := make(map[string]records, len(fields))
	for name, v := range fields {
		if of[name], err = decodeRecords(v); err != nil {
			return nil, err
		}
	}
	return of, nil
}

// named puts the records of one name together, from its hashes.
func (o *loadOp) named(n store.TabName, rs records, a answers) ([]store.Record, error) {
	clients, err := a.fields(0)
	if err != nil {
		return nil, err
	}
	var alls, states map[string]string
	if o.req.Records >= store.WithAll {
		if alls, err = a.fields(1); err != nil {
			return nil, err
		}
	}
	if o.req.Records >= store.WithClients {
		if states, err = a.fields(2); err != nil {
			return nil, err
		}
	}
	of := make(map[string]*store.Record, len(rs))
	for typ, r := range rs {
		rec := &store.Record{
			Tab:      store.Tab{Namespace: n.Namespace, Name: n.Name, Type: typ},
			Position: r.position, Events: r.events, First: r.first,
		}
		if all, ok := alls[typ]; ok {
			rec.All = []byte(all)
		}
		of[typ] = rec
	}
	for field, v := range clients {
		typ, client, ok := parseClient(field)
		entry, err := decodeClient(v)
		if err != nil || !ok || of[typ] == nil {
			return nil, fmt.Errorf("client %q of tab %q: %w", client, n.Name, errValue)
		}
		c := store.ClientState{Client: client, Events: entry.events}
		if states != nil && entry.state > 0 {
			st, ok := states[field]
			if !ok {
				return nil, fmt.Errorf("the State of client %q of tab %q is missing: %w", client, n.Name, errValue)
			}
			c.State = []byte(st)
		}
		of[typ].Clients = append(of[typ].Clients, c)
	}
	list := make([]store.Record, 0, len(of))
	for _, rec := range of {
		slices.SortFunc(rec.Clients, func(a, b store.ClientState) int { return cmp.Compare(a.Client, b.Client) })
		list = append(list, *rec)
	}
	return list, nil
}
