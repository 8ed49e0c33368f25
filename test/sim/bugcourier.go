package sim

import (
	"context"

	"github.com/tabaproject/taba/internal/forward"
	"github.com/tabaproject/taba/internal/store"
)

// unasked keeps an agent from learning the heads of its sources.
type unasked struct{ honest }

func (unasked) back(q *forward.Request, r *forward.Reply) {
	if q.Heads != nil {
		r.Heads.Heads = nil
	}
}

// renumberer sends every retry under an id of its own.
type renumberer struct {
	a     *agent
	tried map[store.Digest]bool
	real  map[store.Digest]store.Head // what the agent called the parts in flight
}

func (c *renumberer) out(q *forward.Request) *forward.Request {
	if q.Send == nil {
		return q
	}
	c.real = map[store.Digest]store.Head{}
	batch := *q.Send
	batch.Parts = cloneParts(batch.Parts)
	for i := range batch.Parts {
		p := &batch.Parts[i]
		c.real[p.Digest] = store.Head{Seq: p.Seq, Chain: p.Chain}
		if !c.tried[p.Digest] {
			c.tried[p.Digest] = true
			continue
		}
		id, err := c.a.w.store.Open(context.Background(), store.ClassSpool, store.Nonce{1, byte(c.a.w.rng.Uint32())}, c.a.w.storeClock())
		must(err)
		p.Source, p.Seq, p.Prev = id, 1, 0
		p.Chain = store.NextChain(store.Chain{}, 1, 0, p.Digest)
	}
	changed := *q
	changed.Send = &batch
	return &changed
}

func (c *renumberer) back(q *forward.Request, r *forward.Reply) {
	if q.Send == nil {
		return
	}
	for i := range r.Send.Results {
		if res := &r.Send.Results[i]; res.Verdict == store.Applied {
			res.Head = c.real[q.Send.Parts[i].Digest]
		}
	}
}
