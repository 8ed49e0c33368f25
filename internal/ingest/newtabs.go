package ingest

import (
	"fmt"
	"net/http"
	"sync/atomic"
)

// NewTabs bounds how many tabs there may be. It is safe for concurrent use and
// shared by the Handlers of a process. What is being committed when the limit is
// reached may exceed it: that is bounded by the Budget.
type NewTabs struct {
	max     int64
	known   func() int   // tabs there are
	pending atomic.Int64 // tabs that requests are about to make
}

// NewNewTabs returns a NewTabs for at most max tabs, of which known tells how
// many there are.
func NewNewTabs(max int, known func() int) *NewTabs {
	return &NewTabs{max: int64(max), known: known}
}

// take asks for one more tab. A nil NewTabs has no limit.
func (n *NewTabs) take() bool {
	if n == nil || int64(n.known())+n.pending.Add(1) <= n.max {
		return true
	}
	n.pending.Add(-1)
	return false
}

// give tells that tabs that were asked for are known, or came to nothing.
func (n *NewTabs) give(tabs int64) {
	if n != nil {
		n.pending.Add(-tabs)
	}
}

// over is the answer to a request with a tab too many.
func (n *NewTabs) over(tab string) *refusal {
	return &refusal{http.StatusTooManyRequests, reasonTabs,
		fmt.Sprintf("There are as many tabs as limits.tabs allows, %d, and %.100q would be a new one. Nothing of the request counts. Send known names, delete tabs, or raise the limit.", n.max, tab)}
}
