package view

import (
	"bytes"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/state"
)

// update returns what changes the record read at old into one that has folded
// everything up to end.
func (c *content) update(old, end store.Position, enc *arena) store.Update {
	u := store.Update{
		Tab: c.tab, Old: old, New: end, First: c.first,
		Pruned: c.moved.pruned, Deleted: c.moved.deleted, SetAside: c.moved.setAside,
	}
	if !c.exists {
		u.Remove = true
		return u
	}
	u.Reset = c.reset
	if c.all.changed {
		u.All = enc.append(c.all.st)
	}
	for _, name := range c.names() {
		cl := c.clients[name]
		u.Events += cl.events
		if !cl.changed {
			continue
		}
		s := store.ClientState{Client: name, Events: cl.events}
		if cl.st != nil {
			s.State = enc.append(cl.st)
		}
		u.Clients = append(u.Clients, s)
	}
	return u
}

// arena holds encoded States one after the other, in blocks, so that not every
// one of them has to grow by itself. A block lives as long as any State in it.
type arena struct {
	block []byte
	level state.Level // of what is written
}

// A block has arenaBlock bytes. A State that does not fit into what is left of it,
// which is at least arenaRest, has bytes of its own.
const (
	arenaBlock = 256 << 10
	arenaRest  = 4 << 10
)

// append returns the encoding of s.
func (a *arena) append(s state.State) []byte {
	if cap(a.block)-len(a.block) < arenaRest {
		a.block = make([]byte, 0, arenaBlock)
	}
	from := len(a.block)
	block := state.AppendAt(a.block, s, a.level)
	if cap(block) != cap(a.block) { // it has moved, with all that was before
		a.block = nil
		return bytes.Clone(block[from:])
	}
	a.block = block
	return block[from:len(block):len(block)]
}
