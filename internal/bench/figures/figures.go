package figures

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/tabaproject/taba/internal/bench"
)

// Options are how much is measured.
type Options struct {
	Binary string // the program to measure
	Rounds int
	For    time.Duration // one round of what is sustained

	States   int     // restart: States in the store, of 100 clients each tab
	SpoolMiB int64   // drain: MiB in the spool
	Rate     float64 // price: events offered a second
	Uploads  int     // slow: uploads at the same time
}

// Figure is one row of a table.
type Figure struct {
	Name    string    `json:"name"`
	Column  string    `json:"column,omitempty"` // of the second table, whose rows are Names; empty: a row of the first
	Unit    string    `json:"unit"`
	Values  []float64 `json:"values"` // of each round
	Goal    *Goal     `json:"goal,omitempty"`
	Remark  string    `json:"remark,omitempty"`
	Reached *bool     `json:"reached,omitempty"` // filled in by Result
}

// Goal is what a median is held to.
type Goal struct {
	Limit   float64 `json:"limit"`
	AtLeast bool    `json:"at_least,omitempty"` // else at most
}

func (g *Goal) reached(v float64) bool {
	if g.AtLeast {
		return v >= g.Limit
	}
	return v <= g.Limit
}

func atMost(name string, v []float64, unit string, limit float64, remark string) Figure {
	return Figure{Name: name, Values: v, Unit: unit, Goal: &Goal{Limit: limit}, Remark: remark}
}

func atLeast(name string, v []float64, unit string, limit float64, remark string) Figure {
	return Figure{Name: name, Values: v, Unit: unit, Goal: &Goal{Limit: limit, AtLeast: true}, Remark: remark}
}

func plain(name string, v []float64, unit, remark string) Figure {
	return Figure{Name: name, Values: v, Unit: unit, Remark: remark}
}

// Result is what one measurement came to.
type Result struct {
	Name        string               `json:"name"`
	Title       string               `json:"title"`
	Figures     []Figure             `json:"figures"`
	Calibration [2]bench.Calibration `json:"calibration"` // before and after
	Seconds     float64              `json:"seconds"`     // that it took
	Failed      string               `json:"failed,omitempty"`
}

// measurement is one of those that can be named.
type measurement struct {
	name, group, title string
	run                func(context.Context, *setup) ([]Figure, error)
}

// all, in the order they are run.
var all = []measurement{
	{"idle", "speed", "Processes that have nothing to do", idle},
	{"v2", "speed", "v2 stream to committed state and back, compaction running and /tabs asked every second", streams},
	{"v1", "speed", "v1 posts to committed state", posts},
	{"statsd", "speed", "statsd to committed state", lines},
	{"client", "speed", "Recording in the Go client", client},
	{"ack", "speed", "Acknowledgement of a small v2 Batch by a server with nothing else to do", ack},
	{"visible", "speed", "From being recorded to being visible in a query, at 1,000,000 events/s", visible},
	{"query", "speed", "Queries of what is in memory", query},
	{"batching", "speed", "What a larger load costs the server for an event", batching},
	{"burst", "speed", "Memory after a burst", burst},
	{"agents-cluster", "cluster", "Through two agents to three servers on two shards of Redis", agentsCluster},
	{"slow", "pressure", "Slow uploads of 256 KiB each", slow},
	{"overload", "pressure", "Twice the capacity", overload},
	{"restart", "recovery", "Restart after kill -9", restart},
	{"drain", "recovery", "Draining an agent's spool", drain},
	{"price", "recovery", "The price of the promise", price},
	{"servers", "cluster", "Servers that share a store in Redis, each with the same load", servers},
	{"cold", "cluster", "A tab of 1,000 clients, asked of a server that never saw it, over Redis", cold},
}

// Names are the measurements and their groups.
func Names() []string {
	names := []string{"speed", "pressure", "recovery", "cluster"}
	for _, m := range all {
		names = append(names, m.name)
	}
	return names
}

// Describe lists each measurement with what it is about.
func Describe() (rows [][]string) {
	for _, m := range all {
		rows = append(rows, []string{m.name, m.group, m.title})
	}
	return rows
}

// setup is what a measurement starts from.
type setup struct {
	Options
	dir string // empty, of this measurement alone
	say func(string)
}

// Run runs the measurements named, or all, and hands each one's Result on as
// soon as there is one. say is told what is being measured. One that fails
// does not keep the others from being run.
func Run(ctx context.Context, names []string, o Options, say func(string), done func(Result) error) error {
	dir, err := os.MkdirTemp("", "taba-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var failed error
	for _, m := range all {
		if len(names) > 0 && !slices.Contains(names, m.name) && !slices.Contains(names, m.group) {
			continue
		}
		s := &setup{Options: o, dir: filepath.Join(dir, m.name), say: func(what string) { say(m.name + ": " + what) }}
		r, err := m.measure(ctx, s)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			r.Failed = err.Error()
			failed = errors.Join(failed, fmt.Errorf("%s: %w", m.name, err))
		}
		if err := done(r); err != nil {
			return err
		}
	}
	return failed
}

func (m *measurement) measure(ctx context.Context, s *setup) (r Result, err error) {
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		return r, err
	}
	defer os.RemoveAll(s.dir)
	r.Name, r.Title = m.name, m.title
	s.say("calibrating")
	if r.Calibration[0], err = bench.Calibrate(ctx, s.dir); err != nil {
		return r, err
	}
	start := time.Now()
	if r.Figures, err = m.run(ctx, s); err != nil {
		return r, err
	}
	r.Seconds = math.Round(time.Since(start).Seconds())
	r.Calibration[1], err = bench.Calibrate(ctx, s.dir)
	r.judge()
	return r, err
}

// judge says of each figure with a goal whether it is reached.
func (r *Result) judge() {
	for i := range r.Figures {
		f := &r.Figures[i]
		if f.Goal != nil && len(f.Values) > 0 {
			ok := f.Goal.reached(median(f.Values))
			f.Reached = &ok
		}
	}
}

// ReadResults reads Results that another program measured: one JSON object
// after the other.
func ReadResults(path string) (list []Result, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for d := json.NewDecoder(f); d.More(); {
		var r Result
		if err := d.Decode(&r); err != nil {
			return nil, fmt.Errorf("read results from %s: %w", path, err)
		}
		r.judge()
		list = append(list, r)
	}
	return list, nil
}

// start starts a process of this measurement.
func (s *setup) start(ctx context.Context, args ...string) (*bench.Process, error) {
	return bench.Start(ctx, s.Binary, s.dir, args...)
}

// round says which round is measured.
func (s *setup) round(what string, i int) {
	s.say(fmt.Sprintf("%s, round %d of %d", what, i+1, s.Rounds))
}

// median returns NaN for no values.
func median(v []float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}

// spread is for remarks.
func spread(v []float64, unit string) string {
	n := bench.Number(median(v)).String()
	if len(v) > 1 {
		n += fmt.Sprintf(" (%s-%s)", bench.Number(slices.Min(v)), bench.Number(slices.Max(v)))
	}
	if unit != "" {
		n += " " + unit
	}
	return n
}

// quantile is that of the values themselves.
func quantile(v []float64, q float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return s[min(int(q*float64(len(s))), len(s)-1)]
}

// scratch is a setup with a directory of its own.
func (s *setup) scratch() (own *setup, remove func(), err error) {
	dir, err := os.MkdirTemp(s.dir, "run")
	if err != nil {
		return nil, nil, err
	}
	own = new(setup)
	*own = *s
	own.dir = dir
	return own, func() { _ = os.RemoveAll(dir) }, nil
}
