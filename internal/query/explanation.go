package query

// Explanation is what became of a name: the answer of /v2/explain.
type Explanation struct {
	Name     string  `json:"name"`   // that is asked for
	Kind     string  `json:"kind"`   // of the process that answers: server or agent
	Server   string  `json:"server"` // its name
	AsOf     float64 `json:"as_of"`
	LagMS    float64 `json:"lag_ms"`
	Complete bool    `json:"complete"`

	Verdict string        `json:"verdict"`
	Summary string        `json:"summary"` // in sentences
	Tab     *ExplainedTab `json:"tab"`     // null: there is none of the name
	Steps   []Step        `json:"steps"`
	Traces  []Trace       `json:"traces"`  // what did not simply count
	Near    []Near        `json:"near"`    // names like it
	Clients []Sending     `json:"clients"` // who sent what is served, by rate
	Agents  []ToldBy      `json:"agents"`  // that know of the name
	Watched *Watched      `json:"watched"` // null: nobody watches the name
}

// Verdicts.
const (
	VerdictServed  = "served"         // it counts, and nothing is known against it
	VerdictPartly  = "partly_refused" // some of it counts
	VerdictRefused = "refused"        // nothing of it counts
	VerdictMoved   = "moved"          // it counts under another name
	VerdictNear    = "near"           // only names like it are known
	VerdictUnknown = "unknown"        // nothing like it was seen
)

// ExplainedTab is what is served of a name; of an agent, what it took.
type ExplainedTab struct {
	Type    string   `json:"type"`
	Others  []string `json:"other_types"` // of events that are kept apart
	Clients int      `json:"clients"`
	Events  *uint64  `json:"events"` // null: not counted by name
	Rate    *float64 `json:"events_per_second"`
}

// Step is one of those that events take.
type Step struct {
	Step   string   `json:"step"`
	State  string   `json:"state"`
	Events *uint64  `json:"events"` // null: not counted by name
	Rate   *float64 `json:"events_per_second"`
	Last   *float64 `json:"last"` // UTC seconds
	What   string   `json:"what"` // a sentence
}

// States of a Step.
const (
	StepOK      = "ok"
	StepBad     = "bad"     // events were stopped or changed here
	StepNone    = "none"    // nothing happened
	StepUnknown = "unknown" // it is not counted by name
)

// Trace is what happened to events of a name, other than to count.
type Trace struct {
	Name   string  `json:"name"` // as it was sent; what is not printable is \xNN
	Bytes  int     `json:"name_bytes"`
	Kind   string  `json:"kind"` // refused, clamped or moved
	Door   string  `json:"door"`
	Step   string  `json:"step"` // where it happened
	Reason string  `json:"reason"`
	What   string  `json:"what"`
	Remedy string  `json:"remedy"`
	Limit  string  `json:"limit"` // the setting that has to do with it, or ""
	Detail string  `json:"detail"`
	Type   string  `json:"type"`
	Events uint64  `json:"events"`
	Times  uint64  `json:"times"` // requests
	First  float64 `json:"first"`
	Last   float64 `json:"last"`
	Client string  `json:"client"`
	Sender string  `json:"sender"` // address
	Agent  string  `json:"agent"`  // "": this process itself
}

// Near is a name like the one that is asked for.
type Near struct {
	Name   string `json:"name"`
	Type   string `json:"type"`
	State  string `json:"state"` // served, or as the kind of a Trace
	Reason string `json:"reason"`
}

// Sending is a client that has sent what is served.
type Sending struct {
	Client string   `json:"client"`
	Events *float64 `json:"events"` // in the last minute, or ever if the Type keeps no times
	Rate   *float64 `json:"events_per_second"`
}

// ToldBy is an agent that knows of the name.
type ToldBy struct {
	Agent   string  `json:"agent"`
	Address string  `json:"address"`
	Seen    float64 `json:"last_seen"`
	Refused uint64  `json:"refused_events"`
	Backlog uint64  `json:"backlog_events"` // of all names
}

// Watched is what was counted of a name since it is watched.
type Watched struct {
	Since    float64 `json:"since"`
	Until    float64 `json:"until"`
	Received uint64  `json:"received_events"`
	Refused  uint64  `json:"refused_events"`
	Clamped  uint64  `json:"clamped_events"`
	Folded   uint64  `json:"folded_events"`
}
