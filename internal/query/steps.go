package query

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tabaproject/taba/internal/trail"
)

// steps are the ones that events take, in order, with what is known of the name
// in each.
func (x *Explanation) steps() []Step {
	steps := []Step{x.received(), x.stopped("parsed"), x.stopped("refused"), x.stopped("clamped")}
	if x.Kind == "agent" {
		return append(steps, x.spooled(), x.acknowledged())
	}
	return append(steps, x.acknowledged(), x.folded(), x.served())
}

// received is what came in: what is refused is known, what counts is counted by
// name only while somebody watches.
func (x *Explanation) received() Step {
	s := Step{Step: "received", State: StepUnknown, What: "Counted by name only while somebody watches it."}
	var last float64
	for _, t := range x.Traces {
		last = max(last, t.Last)
	}
	if last > 0 {
		s.Last = &last
	}
	switch {
	case x.Watched != nil:
		s.Events, s.State, s.What = &x.Watched.Received, StepOK, "Since it is watched."
		if x.Watched.Received == 0 {
			s.State, s.What = StepNone, "Nothing since it is watched."
		}
	case x.Tab == nil && len(x.Traces) == 0:
		s.State, s.What = StepNone, "Nothing of this name is known."
	case x.Tab != nil || len(x.Traces) > 0:
		s.State = StepOK
	}
	return s
}

// stopped is a step at which events are stopped or changed.
func (x *Explanation) stopped(step string) Step {
	s := Step{Step: step, State: StepNone}
	var n uint64
	var reasons []string
	for _, t := range x.Traces {
		if t.Step != step {
			continue
		}
		s.State = StepBad
		n += t.Events
		if s.Last == nil || *s.Last < t.Last {
			s.Last = &t.Last
		}
		if !slices.Contains(reasons, t.Reason) {
			reasons = append(reasons, t.Reason)
		}
	}
	s.Events = &n
	s.What = nothing[step]
	if s.State == StepBad {
		s.What = fmt.Sprintf(something[step], strings.Join(reasons, ", "))
	} else if step == "parsed" && (x.Tab != nil || len(x.Traces) > 0) {
		s.State = StepOK
	}
	return s
}

// What the steps say that events are stopped at.
var (
	nothing = map[string]string{
		"parsed": "All of it could be read.", "refused": "Nothing of it was refused.", "clamped": "Nothing of it came from the future.",
	}
	something = map[string]string{
		"parsed": "Some of it could not be read: %s.", "refused": "Refused: %s.", "clamped": "Its time was moved to now (%s).",
	}
)

// spooled is what an agent has made durable.
func (x *Explanation) spooled() Step {
	s := Step{Step: "spooled", State: StepNone, What: "Nothing of it is in the spool."}
	if x.Tab != nil {
		s.State, s.What = StepOK, "What was acknowledged was in the spool before, and will be counted."
	}
	return s
}

// acknowledged is what senders were told that it counts.
func (x *Explanation) acknowledged() Step {
	s := Step{Step: "acknowledged", State: StepNone, What: "Nothing of it was acknowledged."}
	if x.Tab != nil {
		s.State, s.What = StepOK, "What is folded was acknowledged after it was durable."
	}
	return s
}

// folded is what the tab's States hold.
func (x *Explanation) folded() Step {
	s := Step{Step: "folded", State: StepNone, What: "There is no such tab."}
	if moved := x.worst(trail.Moved); moved != nil {
		s.State, s.What, s.Last = StepBad, "Counted under another name: "+moved.What+".", &moved.Last
	}
	if x.Tab != nil {
		s.State, s.Events = StepOK, x.Tab.Events
		s.What = fmt.Sprintf("Into a %s of %d client%s.", x.Tab.Type, x.Tab.Clients, plural(x.Tab.Clients))
	}
	return s
}

// served is what answers are made from.
func (x *Explanation) served() Step {
	s := Step{Step: "served", State: StepNone, What: "No answer has it."}
	if x.Tab == nil {
		return s
	}
	s.State, s.Events, s.Rate, s.What = StepOK, x.Tab.Events, x.Tab.Rate, "Every query that begins now has it."
	if len(x.Tab.Others) > 0 {
		s.State, s.What = StepBad, "Answers leave out events of other Types: "+list(x.Tab.Others)+"."
	}
	return s
}

func list(texts []string) string { return strings.Join(texts, ", ") }
