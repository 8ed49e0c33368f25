package ingest

import (
	"math"
	"sync"

	"github.com/tabaproject/taba/internal/store"
)

// A claim is what a request, or a load of a stream, has taken of a Quota. The
// zero claim is of none. It belongs to one goroutine.
type claim struct {
	q            *Quota
	tabs, states int64 // taken one by one
	credit       int64 // States that may still be made unseen
}

// creditAtOnce is how many States a claim takes without knowing that it needs
// them: so few that what is not given back yet does not matter.
const creditAtOnce = 64

// tab asks for a tab that is not known, and its first State.
func (c *claim) tab(tab store.Tab, client string) *over {
	if c.q == nil {
		return nil
	}
	if limit, wait := c.q.takeTab(); limit != "" {
		return c.q.over(limit, wait, tab.Name, client)
	}
	c.tabs++
	return c.state(tab, client)
}

// state asks for a State of a known tab, which may be known too.
func (c *claim) state(tab store.Tab, client string) *over {
	if c.credit > 0 {
		c.credit--
		return nil
	}
	return c.newState(tab, client)
}

func (c *claim) newState(tab store.Tab, client string) *over {
	switch q := c.q; {
	case q == nil || q.states.max == 0:
		c.credit = math.MaxInt64
	case q.states.grab(creditAtOnce):
		c.credit = creditAtOnce - 1
	case q.hasState(tab, client):
	case c.takeState():
	default:
		return q.over(reasonStates, retryFull, tab.Name, client)
	}
	return nil
}

// cancel gives back the tabs that were taken since there were so many: nothing
// comes of them.
func (c *claim) cancel(tabs int64) {
	if c.q != nil && c.tabs > tabs {
		c.q.tabs.settle(c.tabs - tabs)
		c.q.rate.give(c.tabs - tabs)
		c.tabs = tabs
	}
}

// join takes over what another claim of the same Quota has taken.
func (c *claim) join(from *claim) {
	c.q = from.q
	c.tabs, from.tabs = c.tabs+from.tabs, 0
	c.states, from.states = c.states+from.states, 0
}

// settle ends a claim: what it took is in the directory now, or will never be.
func (c *claim) settle() {
	if q := c.q; q != nil {
		q.tabs.settle(c.tabs)
		q.states.settle(c.states)
		if q.states.max != 0 {
			q.states.room.Add(c.credit)
		}
	}
	c.tabs, c.states, c.credit = 0, 0, 0
}

// Claims are those of a door whose senders cannot be answered, so that it has to
// put what is over a limit elsewhere. They are safe for concurrent use.
type Claims struct {
	mu sync.Mutex
	c  claim
}

// Claims returns new Claims of q, which may be nil.
func (q *Quota) Claims() *Claims { return &Claims{c: claim{q: q}} }

// Admit asks for a State of a tab; fresh says that the tab is not known. It
// returns the limit that is reached, "" if none is.
func (c *Claims) Admit(tab store.Tab, client string, fresh bool) (limit string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before, ask := c.c.tabs, c.c.state
	if fresh {
		ask = c.c.tab
	}
	if o := ask(tab, client); o != nil {
		c.c.cancel(before)
		return o.limit
	}
	return ""
}

// Begin begins to commit what was admitted so far. Call done when that is over.
func (c *Claims) Begin() (done func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var taken claim
	taken.join(&c.c)
	return taken.settle
}
