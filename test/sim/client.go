package sim

import (
	"fmt"

	"github.com/tabaproject/taba/internal/fold"
	"github.com/tabaproject/taba/internal/forward"
	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/wire"
)

// client is a program that speaks v2 itself. It has no spool: what it holds is
// lost with it, and what was acknowledged is not. It does not wait for the
// answer to one Batch before it sends the next.
type client struct {
	w    *World
	name string
	life int
	courier

	opening bool
	open    wire.OpenReply
	fresh   *fold.Accumulator
	seq     uint64
	history []map[uint64]store.Chain // per vbucket: after a number
	last    []store.Head             // per vbucket: the newest sealed
	flights []*flight                // not acknowledged, ascending
	gaps    int                      // answers in a row that say so
}

// flight is a Batch.
type flight struct {
	parts []store.Part
	q     *forward.Request // on its way; nil: it has to be sent
}

// window is how many Batches a client has in flight.
const window = 4

func newClient(w *World, name string) *client {
	c := &client{w: w, name: name, courier: honest{}}
	c.forget()
	return c
}

// forget begins again under another id.
func (c *client) forget() {
	c.life++
	c.opening, c.open, c.seq, c.flights, c.gaps = false, wire.OpenReply{}, 0, nil, 0
	c.fresh = fold.New(registry)
	c.last = make([]store.Head, c.w.mix.VBuckets)
	c.history = make([]map[uint64]store.Chain, c.w.mix.VBuckets)
	for vb := range c.history {
		c.history[vb] = map[uint64]store.Chain{0: {}}
	}
}

func (c *client) title() string { return c.name }
func (c *client) era() int      { return c.life }

// anyClient lets a client record something, do something or be killed.
func (w *World) anyClient() {
	c := w.clients[w.rng.IntN(len(w.clients))]
	switch n := w.rng.IntN(100); {
	case n < 2 && w.faults:
		w.say("%s %s and starts again", c.name, w.stopped(false))
		c.forget()
	case n < 40:
		acc, list := w.events(c.name)
		w.say("%s records events %v", c.name, list)
		c.fresh.Merge(acc)
	default:
		c.work()
	}
}

// work sends something, if there is anything to be sent.
func (c *client) work() (worked bool) {
	q := &forward.Request{Server: c.w.anyServer().name}
	switch f := c.waiting(); {
	case c.opening:
		return false
	case c.open.Source.IsZero() && (f != nil || !c.fresh.Empty()):
		c.opening = true
		q.Open = &wire.OpenRequest{Class: store.ClassDirect, Nonce: c.w.nonce()}
	case f != nil:
		f.q = q
		q.Send = &wire.Batch{Partition: c.open.Partition, StoreID: c.open.StoreID, Parts: f.parts}
	default:
		return false
	}
	c.w.say("%s sends %v to %s", c.name, inWords{q}, q.Server)
	c.w.net = append(c.w.net, &parcel{from: c, life: c.life, q: q})
	return true
}

// nonce is no other's: two clients with one id would fork.
func (w *World) nonce() store.Nonce {
	w.nonces++
	return store.Nonce{2, byte(w.rng.Uint32()), byte(w.rng.Uint32()), byte(w.nonces >> 8), byte(w.nonces)}
}

// waiting is the next Batch to be sent, which it seals if there is room.
func (c *client) waiting() *flight {
	for _, f := range c.flights {
		if f.q == nil {
			return f
		}
	}
	if c.open.Source.IsZero() || c.fresh.Empty() || len(c.flights) >= window {
		return nil
	}
	c.seq++
	f := &flight{}
	c.fresh.Encode(c.open.Partition, func(vb int, body []byte, events uint64) {
		body = append([]byte(nil), body...)
		prev, digest := c.last[vb], wire.DigestOf(body)
		c.last[vb] = store.Head{Seq: c.seq, Chain: store.NextChain(prev.Chain, c.seq, prev.Seq, digest)}
		c.history[vb][c.seq] = c.last[vb].Chain
		f.parts = append(f.parts, store.Part{
			Source: c.open.Source, VB: vb, Seq: c.seq, Prev: prev.Seq, Chain: c.last[vb].Chain,
			Digest: digest, Events: events, Body: body,
		})
	})
	c.fresh.Reset()
	c.flights = append(c.flights, f)
	return f
}

// hear takes the answer to a request.
func (c *client) hear(q *forward.Request, r *forward.Reply) {
	if q.Open != nil {
		c.opening = false
		if r.Err == nil {
			c.open = r.Open
		}
		return
	}
	mine := false
	for _, f := range c.flights {
		if f.q == q {
			f.q, mine = nil, true // if it is still held it is sent again
		}
	}
	if !mine || r.Err != nil {
		return
	}
	for i := range r.Send.Results {
		if !c.result(q.Send.Parts[i].VB, &r.Send.Results[i]) {
			c.w.say("%s gives its source up", c.name)
			c.forget()
			return
		}
	}
}

// told notes what a reply that is on its way will release: everything up to a
// number, and not only what was asked about.
func (c *client) told(q *forward.Request, r *forward.Reply) {
	if q.Send == nil || r.Err != nil {
		return
	}
	for i, res := range r.Send.Results {
		for _, f := range c.flights {
			for _, p := range f.parts {
				if res.Err == nil && p.VB == q.Send.Parts[i].VB && p.Seq <= res.Head.Seq {
					c.w.book.each(idsIn(p.Body), func(f *fate) { f.told = true })
				}
			}
		}
	}
}

// result releases what is applied. It reports false if nothing more can come
// of the id.
func (c *client) result(vb int, r *store.PartResult) bool {
	switch {
	case r.Err != nil:
		return true
	case r.Verdict == store.SourceGone || r.Verdict == store.SourceClosed:
		return false
	}
	if chain, ok := c.history[vb][r.Head.Seq]; !ok || chain != r.Head.Chain {
		c.w.fail(fmt.Errorf("%s, of which there is one, is told that it forked", c.name))
		return false
	}
	kept := c.flights[:0]
	for _, f := range c.flights {
		parts := f.parts[:0:0]
		for _, p := range f.parts {
			if p.VB != vb || p.Seq > r.Head.Seq {
				parts = append(parts, p)
				continue
			}
			c.w.book.each(idsIn(p.Body), func(f *fate) { f.told, f.a2 = true, f.a2 || c.w.book.strict })
		}
		if f.parts = parts; len(parts) > 0 {
			kept = append(kept, f)
		}
	}
	clear(c.flights[len(kept):])
	c.flights = kept
	if c.follows(vb, r.Head.Seq) {
		c.gaps = 0
		return true
	}
	c.gaps++
	return c.gaps < maxGaps
}

// maxGaps is how often in a row an answer may have been overtaken by others;
// after that the store has lost what was acknowledged and is not held.
const maxGaps = 10

// follows reports whether the oldest part held of a vbucket follows a number.
func (c *client) follows(vb int, seq uint64) bool {
	for _, f := range c.flights {
		for _, p := range f.parts {
			if p.VB == vb {
				return p.Prev <= seq
			}
		}
	}
	return c.last[vb].Seq <= seq
}
