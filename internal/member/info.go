package member

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Roles of servers.
const (
	Front   = "fe"   // takes events
	Back    = "be"   // compacts, prunes, forgets
	Control = "ctrl" // answers questions
)

// Roles are all there are, in the order in which they are shown.
var Roles = []string{Front, Back, Control}

// Info is what a member says of itself. Releases before and after this one say
// less or more: what is not known is left out, what is missing is zero.
type Info struct {
	Name    string   `json:"name"`
	Address string   `json:"address,omitempty"` // URL under which others reach it
	Version string   `json:"version,omitempty"`
	Roles   []string `json:"roles"`
	// Encodings is the newest level of encodings that it reads; 0, as releases
	// say that do not know of it: Unsaid of its Group's Options.
	Encodings int `json:"encodings,omitempty"`
	// Beat is how many milliseconds pass until it says something again, at most.
	Beat int64 `json:"beat_ms"`

	Events    uint64  `json:"events"`            // taken since it started
	Rate      float64 `json:"events_per_second"` // lately
	Backlog   int64   `json:"backlog_bytes"`     // of requests that are not committed yet
	Commits   uint64  `json:"commits"`
	Enqueue   float64 `json:"enqueue_seconds"` // medians, as Latency of package query
	Processed float64 `json:"processed_seconds"`
	// How often it was asked to have everything compacted, and written anew.
	Recompute uint64 `json:"recompute"`
	Renew     uint64 `json:"renew"`

	Sent Reconciliation `json:"sent"`
}

// Reconciliation is what senders and the store had to find out of each other,
// in parts unless it is events.
type Reconciliation struct {
	Applied    uint64 `json:"applied"`
	Duplicates uint64 `json:"duplicates"` // sent again, and already counted
	Gaps       uint64 `json:"gaps"`       // the store lacks what was before: asked for again
	Forked     uint64 `json:"forked"`     // of another history: in quarantine at its agent
	Gone       uint64 `json:"gone"`       // too old to tell: in quarantine at its agent
	Unknown    uint64 `json:"unknown"`    // the store did not answer: sent again
	// Lost is events of v1 posts and of statsd that this server acknowledged
	// and the store has lost since: nobody can send them again.
	Lost uint64 `json:"lost_events"`
}

// Add adds another member's figures.
func (r *Reconciliation) Add(o Reconciliation) {
	r.Applied += o.Applied
	r.Duplicates += o.Duplicates
	r.Gaps += o.Gaps
	r.Forked += o.Forked
	r.Gone += o.Gone
	r.Unknown += o.Unknown
	r.Lost += o.Lost
}

// Has reports whether a member has a role.
func (i *Info) Has(role string) bool { return slices.Contains(i.Roles, role) }

// beat is how long the member may be silent.
func (i *Info) beat() time.Duration {
	return min(max(time.Duration(i.Beat)*time.Millisecond, minBeat), maxBeat)
}

func (i *Info) encode() []byte {
	b, _ := json.Marshal(i) // strings and numbers
	return b
}

// decode reads what a member says; false if it is nothing that a member would.
func decode(says []byte) (i Info, ok bool) {
	err := json.Unmarshal(says, &i)
	i.Roles = slices.DeleteFunc(i.Roles, func(r string) bool { return strings.TrimSpace(r) == "" })
	return i, err == nil && i.Name != ""
}
