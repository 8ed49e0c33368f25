// Command bench measures real taba processes over loopback and prints a table:
// what a user would see, not what a function costs. Every run carries a
// calibration of the machine, taken in the same minute.
//
//	go run ./bench -taba bin/taba -out bench/results/latest.txt
//	go run ./bench -run recovery                                      # restart, drain, price
//	go run ./bench -run recovery -states 50000 -spool 64 -rate 2e5    # the same, small
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
)

func main() {
	taba := flag.String("taba", "bin/taba", "the binary to measure")
	out := flag.String("out", "", "also write the table to this file")
	which := flag.String("run", "", "comma-separated measurements or groups of them; empty: all (see measurements in main.go)")
	var size sizes
	flag.IntVar(&size.states, "states", 1_000_000, "restart: States in the store, of 100 clients each tab")
	flag.Int64Var(&size.spoolMiB, "spool", 1024, "drain: MiB in the spool")
	flag.Float64Var(&size.rate, "rate", 1e6, "price: events offered a second")
	flag.IntVar(&size.rounds, "rounds", 5, "restart, drain, price: how often each is measured")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *taba, *out, *which, size); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// Figure is one row of the table.
type Figure struct {
	Name   string
	Value  string // median, with its spread
	Goal   string
	Reach  bool
	Remark string
}

// sizes are how much is measured.
type sizes struct {
	states   int
	spoolMiB int64
	rate     float64
	rounds   int
}

// setup is what a measurement starts from.
type setup struct {
	sizes
	taba string // the binary
	dir  string // empty, of this measurement alone
}

// measurements, in the order they are run. Each starts processes of its own.
var measurements = []struct {
	name, group string
	run         func(context.Context, *setup) ([]Figure, error)
}{
	{"idle", "speed", idle},
	{"ingest", "speed", ingest},
	{"query", "speed", query},
	{"burst", "speed", burst},
	{"restart", "recovery", restart},
	{"drain", "recovery", drain},
	{"price", "recovery", price},
}

// chosen reports whether a measurement is in a list of names and groups.
func chosen(list, name, group string) bool {
	return list == "" || slices.ContainsFunc(strings.Split(list, ","), func(s string) bool { return s == name || s == group })
}

func run(ctx context.Context, taba, out, which string, size sizes) error {
	dir, err := os.MkdirTemp("", "taba-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	before, err := Calibrate(dir)
	if err != nil {
		return err
	}
	var figures []Figure
	for _, m := range measurements {
		if !chosen(which, m.name, m.group) {
			continue
		}
		fmt.Fprintf(os.Stderr, "measuring %s …\n", m.name)
		got, err := measure(ctx, &setup{sizes: size, taba: taba, dir: filepath.Join(dir, m.name)}, m.run)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		figures = append(figures, got...)
	}
	if len(figures) == 0 {
		return fmt.Errorf("nothing is named %q", which)
	}
	after, err := Calibrate(dir)
	if err != nil {
		return err
	}
	return report(out, figures, before, after)
}

func measure(ctx context.Context, s *setup, f func(context.Context, *setup) ([]Figure, error)) ([]Figure, error) {
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		return nil, err
	}
	defer os.RemoveAll(s.dir)
	return f(ctx, s)
}

func report(out string, figures []Figure, before, after Calibration) error {
	var w io.Writer = os.Stdout
	if out != "" {
		f, err := os.Create(out)
		if err != nil {
			return err
		}
		defer f.Close()
		w = io.MultiWriter(w, f)
	}
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"figure", "median (min-max)", "goal", "", "conditions"})
	for _, f := range figures {
		mark := "no"
		if f.Reach {
			mark = "ok"
		}
		t.AppendRow(table.Row{f.Name, f.Value, f.Goal, mark, f.Remark})
	}
	fmt.Fprintf(w, "%s, %d cores, %s\n", time.Now().UTC().Format("2006-01-02 15:04 MST"), runtime.NumCPU(), runtime.Version())
	fmt.Fprintf(w, "before: %s\n", before)
	t.Render()
	fmt.Fprintf(w, "after:  %s\n", after)
	return nil
}
