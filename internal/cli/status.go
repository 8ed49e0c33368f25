package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Status is how a server or agent says it is.
type Status struct {
	Kind, Name, Version string
	Lag                 float64 `json:"lag_ms"`
	Uptime              float64 `json:"uptime_seconds"`
	Health              struct {
		State            string
		Reasons, Notices []struct{ Code, What string }
	}
	Store *struct {
		Kind    string
		Log     int64 `json:"log_bytes"`
		Records int64 `json:"record_bytes"`
		Events  uint64
	}
	Spool        *StatusAgent
	Tabs, States int
	Clients      *int
	Rates        []struct {
		Door          string
		Events, Bytes uint64
		PerSec        float64 `json:"events_per_second"`
		BytesSec      float64 `json:"bytes_per_second"`
	}
	Refused []struct {
		Door, Reason, Unit, What string
		N                        uint64
	}
	Servers []struct {
		Name, Address, Version string
		Roles                  []string
		Seen                   float64 `json:"last_heartbeat"`
		Self                   bool
	}
	Agents   []StatusAgent
	Delivery StatusDelivery
	Latency  []StatusLatency
	Cost     struct {
		Events   uint64
		Copied   *float64 `json:"copied_bytes_per_event"`
		Switches *float64 `json:"context_switches_per_1000_events"`
		Allocs   *float64 `json:"allocations_per_1000_events"`
		LockWait *float64 `json:"lock_wait_ns_per_event"`
	}
}

// StatusAgent is what an agent says of itself.
type StatusAgent struct {
	ID, Name, Address, Version string
	Seen                       float64 `json:"last_seen"`
	SpoolBytes                 int64   `json:"spool_bytes"`
	SpoolQuota                 int64   `json:"spool_quota_bytes"`
	Oldest                     float64 `json:"oldest_seconds"`
	BacklogBytes               int64   `json:"backlog_bytes"`
	BacklogEvents              uint64  `json:"backlog_events"`
	Resent                     uint64  `json:"resent_parts"`
	ResentAt                   float64 `json:"resent_at"`
	Restored                   uint64  `json:"restored_events"`
	Lost                       uint64  `json:"lost_events"`
	LostWhere                  string  `json:"lost_vbuckets"`
	InDoubt                    uint64  `json:"in_doubt_events"`
	Damaged                    uint64  `json:"damaged_records"`
	Quarantine                 int64   `json:"quarantine_bytes"`
	Refused                    uint64  `json:"refused_events"`
	LastError                  string  `json:"last_error"`
}

// StatusLatency is how long a stage of work took of late, in milliseconds.
type StatusLatency struct {
	Stage string
	Count uint64
	P50   float64 `json:"p50_ms"`
	P90   float64 `json:"p90_ms"`
	P99   float64 `json:"p99_ms"`
	Max   float64 `json:"max_ms"`
}

// Status asks how a server or agent is. It returns the answer with its text as it
// came.
func (c *Client) Status(ctx context.Context) (*Status, []byte, error) {
	body, err := c.Get(ctx, "/v2/status", Query{}, "application/json")
	if err != nil {
		return nil, nil, err
	}
	var s Status
	if err := json.Unmarshal(body, &s); err != nil || s.Health.State == "" {
		return nil, nil, fmt.Errorf("%s did not answer as /v2/status does (%v); is it Taba of this version?", c.URL, err)
	}
	return &s, body, nil
}

// Lacks says why the process is not ok, nil if it is.
func (s *Status) Lacks() error {
	if s.Health.State == "ok" {
		return nil
	}
	var why []string
	for _, r := range s.Health.Reasons {
		why = append(why, r.What)
	}
	return &PartialError{fmt.Sprintf("%s is %s: %s", s.Name, s.Health.State, strings.Join(why, "; "))}
}

// Status writes how a process is: what it is, then a table for each thing of which
// there may be several.
func (o Output) Status(url string, s *Status) error {
	parts := []string{o.Grid("", []string{"KEY", "VALUE"}, s.rows(url), 2)}
	table := func(title string, header []string, rows [][]string, left int) {
		if len(rows) > 0 {
			parts = append(parts, o.grid(title, header, rows, left))
		}
	}
	table("What comes in", []string{"DOOR", "EVENTS", "A SECOND", "BYTES", "A SECOND"}, s.rates(), 1)
	table("Refused", []string{"DOOR", "REASON", "OF", "HOW MANY"}, s.refused(), 3)
	if s.Kind == "server" {
		table("Servers", []string{"SERVER", "ADDRESS", "ROLES", "VERSION", "HEARTBEAT"}, s.servers(), 5)
		table("Agents", agentHeader, agents(s.Agents), 3)
	}
	_, err := fmt.Fprintln(o.W, strings.Join(parts, "\n\n"))
	return err
}

// StatusCSV writes the first table of Status.
func (o Output) StatusCSV(url string, s *Status) error {
	return o.CSV([]string{"key", "value"}, s.rows(url))
}

func (s *Status) rows(url string) [][]string {
	rows := [][]string{{"url", url}, {"kind", s.Kind}, {"name", s.Name}, {"version", s.Version}}
	add := func(key, format string, args ...any) {
		rows = append(rows, []string{key, fmt.Sprintf(format, args...)})
	}
	add("up", "%s", time.Duration(s.Uptime*float64(time.Second)).Round(time.Second))
	add("health", "%s", s.Health.State)
	for _, r := range s.Health.Reasons {
		add("because", "%s", r.What)
	}
	for _, n := range s.Health.Notices {
		add("notice", "%s", n.What)
	}
	add("tabs", "%d", s.Tabs)
	if s.Clients != nil {
		add("clients", "%d", *s.Clients)
	}
	add("states", "%d", s.States)
	if st := s.Store; st != nil {
		add("lag", "%s ms", rate(&s.Lag))
		add("store", "%s: %s of log, %s of records, %s events ever", st.Kind, Size(float64(st.Log)), Size(float64(st.Records)), count(&st.Events))
	}
	if a := s.Spool; a != nil {
		add("spool", "%s of %s", Size(float64(a.SpoolBytes)), Size(float64(a.SpoolQuota)))
		add("backlog", "%s events, %s, the oldest %s old", count(&a.BacklogEvents), Size(float64(a.BacklogBytes)), age(a.Oldest))
		if a.Quarantine > 0 {
			add("quarantine", "%s", Size(float64(a.Quarantine)))
		}
	}
	rows = append(rows, s.Delivery.rows(s.where())...)
	return append(rows, s.costs()...)
}

// costs are what an event costs beside computing.
func (s *Status) costs() (rows [][]string) {
	const few = 1000 // events of which the average says nothing
	if s.Cost.Events < few {
		return nil
	}
	for _, c := range []struct {
		key, unit string
		v         *float64
	}{
		{"copied", "bytes an event", s.Cost.Copied}, {"switches", "context switches in 1,000 events", s.Cost.Switches},
		{"allocations", "in 1,000 events", s.Cost.Allocs}, {"lock wait", "ns an event", s.Cost.LockWait},
	} {
		if c.v != nil {
			rows = append(rows, []string{c.key, rate(c.v) + " " + c.unit})
		}
	}
	return rows
}

func (s *Status) rates() (rows [][]string) {
	for _, r := range s.Rates {
		rows = append(rows, []string{r.Door, count(&r.Events), rate(&r.PerSec), Size(float64(r.Bytes)), Size(r.BytesSec)})
	}
	return rows
}

func (s *Status) refused() (rows [][]string) {
	for _, r := range s.Refused {
		rows = append(rows, []string{r.Door, r.Reason, r.Unit, count(&r.N)})
	}
	return rows
}

func (s *Status) servers() (rows [][]string) {
	for _, r := range s.Servers {
		name := r.Name
		if r.Self {
			name += " (this one)"
		}
		rows = append(rows, []string{name, r.Address, strings.Join(r.Roles, ","), r.Version, clock(r.Seen)})
	}
	return rows
}

var agentHeader = []string{"AGENT", "ADDRESS", "SEEN", "SPOOL", "BACKLOG", "OLDEST", "SENT AGAIN", "LAST", "RESTORED", "LOST", "IN DOUBT", "REFUSED"}

func agents(list []StatusAgent) (rows [][]string) {
	for _, a := range list {
		rows = append(rows, []string{
			a.Name, a.Address, clock(a.Seen), Size(float64(a.SpoolBytes)), count(&a.BacklogEvents), age(a.Oldest),
			count(&a.Resent), clockOr(a.ResentAt), count(&a.Restored), count(&a.Lost), count(&a.InDoubt), count(&a.Refused),
		})
	}
	return rows
}

func age(seconds float64) string {
	return time.Duration(seconds * float64(time.Second)).Round(time.Second / 10).String()
}

// Latencies writes how long stages took.
func (o Output) Latencies(s *Status) error {
	_, err := fmt.Fprintln(o.W, o.Grid("", []string{"STAGE", "COUNT", "P50 MS", "P90 MS", "P99 MS", "MAX MS"}, s.latencies(func(v float64) string { return rate(&v) }), 1))
	return err
}

// LatenciesCSV writes the same as CSV.
func (o Output) LatenciesCSV(s *Status) error {
	return o.CSV([]string{"stage", "count", "p50_ms", "p90_ms", "p99_ms", "max_ms"}, s.latencies(func(v float64) string { return number(&v) }))
}

func (s *Status) latencies(text func(float64) string) (rows [][]string) {
	for _, l := range s.Latency {
		rows = append(rows, []string{l.Stage, strconv.FormatUint(l.Count, 10), text(l.P50), text(l.P90), text(l.P99), text(l.Max)})
	}
	return rows
}

// Size writes bytes for people.
func Size(bytes float64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	i := 0
	for ; bytes >= 1024 && i < len(units)-1; i++ {
		bytes /= 1024
	}
	if i == 0 || bytes >= 100 {
		return fmt.Sprintf("%.0f %s", bytes, units[i])
	}
	return fmt.Sprintf("%.1f %s", bytes, units[i])
}
