package store

import (
	"cmp"
	"context"
	"slices"
)

// Load implements Store.
func (m *Mem) Load(_ context.Context, vb int, req LoadRequest) (*Loaded, error) {
	var l *Loaded
	err := m.with(vb, func(b *memVB) (err error) {
		l, err = b.load(req)
		return err
	})
	if err != nil {
		return nil, err
	}
	l.Epoch = m.epoch()
	return l, nil
}

func (b *memVB) load(req LoadRequest) (*Loaded, error) {
	l := &Loaded{End: b.end(), Trim: b.trim}
	names := NameSet(req.Names)
	after := req.After
	if req.Records != NoRecords {
		l.Records = b.read(names, req.Records)
		after = b.trim
	} else if !b.at(after) {
		return nil, ErrDiverged
	}
	var read int64
	for _, e := range b.log[after.Offset-b.trim.Offset:] {
		if !e.TouchesAny(names) {
			continue
		}
		e.Body = slices.Clone(e.Body)
		l.Entries = append(l.Entries, e)
		read += int64(len(e.Body)) + entryBytes
		if req.MaxBytes > 0 && read >= req.MaxBytes && e.Position != l.End {
			l.End, l.More = e.Position, true
			break
		}
	}
	return l, nil
}

func (b *memVB) read(names map[TabName]struct{}, d Detail) (records []Record) {
	for t, r := range b.records {
		if _, wanted := names[TabName{t.Namespace, t.Name}]; wanted || names == nil {
			records = append(records, r.only(d))
		}
	}
	slices.SortFunc(records, func(a, b Record) int { return CompareTabs(a.Tab, b.Tab) })
	return records
}

// CompareTabs orders tabs as Load returns them.
func CompareTabs(a, b Tab) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Type, b.Type))
}

// only copies as much of a record as was asked for.
func (r *Record) only(d Detail) Record {
	c := *r
	c.Clients = slices.Clone(r.Clients)
	c.All = slices.Clone(r.All)
	if d < WithAll {
		c.All = nil
	}
	for i := range c.Clients {
		c.Clients[i].State = slices.Clone(c.Clients[i].State)
		if d < WithClients {
			c.Clients[i].State = nil
		}
	}
	slices.SortFunc(c.Clients, func(a, b ClientState) int { return cmp.Compare(a.Client, b.Client) })
	return c
}

// Stats implements Store.
func (m *Mem) Stats(_ context.Context, vb int) (s Stats, err error) {
	err = m.with(vb, func(b *memVB) error {
		s = b.stats()
		return nil
	})
	return s, err
}

// Audit implements Store.
func (m *Mem) Audit(_ context.Context, vb int) (s Stats, err error) {
	err = m.with(vb, func(b *memVB) error {
		s = b.stats()
		s.Tail = b.tail()
		return nil
	})
	return s, err
}

func (b *memVB) stats() Stats {
	s := b.counts
	s.End, s.Trim = b.end(), b.trim
	for _, r := range b.records {
		s.Recorded += r.Events
		s.RecordBytes += int64(len(r.Tab.Name)+len(r.All)) + entryBytes
		for _, c := range r.Clients {
			s.RecordBytes += int64(len(c.Client)+len(c.State)) + entryBytes/2
		}
	}
	return s
}

// tail counts the events of the log that are in no record.
func (b *memVB) tail() (events uint64) {
	for i := range b.log {
		e := &b.log[i]
		_ = e.Touches(func(t Tab, n uint64) {
			if e.Position.Offset > b.Tab(t) {
				events += n
			}
		})
	}
	return events
}
