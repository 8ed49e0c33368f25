package query

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tabaproject/taba/internal/trail"
)

// How much an Explanation tells.
const (
	maxTraces  = 50
	maxNear    = 10
	maxSending = 10
)

// explanation tells what became of a name.
func (s *Self) explanation(ctx context.Context, name string) (*Explanation, error) {
	x := &Explanation{
		Name: name, Kind: s.o.Kind, Server: s.o.Name, AsOf: s.asOf(), LagMS: s.lag(), Complete: true,
		Traces: []Trace{}, Near: []Near{}, Clients: []Sending{}, Agents: []ToldBy{},
	}
	var err error
	if s.o.Known != nil {
		var clients []Sending
		if x.Tab, clients, err = s.o.Known.Tab(ctx, name); err != nil {
			return nil, err
		}
		x.Clients = append(x.Clients, clients...)
	}
	exact, near := s.o.Trail.Find(name)
	for _, t := range exact {
		x.Traces = append(x.Traces, traced(&t))
	}
	near = append(near, s.agents(x)...)
	if err := s.near(ctx, x, near); err != nil {
		return nil, err
	}
	x.Watched = watched(s.o.Trail.Watched(name))
	x.Steps = x.steps()
	x.judge()
	return x, nil
}

// agents adds what agents have told of the name. It returns what they have told of
// names near to it.
func (s *Self) agents(x *Explanation) (near []trail.Trace) {
	if s.o.Agents == nil {
		return nil
	}
	for _, a := range s.o.Agents() {
		exact, like := trail.Find(a.Traces, x.Name)
		near = append(near, like...)
		if len(exact) == 0 {
			continue
		}
		by := ToldBy{Agent: a.Name, Address: a.Address, Seen: a.Seen, Backlog: a.BacklogEvents}
		for i := range exact {
			t := traced(&exact[i])
			t.Agent = a.Name
			if exact[i].Kind == trail.Refused {
				by.Refused += t.Events
			}
			x.Traces = append(x.Traces, t)
		}
		x.Agents = append(x.Agents, by)
	}
	slices.SortStableFunc(x.Traces, func(a, b Trace) int { return cmp.Compare(b.Last, a.Last) })
	x.Traces = x.Traces[:min(len(x.Traces), maxTraces)]
	return near
}

// watched is what was counted of a name, as it is told.
func watched(w *trail.Watched) *Watched {
	if w == nil {
		return nil
	}
	return &Watched{
		Since: instant(w.Since), Until: instant(w.Until),
		Received: w.Received, Refused: w.Refused, Clamped: w.Clamped, Folded: w.Folded,
	}
}

// traced is a Trace as it is told.
func traced(t *trail.Trace) Trace {
	why := trail.What(t.Door, t.Reason)
	x := Trace{
		Name: trail.Printable(t.Name), Bytes: max(t.Length, len(t.Name)), Kind: string(t.Kind), Door: t.Door, Step: stepOf(t), Reason: t.Reason,
		What: why.What, Remedy: why.Remedy, Limit: why.Limit, Detail: trail.Printable(t.Detail), Type: trail.Printable(t.Type),
		Events: t.Events, Times: t.Times, First: instant(t.First), Last: instant(t.Last), Client: trail.Printable(t.Client), Sender: t.Sender,
	}
	if t.Length > 0 {
		x.Name += "…"
	}
	return x
}

func instant(t time.Time) float64 { return seconds(t.Truncate(time.Microsecond)) }

// near adds names like the one that is asked for.
func (s *Self) near(ctx context.Context, x *Explanation, traces []trail.Trace) error {
	seen := map[string]bool{}
	add := func(n Near) {
		if len(x.Near) < maxNear && !seen[n.Name] && n.Name != x.Name {
			seen[n.Name] = true
			x.Near = append(x.Near, n)
		}
	}
	for i := range traces {
		t := traced(&traces[i])
		if traces[i].Name == "" {
			if x.Tab == nil && len(x.Traces) < maxTraces { // a request that names it in what was said of it
				x.Traces = append(x.Traces, t)
			}
			continue
		}
		add(Near{Name: t.Name, Type: t.Type, State: t.Kind, Reason: t.Reason})
	}
	if s.o.Known == nil || x.Tab != nil {
		return nil
	}
	names, err := s.o.Known.Names(ctx, x.Name)
	for _, n := range names {
		add(n)
	}
	slices.SortStableFunc(x.Near, func(a, b Near) int { return int(trail.Like(x.Name, a.Name) - trail.Like(x.Name, b.Name)) })
	return err
}

// stepOf is the step at which something happened.
func stepOf(t *trail.Trace) string {
	switch {
	case t.Kind == trail.Clamped:
		return "clamped"
	case t.Kind == trail.Moved:
		return "folded"
	case trail.Unreadable(t.Door, t.Reason):
		return "parsed"
	}
	return "refused"
}

// judge says in short what became of the name.
func (x *Explanation) judge() {
	refused, moved := x.worst(trail.Refused), x.worst(trail.Moved)
	switch {
	case x.Tab != nil && refused != nil:
		x.Verdict = VerdictPartly
		x.Summary = fmt.Sprintf("%s %s, but some of its events are refused: %s", quoted(x.Name), x.counts(), refused.say())
	case x.Tab != nil:
		x.Verdict = VerdictServed
		x.Summary = fmt.Sprintf("%s %s.", quoted(x.Name), x.counts())
	case refused != nil:
		x.Verdict = VerdictRefused
		x.Summary = fmt.Sprintf("%s does not count: %s", quoted(x.Name), refused.say())
	case moved != nil:
		x.Verdict = VerdictMoved
		x.Summary = fmt.Sprintf("%s counts elsewhere: %s", quoted(x.Name), moved.say())
	case len(x.Near) > 0:
		x.Verdict = VerdictNear
		x.Summary = fmt.Sprintf("Nothing of the name %s was received, but of names like it: did you mean %s%s?",
			quoted(x.Name), quoted(x.Near[0].Name), x.Near[0].but())
	default:
		x.Verdict = VerdictUnknown
		x.Summary = fmt.Sprintf("Nothing of the name %s, or like it, was received%s. Ask the agent or server that it is sent to, and look whether the sender got an answer.",
			quoted(x.Name), " by this "+x.Kind)
	}
	if x.Tab != nil && len(x.Tab.Others) > 0 {
		x.Summary += fmt.Sprintf(" Events of other Types than its own, %s, are kept apart: %s.", x.Tab.Type, list(x.Tab.Others))
	}
}

// but says what became of a name, unless it simply counts.
func (n *Near) but() string {
	if n.Reason == "" {
		return ""
	}
	return ", which is " + n.State
}

// worst returns the Trace of a kind that was noted last.
func (x *Explanation) worst(kind trail.Kind) *Trace {
	for i := range x.Traces {
		if x.Traces[i].Kind == string(kind) {
			return &x.Traces[i]
		}
	}
	return nil
}

// say tells of a Trace in sentences.
func (t *Trace) say() string {
	s := t.What
	if t.Limit != "" {
		s += " (" + t.Limit + ")"
	}
	if t.Agent != "" {
		s += ", at the agent " + t.Agent
	}
	return s + "; " + t.Remedy + "."
}

// counts says that the tab counts.
func (x *Explanation) counts() string {
	if x.Kind == "agent" {
		return "is taken and passed on to a server as a " + x.Tab.Type
	}
	return fmt.Sprintf("is served as a %s of %d client%s", x.Tab.Type, x.Tab.Clients, plural(x.Tab.Clients))
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

func quoted(name string) string { return `"` + trail.Printable(name) + `"` }
