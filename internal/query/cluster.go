package query

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Server is what is known of a server that shares the store.
type Server struct {
	Name            string   `json:"name"`
	Address         string   `json:"address,omitempty"`
	Version         string   `json:"version,omitempty"`
	Roles           []string `json:"roles"`
	VBuckets        int      `json:"vbuckets"` // that it compacts
	EventsPerSecond float64  `json:"events_per_second"`
	BacklogBytes    int64    `json:"backlog_bytes"`
	Silent          float64  `json:"silent_seconds"` // since it said something new
	Sent            Sent     `json:"sent"`

	Enqueue   float64 `json:"-"` // medians, in seconds
	Processed float64 `json:"-"`
}

// Sent is what servers found out about parts that senders sent to them.
type Sent struct {
	Applied    uint64 `json:"applied"`
	Duplicates uint64 `json:"duplicates"` // sent again, and already counted
	Gaps       uint64 `json:"gaps"`       // the store lacks what was before: asked for again
	Forked     uint64 `json:"forked"`     // of another history: in quarantine at the agent
	Gone       uint64 `json:"gone"`       // too old to tell: in quarantine at the agent
	Unknown    uint64 `json:"unknown"`    // the store did not answer: sent again
	Lost       uint64 `json:"lost_events"`
}

func (s *Sent) add(o Sent) {
	s.Applied += o.Applied
	s.Duplicates += o.Duplicates
	s.Gaps += o.Gaps
	s.Forked += o.Forked
	s.Gone += o.Gone
	s.Unknown += o.Unknown
	s.Lost += o.Lost
}

// notice tells what of it an operator should know, nothing if all went well.
func (s *Sent) notice() string {
	var list []string
	say := func(n uint64, format string) {
		if n > 0 {
			list = append(list, fmt.Sprintf(format, n))
		}
	}
	say(s.Duplicates, "%d parts came again that were counted, and were not counted again")
	say(s.Gaps, "%d parts came before what the store lacked, which was asked for again")
	say(s.Unknown, "of %d parts the store did not tell what became of them; they are sent again")
	say(s.Forked, "%d parts belong to another history, and are in quarantine at their agents")
	say(s.Gone, "%d parts came too late, and are in quarantine at their agents")
	say(s.Lost, "%d events are lost that were posted to servers and that nobody holds any more")
	if list == nil {
		return ""
	}
	return "Sent again: " + strings.Join(list, "; ") + "."
}

// clusterStatus is what /status says beside v1's figures.
type clusterStatus struct {
	Servers []Server `json:"servers"`
	Sent    Sent     `json:"sent"`
}

func (h *Handler) cluster() clusterStatus {
	c := clusterStatus{Servers: h.o.Servers()}
	for i := range c.Servers {
		c.Sent.add(c.Servers[i].Sent)
	}
	return c
}

// text is for people.
func (c *clusterStatus) text() string {
	var b strings.Builder
	width := len("server")
	for i := range c.Servers {
		width = max(width, len(c.Servers[i].Name))
	}
	fmt.Fprintf(&b, "\n%-*s | roles      | vbuckets | events/s | backlog B | silent | version\n", width, "server")
	for i := range c.Servers {
		s := &c.Servers[i]
		fmt.Fprintf(&b, "%-*s | %-10s | %8d | %8.0f | %9d | %5.1fs | %s\n", width, s.Name,
			strings.Join(s.Roles, ","), s.VBuckets, s.EventsPerSecond, s.BacklogBytes, s.Silent, s.Version)
	}
	return b.String()
}

// Elsewhere answers for a route of a role that this server does not have: 421,
// whatever is asked, since another server has to be asked: it names one.
func (h *Handler) Elsewhere(role, what string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text := fmt.Sprintf("This server does not %s: it has the roles %s. %s", what, strings.Join(h.o.Roles, ", "), h.turnTo(role))
		if strings.HasPrefix(r.URL.Path, "/v2/") {
			h.refuse(w, r, &problem{status: http.StatusMisdirectedRequest, Code: codeElsewhere, Message: text})
			return
		}
		Error(w, r, http.StatusMisdirectedRequest, text)
	})
}

// turnTo says which servers have a role, a few of them.
func (h *Handler) turnTo(role string) string {
	const few = 3
	var urls []string
	for _, s := range h.all() {
		if slices.Contains(s.Roles, role) && s.Address != "" && len(urls) < few {
			urls = append(urls, s.Address)
		}
	}
	switch {
	case urls != nil:
		return fmt.Sprintf("Turn to %s, which has the role %s.", strings.Join(urls, " or "), role)
	case h.o.Servers != nil:
		return fmt.Sprintf("Turn to a server that has the role %s: of those that share the store none is there now that has it.", role)
	}
	return fmt.Sprintf("Turn to a server that has the role %s; /servers lists them.", role)
}
