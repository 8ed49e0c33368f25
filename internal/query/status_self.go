package query

// Status is what a process tells of itself: the answer of /v2/status.
type Status struct {
	Kind    string  `json:"kind"` // server or agent
	Name    string  `json:"name"`
	Version string  `json:"version"`
	AsOf    float64 `json:"as_of"`
	LagMS   float64 `json:"lag_ms"`
	Started float64 `json:"started"` // UTC seconds
	Uptime  float64 `json:"uptime_seconds"`

	Health   Health       `json:"health"`
	Store    *StoreState  `json:"store,omitempty"` // of a server
	Spool    *AgentState  `json:"spool,omitempty"` // of an agent, which is this one
	Tabs     int          `json:"tabs"`
	States   int          `json:"states"` // clients of tabs
	Clients  *int         `json:"clients"`
	Rates    []DoorRate   `json:"rates"`
	Refused  []Count      `json:"refused"`
	Servers  []ServerSeen `json:"servers"`
	Agents   []AgentState `json:"agents"`
	Delivery Delivery     `json:"delivery"`
	Latency  []Percentile `json:"latency"`
	Cost     Cost         `json:"cost"`
}

// What a process's health may be.
const (
	HealthOK       = "ok"
	HealthPartial  = "partial"  // something is missing from answers, or is not taken
	HealthDraining = "draining" // it is stopping
)

// Health is how a process is.
type Health struct {
	State   string   `json:"state"`
	Reasons []Reason `json:"reasons"` // why it is not ok
	Notices []Reason `json:"notices"` // what an operator should know all the same
}

// Reason is something that is to be known of a process.
type Reason struct {
	Code string `json:"code"`
	What string `json:"what"` // a sentence
}

// StoreState is how a server's store is.
type StoreState struct {
	Kind     string `json:"kind"` // pebble, redis or memory
	VBuckets int    `json:"vbuckets"`
	Log      int64  `json:"log_bytes"`
	Records  int64  `json:"record_bytes"`
	Events   uint64 `json:"events"` // that were ever appended
	Commits  uint64 `json:"commits"`
}

// DoorRate is what comes in by one door.
type DoorRate struct {
	Door     string  `json:"door"` // v1, v2, parts or statsd
	Events   uint64  `json:"events"`
	PerSec   float64 `json:"events_per_second"`
	Bytes    uint64  `json:"bytes"`
	BytesSec float64 `json:"bytes_per_second"`
}

// Count is how much was refused by one door for one reason.
type Count struct {
	Door   string `json:"door"`
	Reason string `json:"reason"`
	Unit   string `json:"unit"` // events, requests, lines, values or datagrams
	N      uint64 `json:"n"`
	What   string `json:"what"` // the reason in words
}

// ServerSeen is a server that shares the store.
type ServerSeen struct {
	ID      string   `json:"id"`
	Name    string   `json:"name"`
	Address string   `json:"address"`
	Roles   []string `json:"roles"`
	Version string   `json:"version"`
	Seen    float64  `json:"last_heartbeat"`
	Self    bool     `json:"self"` // it is the one that answers
}

// AgentState is what an agent says of itself.
type AgentState struct {
	ID            string  `json:"id"` // of its Source in force; "": it has none
	Name          string  `json:"name"`
	Address       string  `json:"address"`
	Version       string  `json:"version"`
	Seen          float64 `json:"last_seen"`
	SpoolBytes    int64   `json:"spool_bytes"`
	SpoolQuota    int64   `json:"spool_quota_bytes"`
	Oldest        float64 `json:"oldest_seconds"` // of what waits
	BacklogBytes  int64   `json:"backlog_bytes"`
	BacklogEvents uint64  `json:"backlog_events"`
	Resent        uint64  `json:"resent_parts"`    // sent more than once, since it began
	ResentAt      float64 `json:"resent_at"`       // the last; 0: none since it began
	Restored      uint64  `json:"restored_events"` // acknowledged, lost by the store, sent again; since it began
	Lost          uint64  `json:"lost_events"`     // for certain, since it has its spool
	LostWhere     string  `json:"lost_vbuckets"`   // of those, in words; "": none
	InDoubt       uint64  `json:"in_doubt_events"` // in quarantine, counted or not; since it has its spool
	LossAt        float64 `json:"loss_at"`         // one of them last grew; 0: not since it began
	Damaged       uint64  `json:"damaged_records"` // of the spool, found when it began
	Quarantine    int64   `json:"quarantine_bytes"`
	Refused       uint64  `json:"refused_events"` // by the agent, before it acknowledged them
	LastError     string  `json:"last_error"`
}

// Delivery is what became, other than to be counted at once, of events that were
// acknowledged: of all agents that the process knows, and of servers.
type Delivery struct {
	Resent   uint64  `json:"resent_parts"`
	ResentAt float64 `json:"resent_at"` // the last; 0: none
	Restored uint64  `json:"restored_events"`
	Lost     uint64  `json:"lost_events"` // for certain
	InDoubt  uint64  `json:"in_doubt_events"`
	LossAt   float64 `json:"loss_at"` // events were last lost or put in doubt; 0: not of late
	Damaged  uint64  `json:"damaged_records"`
	// PostedLost are events that servers acknowledged to senders without
	// numbers, and that the store has lost; since the servers began.
	PostedLost uint64 `json:"posted_lost_events"`
}

// Sum adds up what agents say.
func (d *Delivery) Sum(agents []AgentState) {
	for i := range agents {
		a := &agents[i]
		d.Resent += a.Resent
		d.Restored += a.Restored
		d.Lost += a.Lost
		d.InDoubt += a.InDoubt
		d.Damaged += a.Damaged
		d.ResentAt, d.LossAt = max(d.ResentAt, a.ResentAt), max(d.LossAt, a.LossAt)
	}
}

// Percentile is how long one stage of work took of late.
type Percentile struct {
	Stage string  `json:"stage"` // ingest, commit or query
	Count uint64  `json:"count"`
	P50   float64 `json:"p50_ms"`
	P90   float64 `json:"p90_ms"`
	P99   float64 `json:"p99_ms"`
	Max   float64 `json:"max_ms"`
}

// Cost is what an event costs beside computing: the four horsemen of
// performance, over the last stretch of time in which there were events.
type Cost struct {
	Events   uint64   `json:"events"`  // in that time
	Seconds  float64  `json:"seconds"` // its length
	Copied   *float64 `json:"copied_bytes_per_event"`
	Switches *float64 `json:"context_switches_per_1000_events"`
	Allocs   *float64 `json:"allocations_per_1000_events"`
	LockWait *float64 `json:"lock_wait_ns_per_event"`
}
