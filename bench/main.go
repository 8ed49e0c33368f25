// Command bench measures real taba processes over loopback and prints a table:
// what a user would see, not what a function costs. Every run carries a
// calibration of the machine, taken in the same minute.
//
//	go run ./bench -taba bin/taba -out bench/results/latest.txt
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
)

func main() {
	taba := flag.String("taba", "bin/taba", "the binary to measure")
	out := flag.String("out", "", "also write the table to this file")
	only := flag.String("only", "", "run one measurement: ingest, query, idle or burst")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *taba, *out, *only); err != nil {
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

// measurements, in the order they are run. Each starts processes of its own.
var measurements = []struct {
	name string
	run  func(context.Context, string, string) ([]Figure, error)
}{
	{"idle", idle},
	{"ingest", ingest},
	{"query", query},
	{"burst", burst},
}

func run(ctx context.Context, taba, out, only string) error {
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
		if only != "" && only != m.name {
			continue
		}
		fmt.Fprintf(os.Stderr, "measuring %s …\n", m.name)
		sub, err := os.MkdirTemp(dir, m.name)
		if err != nil {
			return err
		}
		got, err := m.run(ctx, taba, sub)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		figures = append(figures, got...)
	}
	after, err := Calibrate(dir)
	if err != nil {
		return err
	}
	return report(out, figures, before, after)
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
