package redisstore

import (
	"strings"

	"github.com/redis/rueidis"

	"github.com/tabaproject/taba/internal/store"
)

// change adds a command to what is to be written.
func (c *compaction) change(words ...string) { c.writes = append(c.writes, words) }

// update decides an update, and writes it if it was made from what is stored.
func (c *compaction) update(u *store.Update) bool {
	n := nameText(nameOf(u.Tab))
	var stored *store.Position
	old, found := c.of[n][u.Tab.Type]
	if found {
		stored = &old.position
	}
	if !store.Current(u, stored, c.ledger.trim, c.graves[tabText(u.Tab)], c.heads[u.New]) {
		return false
	}
	l := &c.ledger
	l.pruned += u.Pruned
	l.deleted += u.Deleted
	l.setAside += u.SetAside
	if found {
		l.recorded -= old.events
		l.recordBytes -= old.size()
	}
	if found && (u.Remove || u.Reset) {
		c.drop(n, u.Tab.Type)
		old = record{}
	}
	if u.Remove {
		c.remove(n, u)
		return true
	}
	next := record{position: u.New, events: u.Events, first: u.First, all: old.all, bytes: old.bytes}
	if u.All != nil {
		next.all = uint64(len(u.All)) + 1
		c.change("HSET", c.key(kindAlls)+n, u.Tab.Type, rueidis.BinaryString(u.All))
	}
	next.bytes += c.clients(n, u)
	l.recorded += next.events
	l.recordBytes += next.size()
	if c.of[n] == nil {
		c.of[n] = records{}
	}
	c.of[n][u.Tab.Type] = next
	c.change("HSET", c.key(kindRecords), n, c.of[n].encode())
	return true
}

// clients writes the clients of an update and returns by how much the record
// has grown, modulo 2^64.
func (c *compaction) clients(n string, u *store.Update) (grown uint64) {
	if len(u.Clients) == 0 {
		return 0
	}
	entries := []string{"HSET", c.key(kindClients) + n}
	states := []string{"HSET", c.key(kindStates) + n}
	gone := []string{"HDEL", c.key(kindStates) + n}
	least := len(states)
	dir := c.dirs[n]
	for i := range u.Clients {
		s := &u.Clients[i]
		field := clientField(u.Tab.Type, s.Client)
		before := uint64(0)
		if old, ok := dir[field]; ok {
			before = clientSize(len(s.Client), old.state)
		}
		entry := clientEntry{events: s.Events}
		if s.State != nil {
			entry.state = uint64(len(s.State)) + 1
			states = append(states, field, rueidis.BinaryString(s.State))
		} else {
			gone = append(gone, field)
		}
		dir[field] = entry
		entries = append(entries, field, entry.encode())
		grown += clientSize(len(s.Client), entry.state) - before
	}
	c.change(entries...)
	for _, words := range [][]string{gone, states} {
		if len(words) > least {
			c.change(words...)
		}
	}
	return grown
}

// drop removes the States and the directory of one Type of a name.
func (c *compaction) drop(n, typ string) {
	dir := c.dirs[n]
	prefix := clientField(typ, "")
	words := []string{"HDEL", ""}
	for field := range dir {
		if strings.HasPrefix(field, prefix) {
			words = append(words, field)
			delete(dir, field)
		}
	}
	for _, kind := range []string{kindClients, kindStates} {
		if len(words) > 2 {
			c.change(append([]string{"HDEL", c.key(kind) + n}, words[2:]...)...)
		}
	}
	c.change("HDEL", c.key(kindAlls)+n, typ)
}

// remove removes a record and leaves a tombstone, unless the log is trimmed to
// it already.
func (c *compaction) remove(n string, u *store.Update) {
	if rs := c.of[n]; rs != nil {
		delete(rs, u.Tab.Type)
		if len(rs) > 0 {
			c.change("HSET", c.key(kindRecords), n, rs.encode())
		} else {
			c.change("HDEL", c.key(kindRecords), n)
		}
	}
	if u.New.Offset > c.ledger.trim.Offset {
		c.graves[tabText(u.Tab)] = u.New.Offset
		c.change("HSET", c.key(kindGraves), tabText(u.Tab), encodeGrave(u.New.Offset))
	}
}
