package ingest

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tabaproject/taba/internal/store"
)

// Quota bounds the names that senders may make: tabs, States (one for each
// client of a tab) and new tabs in a second. It is safe for concurrent use and
// shared by the doors of a process. A nil Quota bounds nothing.
//
// Who meets a name that is not known asks for it with a claim before it is
// acknowledged, so that a request can still be refused. What is asked for is
// pending until it is in the directory or came to nothing. Parts of agents were
// acknowledged already: see sift.
type Quota struct {
	o      QuotaOptions
	tabs   bound
	states bound
	rate   bucket
	last   atomic.Pointer[over]
}

// QuotaOptions are the limits of a Quota. Zero: none.
type QuotaOptions struct {
	Tabs    int // limits.tabs
	States  int // limits.states
	NewTabs int // limits.new_tabs, a second
	// Directory knows what there is.
	Directory Directory
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// Directory knows the names that there are. Only CatchUp makes it look for new
// ones, so that asking for many names is cheap.
type Directory interface {
	CatchUp(ctx context.Context) error
	TabCount() int
	StateCount() int
	HasTab(name string) bool
	HasState(tab store.Tab, client string) bool
}

// NewQuota returns a Quota.
func NewQuota(o QuotaOptions) *Quota {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Quota{
		o: o, tabs: bound{max: int64(o.Tabs)}, states: bound{max: int64(o.States)},
		rate: bucket{rate: float64(o.NewTabs)},
	}
}

// bound is one limit. Counting what there is costs more than most names are
// worth, so whoever counts sets down how many may be made before somebody has to
// count again: half of what is left, as others may be about to make some too.
type bound struct {
	max     int64        // 0: there is none
	pending atomic.Int64 // asked for one by one and not in the directory yet
	room    atomic.Int64 // below 0: count again
}

// grab takes n names of those that may be made unseen. They need not be new.
func (b *bound) grab(n int64) bool {
	if b.max == 0 || b.room.Add(-n) >= 0 {
		return true
	}
	b.room.Add(n)
	return false
}

// counted sets the room, now that it is known how many there are.
func (b *bound) counted(have int) {
	b.room.Store(max(0, b.max-int64(have)-b.pending.Load()) / 2)
}

// take takes a new name, of which there are as many as have says.
func (b *bound) take(have int) bool {
	if b.max == 0 {
		return true
	}
	if int64(have)+b.pending.Add(1) > b.max {
		b.pending.Add(-1)
		return false
	}
	b.room.Add(-1)
	return true
}

// settle tells that names that were taken are known, or came to nothing.
func (b *bound) settle(names int64) {
	if b.max != 0 {
		b.pending.Add(-names)
	}
}

// takeTab takes a tab that is not in the directory, or says which limit is
// reached, and when to try again.
func (q *Quota) takeTab() (limit string, wait time.Duration) {
	have := q.o.Directory.TabCount()
	if !q.tabs.take(have) {
		return reasonTabs, retryFull
	}
	if wait := q.rate.take(q.o.Now(), have); wait > 0 {
		q.tabs.settle(1)
		return reasonNewTabs, wait
	}
	return "", 0
}

// hasState looks twice: what was committed last may not have been followed.
func (q *Quota) hasState(tab store.Tab, client string) bool {
	d := q.o.Directory
	return d.HasState(tab, client) || d.CatchUp(context.Background()) == nil && d.HasState(tab, client)
}

// takeState takes a State that is not in the directory.
func (q *Quota) takeState() bool {
	have := q.o.Directory.StateCount()
	if !q.states.take(have) {
		return false
	}
	q.states.counted(have)
	return true
}

// retryFull is when to try again if there are too many names: only somebody who
// deletes some, or raises the limit, will change that.
const retryFull = time.Minute

// An over says which limit a name was over.
type over struct {
	limit       string
	wait        time.Duration // when to try again
	tab, client string
}

// over notes that a limit was reached.
func (q *Quota) over(limit string, wait time.Duration, tab, client string) *over {
	o := &over{limit, wait, strings.Clone(tab), strings.Clone(client)}
	q.last.Store(o)
	return o
}

// refuse is the answer to a request with a name too many.
func (q *Quota) refuse(o *over) *refusal {
	remedy := "delete tabs, or raise the limit"
	if o.limit == reasonNewTabs {
		remedy = fmt.Sprintf("send these in %d s and at most %.0f new ones at once, or raise the limit", seconds(o.wait), q.rate.most(q.o.Directory.TabCount()))
	}
	r := refuse(http.StatusTooManyRequests, o.limit, "%s Nothing of the request counts. Send known names, %s.", q.say(o), remedy)
	r.retry, r.tab, r.client = o.wait, o.tab, o.client
	return r
}

// say is a sentence about what was over a limit.
func (q *Quota) say(o *over) string {
	switch o.limit {
	case reasonTabs:
		return fmt.Sprintf("There are as many tabs as limits.tabs allows, %d, and %.100q would be a new one.", q.o.Tabs, o.tab)
	case reasonStates:
		return fmt.Sprintf("There are as many States (clients of tabs) as limits.states allows, %d, and client %.100q of tab %.100q would be a new one.",
			q.o.States, o.client, o.tab)
	}
	return fmt.Sprintf("More new tabs were made lately than limits.new_tabs allows, %d a second, and %.100q would be another one.", q.o.NewTabs, o.tab)
}

// Last is a sentence about what was over a limit last, "" if nothing was.
func (q *Quota) Last() string {
	if o := q.last.Load(); o != nil {
		return q.say(o)
	}
	return ""
}
