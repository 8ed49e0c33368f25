package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/tabaproject/taba/internal/bench/figures"
	"github.com/tabaproject/taba/internal/cli"
)

// figuring is the flags of taba bench figures.
type figuring struct {
	figures.Options
	list  bool
	file  string
	add   []string
	print choice
}

func newBenchFigures() *cobra.Command {
	b := &figuring{print: choice{value: cli.Table, of: []string{cli.Table, cli.JSON}}}
	cmd := &cobra.Command{
		Use:   "figures [NAME…]",
		Short: "Measure what Taba is held to, each figure with its goal",
		Long: `Run measurements, all or those named, and show each figure's median over several
rounds, its spread, its goal, and what the machine could do in the same minute.
Every measurement starts private processes, with temporary directories in
$TMPDIR, and ends them, also at Ctrl-C.`,
		Example: `  taba bench figures --list
  taba bench figures v2 statsd --for 60s
  taba bench figures speed --rounds 1
  taba bench figures --write figures.txt`,
		ValidArgs: figures.Names(),
		Args:      cobra.OnlyValidArgs,
	}
	f := cmd.Flags()
	f.BoolVar(&b.list, "list", false, "list the measurements")
	f.IntVar(&b.Rounds, "rounds", 5, "how often each is measured")
	f.DurationVar(&b.For, "for", 4*time.Second, "how `long` a round of what is sustained takes")
	f.IntVar(&b.States, "states", 100_000, "restart: `number` of States in the store")
	f.Int64Var(&b.SpoolMiB, "spool", 64, "drain: `MiB` in the spool")
	f.Float64Var(&b.Rate, "rate", 1e6, "price: `events` offered a second")
	f.IntVar(&b.Uploads, "uploads", 10_000, "slow: `number` of uploads at the same time")
	f.StringVar(&b.file, "write", "", "also write the tables to this `file`, and as JSON beside it")
	f.StringArrayVar(&b.add, "add", nil, "`file` of JSON results of other programs, to be shown with the rest")
	f.VarP(&b.print, "output", "o", "form of the results")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return b.run(cmd, args) }
	return cmd
}

func (b *figuring) run(cmd *cobra.Command, names []string) error {
	out := cli.NewOutput(cmd.OutOrStdout(), os.Getenv)
	if b.list {
		return out.Rows([]string{"NAME", "GROUP", "MEASURES"}, figures.Describe())
	}
	if b.Rounds < 1 || b.For < time.Second || b.States < 1000 || b.SpoolMiB < 1 || b.Uploads < 1 || b.Rate < 1 {
		return &usageError{errors.New("--rounds, --spool, --uploads and --rate must be at least 1, --states 1000 and --for 1s")}
	}
	var err error
	if b.Binary, err = os.Executable(); err != nil {
		return fmt.Errorf("find the program to start: %w", err)
	}
	var others []figures.Result
	for _, path := range b.add {
		list, err := figures.ReadResults(path)
		if err != nil {
			return err
		}
		others = append(others, list...)
	}
	say, stop := newFiguresScreen(cli.NewOutput(cmd.ErrOrStderr(), os.Getenv))
	defer stop()
	var results []figures.Result
	show := func(r figures.Result) error {
		stop()
		results = append(results, r)
		if b.print.value == cli.JSON {
			text, err := json.Marshal(r)
			return errors.Join(err, out.JSON(text))
		}
		_, err := fmt.Fprintf(out.W, "%s\n", r.Text(out))
		return err
	}
	if b.print.value == cli.Table {
		_, _ = fmt.Fprintf(out.W, "%s\n\n", machine())
	}
	failed := unlessInterrupted(cmd.Context(), figures.Run(cmd.Context(), names, b.Options, say, show))
	for _, r := range others {
		failed = errors.Join(failed, show(r))
	}
	if b.print.value == cli.Table {
		_, _ = fmt.Fprint(out.W, figures.Summary(results))
	}
	return errors.Join(failed, b.write(results))
}

// write writes the results to a file as text and to another one as JSON.
func (b *figuring) write(results []figures.Result) error {
	if b.file == "" || len(results) == 0 {
		return nil
	}
	var text, values strings.Builder
	fmt.Fprintf(&text, "%s\n%d rounds, %v each of what is sustained\n\n", machine(), b.Rounds, b.For)
	for _, r := range results {
		fmt.Fprintf(&text, "%s\n", r.Text(cli.Output{W: &text}))
		line, err := json.Marshal(r)
		if err != nil {
			return err
		}
		fmt.Fprintf(&values, "%s\n", line)
	}
	text.WriteString(figures.Summary(results))
	const mode = 0o644
	return errors.Join(
		os.WriteFile(b.file, []byte(text.String()), mode),
		os.WriteFile(strings.TrimSuffix(b.file, ".txt")+".json", []byte(values.String()), mode))
}

// machine says when and on what.
func machine() string {
	kernel, _ := exec.Command("uname", "-sr").Output()
	load, _ := os.ReadFile("/proc/loadavg")
	words := []string{
		time.Now().UTC().Format("2006-01-02 15:04 MST"), "taba " + versionText(), fmt.Sprintf("%d cores", runtime.NumCPU()),
		runtime.Version(), strings.TrimSpace(string(kernel)),
	}
	if first, _, ok := strings.Cut(string(load), " "); ok {
		words = append(words, "load "+first)
	}
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), ", ")
}

// newFiguresScreen says on a terminal what is being measured, in one line that
// changes; elsewhere in a line of its own for each measurement.
func newFiguresScreen(out cli.Output) (say func(string), stop func()) {
	var mu sync.Mutex
	last := ""
	clear := func() {
		if out.Terminal {
			_, _ = fmt.Fprint(out.W, "\r\x1b[K")
		}
	}
	say = func(what string) {
		mu.Lock()
		defer mu.Unlock()
		name, _, _ := strings.Cut(what, ":")
		switch {
		case out.Terminal:
			clear()
			_, _ = fmt.Fprintf(out.W, "%s …", what)
		case name != last:
			_, _ = fmt.Fprintf(out.W, "measuring %s …\n", name)
		}
		last = name
	}
	return say, func() {
		mu.Lock()
		defer mu.Unlock()
		clear()
	}
}
