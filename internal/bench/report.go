package bench

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/tabaproject/taba/internal/cli"
)

// Number is a figure; NaN, which is null in JSON, if nothing tells it.
type Number float64

// MarshalJSON writes at most six digits: more say nothing.
func (n Number) MarshalJSON() ([]byte, error) {
	if !n.known() {
		return []byte("null"), nil
	}
	return strconv.AppendFloat(nil, rounded(float64(n)), 'f', -1, 64), nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (n *Number) UnmarshalJSON(b []byte) error {
	*n = Number(math.NaN())
	if string(b) == "null" {
		return nil
	}
	return json.Unmarshal(b, (*float64)(n))
}

func (n Number) known() bool { return !math.IsNaN(float64(n)) && !math.IsInf(float64(n), 0) }

func rounded(v float64) float64 {
	r, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 6, 64), 64)
	return r
}

// String is for people: three digits that count, thousands apart.
func (n Number) String() string {
	v := math.Abs(float64(n))
	switch {
	case !n.known():
		return "–"
	case v == 0:
		return "0"
	case v >= 100:
		return cli.Group(strconv.FormatFloat(float64(n), 'f', 0, 64))
	case v >= 10:
		return strconv.FormatFloat(float64(n), 'f', 1, 64)
	case v >= 1:
		return strconv.FormatFloat(float64(n), 'f', 2, 64)
	case v >= 0.001:
		return strconv.FormatFloat(float64(n), 'f', 3, 64)
	}
	return strconv.FormatFloat(float64(n), 'g', 2, 64)
}

// Whole is String for what is counted.
func (n Number) Whole() string { return cli.Group(strconv.FormatFloat(float64(n), 'f', 0, 64)) }

// Report is what a Run measured. Its JSON is for programs; fields are added
// and never renamed.
type Report struct {
	Load          Load           `json:"load"`
	Seconds       Number         `json:"seconds"`
	Sent          uint64         `json:"sent"`    // events; statsd: lines
	Taken         uint64         `json:"taken"`   // acknowledged; statsd: lines read
	Missing       float64        `json:"missing"` // of all that were acknowledged, not counted in the end; statsd: lines lost
	Refused       uint64         `json:"refused"`
	PerSecond     Number         `json:"per_second"`
	BytesPerEvent Number         `json:"bytes_per_event"`
	Ack           *Latency       `json:"ack"` // null: the protocol acknowledges nothing
	Commits       Number         `json:"commits_per_second"`
	LogMB         Number         `json:"log_mb"`
	RecordMB      Number         `json:"record_mb"`
	Sides         []Side         `json:"sides"`
	Calibration   [2]Calibration `json:"calibration"` // before and after

	private bool
}

// Side is what one process paid in the time measured.
type Side struct {
	Name     string `json:"name"` // sender, agent or server
	Events   Number `json:"events"`
	CPU      Number `json:"cpu_ns_per_event"`
	Cores    Number `json:"cores"`
	Allocs   Number `json:"allocations_per_event"`
	Copies   Number `json:"copies_per_byte"`
	Switches Number `json:"voluntary_switches_per_1000_events"`
	Syscalls Number `json:"read_write_calls_per_1000_events"`
	Mutex    Number `json:"mutex_wait_ns_per_event"`
	Memory   Number `json:"resident_mb"`
	Peak     Number `json:"peak_resident_mb"`
}

// Side returns the side of that name; its figures are not known if it was not
// measured.
func (r *Report) Side(name string) Side {
	for _, s := range r.Sides {
		if s.Name == name {
			return s
		}
	}
	nan := Number(math.NaN())
	return Side{name, nan, nan, nan, nan, nan, nan, nan, nan, nan, nan}
}

// unit is what is counted.
func (r *Report) unit() string {
	if r.Load.Protocol == Statsd {
		return "line"
	}
	return "event"
}

// multiply is the time of a multiplication in the calibrations, the one figure
// that depends on nothing but the processor's clock and share.
func (r *Report) multiply() float64 {
	return (r.Calibration[0].Multiply + r.Calibration[1].Multiply) / 2
}

// Text shows the report to people.
func (r *Report) Text(out cli.Output) string {
	var b strings.Builder
	u := r.unit()
	fmt.Fprintf(&b, "%s\n\n", r.Load.text())
	fmt.Fprintf(&b, "  %-17s%s %ss/s for %s s; %s were sent and %s taken%s\n",
		"throughput", r.PerSecond, u, Number(math.Round(float64(r.Seconds)*10)/10), Number(r.Sent).Whole(), Number(r.Taken).Whole(), r.lost())
	if r.Ack != nil {
		fmt.Fprintf(&b, "  %-17sp50 %s  p90 %s  p99 %s  p99.9 %s  max %s ms, from when it was due\n", "acknowledged in",
			Number(r.Ack.P50), Number(r.Ack.P90), Number(r.Ack.P99), Number(r.Ack.P999), Number(r.Ack.Max))
	}
	if r.Commits.known() {
		fmt.Fprintf(&b, "  %-17s%s commits/s of %s %ss; log %s MB beside records of %s MB\n",
			"store", r.Commits, ratio(float64(r.PerSecond), float64(r.Commits)), u, r.LogMB, r.RecordMB)
	}
	fmt.Fprintf(&b, "\n%s\n\n", r.table(out))
	fmt.Fprintf(&b, "  machine before:  %s\n  machine after:   %s\n", r.Calibration[0], r.Calibration[1])
	return b.String()
}

// lost says what the receiver did not take or count.
func (r *Report) lost() string {
	switch {
	case r.Load.Protocol == Statsd && r.Missing > 0:
		return fmt.Sprintf("; in all %s lines were lost", Number(r.Missing).Whole())
	case r.Missing > 0:
		return fmt.Sprintf("; %s acknowledged events are NOT COUNTED", Number(r.Missing).Whole())
	case r.Refused > 0:
		return fmt.Sprintf("; %s were refused", Number(r.Refused).Whole())
	}
	return ""
}

// text is the load in words.
func (l *Load) text() string {
	rate := "as fast as they are taken"
	if l.Rate > 0 {
		rate = Number(l.Rate).Whole() + " a second"
	}
	if l.Protocol == Statsd {
		return fmt.Sprintf("statsd over %s: lines of %s names, %s", l.Transport, Number(l.Tabs).Whole(), rate)
	}
	return fmt.Sprintf("%s: %s tabs × %s clients, %s events a bundle, %s", l.Protocol, Number(l.Tabs).Whole(), Number(l.Clients).Whole(), Number(l.Bundle).Whole(), rate)
}

// table has a row for each cost and a column for each side.
func (r *Report) table(out cli.Output) string {
	u := r.unit()
	header := []string{"COST"}
	for _, s := range r.Sides {
		header = append(header, strings.ToUpper(s.Name))
	}
	var rows [][]string
	row := func(name string, f func(Side) Number) {
		cells := []string{name}
		for _, s := range r.Sides {
			cells = append(cells, f(s).String())
		}
		rows = append(rows, cells)
	}
	row("CPU ns / "+u, func(s Side) Number { return s.CPU })
	row("the same in multiplications", func(s Side) Number { return ratio(float64(s.CPU), r.multiply()) })
	row("cores busy", func(s Side) Number { return s.Cores })
	row("allocations / "+u, func(s Side) Number { return s.Allocs })
	row("copies / byte received", func(s Side) Number { return s.Copies })
	row("voluntary switches / 1,000 "+u+"s", func(s Side) Number { return s.Switches })
	row("read and write calls / 1,000 "+u+"s", func(s Side) Number { return s.Syscalls })
	row("mutex wait ns / "+u, func(s Side) Number { return s.Mutex })
	row("resident MB", func(s Side) Number { return s.Memory })
	row("peak resident MB", func(s Side) Number { return s.Peak })
	return out.Grid("What each side paid", header, rows, 1)
}
