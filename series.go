package taba

import (
	"fmt"
	"strings"
	"sync"
)

// series is what a handle points to: one tab of one Type. A nil series records
// nothing.
type series struct {
	c    *Client
	word uint64 // one | index into table.all: of a run of one event
	typ  string
	name string
	bad  bool // its events are dropped: bad name, or too many names

	// Guarded by Client.values.mu: the value waiting to be sent, if round is
	// the current one, and the time of the last one, in microseconds.
	round uint64
	slot  int
	last  int64
}

// maxSeries bounds how many names one client can make, below tick; most programs have
// hundreds. It keeps names made of user input from filling the memory.
const maxSeries = 1 << 16

// table holds every series of a client.
type table struct {
	mu     sync.RWMutex
	byName map[seriesName]*series
	all    []*series
	excess *series // stands for all names beyond maxSeries
}

type seriesName struct{ typ, name string }

var errManySeries = fmt.Errorf("taba: more than %d names: events of further ones are dropped", maxSeries)

// series returns the series of a name, made at its first use.
func (c *Client) series(typ, name string) *series {
	if !c.alive() {
		return nil
	}
	t := &c.table
	t.mu.RLock()
	s := t.byName[seriesName{typ, name}]
	t.mu.RUnlock()
	if s != nil {
		return s
	}
	s, err := c.addSeries(typ, name)
	if err != nil {
		c.report(err)
	}
	return s
}

// addSeries makes a series. An error is returned once per bad name.
func (c *Client) addSeries(typ, name string) (*series, error) {
	t := &c.table
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.byName[seriesName{typ, name}]; s != nil {
		return s, nil
	}
	if len(t.all) >= maxSeries {
		if t.excess != nil {
			return t.excess, nil
		}
		t.excess = &series{c: c, typ: typ, bad: true}
		return t.excess, errManySeries
	}
	key := seriesName{typ, name}
	if len(name) > maxName {
		// Too long to keep: names that begin alike are reported as one.
		key = seriesName{typ + " too long", name[:maxName/8]}
		if s := t.byName[key]; s != nil {
			return s, nil
		}
	}
	err := checkName(name)
	key.name = strings.Clone(key.name)
	s := &series{c: c, word: one | uint64(len(t.all)), typ: typ, name: key.name, bad: err != nil}
	t.byName[key] = s
	t.all = append(t.all, s)
	if err != nil {
		err = fmt.Errorf("taba: tab name %w; its events are dropped", err)
	}
	return s, err
}

// named returns every series by id.
func (t *table) named() []*series {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.all // elements are never changed, only added
}
