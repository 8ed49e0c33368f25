package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/tabaproject/taba/internal/bench"
	"github.com/tabaproject/taba/internal/cli"
)

// benching is the flags of taba bench.
type benching struct {
	load         bench.Load
	rate         rate
	span         time.Duration
	server       string
	agent        string
	statsd       string
	token        string
	throughAgent bool
	output       choice
}

func newBench() *cobra.Command {
	b := &benching{output: choice{value: cli.Table, of: []string{cli.Table, cli.JSON}}}
	cmd := &cobra.Command{
		Use:   "bench [v1|v2|statsd]",
		Short: "Measure what Taba takes on this machine, and what that costs",
		Long: `Offer load and say what it cost: events a second, how soon they were
acknowledged, and for each side, sender and server (and agent), processor time,
allocations, copies, context switches, system calls and waiting for locks, per
event. What the machine itself can do is measured before and after, because
figures of a shared machine say little without it.

A private server is started for it, with its store in a temporary directory
($TMPDIR), every commit synced; --through-agent puts an agent before it.
--server or --agent measure processes that run already: then the tabs
bench.tab.… or shop.checkout.… are theirs afterwards, and what a server paid is
divided by all events it took meanwhile, others' too.`,
		Example: `  taba bench
  taba bench v1 --tabs 100 --bundle 500
  taba bench v2 --rate 1e6 --through-agent
  taba bench statsd --transport udp --tabs 1000 --rate 500000 --for 30s
  taba bench v2 --server http://taba-1:8300 -o json`,
		Args:      cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []string{bench.V1, bench.V2, bench.Statsd},
	}
	f := cmd.Flags()
	f.DurationVar(&b.span, "for", 10*time.Second, "how `long` is measured, after a short warm-up")
	f.IntVar(&b.load.Tabs, "tabs", 1000, "`number` of tabs; of statsd, names")
	f.IntVar(&b.load.Clients, "clients", 10, "`number` of clients that record each tab")
	f.IntVar(&b.load.Bundle, "bundle", 100, "`events` of a tab and client that are sent together")
	f.Var(&b.rate, "rate", "events a second, such as 50000 or 1e6; max: as many as are taken")
	f.IntVar(&b.load.Connections, "connections", 0, "`number` of connections; 0: what suits the protocol")
	f.StringVar(&b.load.Transport, "transport", "udp", "of statsd: udp, tcp or unix")
	f.StringVar(&b.server, "server", "", "`URL` of a server to measure instead of a private one")
	f.StringVar(&b.agent, "agent", "", "`URL` of an agent to send to")
	f.StringVar(&b.statsd, "statsd", "", "`address` of statsd, of --server or --agent")
	f.StringVar(&b.token, "token", "", "bearer `token`; the variable TABA_TOKEN does not show in process lists")
	f.BoolVar(&b.throughAgent, "through-agent", false, "send through a private agent")
	f.VarP(&b.output, "output", "o", "form of the report")
	cmd.MarkFlagsMutuallyExclusive("through-agent", "server")
	cmd.MarkFlagsMutuallyExclusive("through-agent", "agent")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(b.output.of, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("transport", cobra.FixedCompletions([]string{"udp", "tcp", "unix"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return b.run(cmd, args) }
	cmd.AddCommand(newBenchFigures())
	return cmd
}

// options checks the flags.
func (b *benching) options(args []string) (o bench.Options, err error) {
	l := b.load
	l.Protocol, l.Rate = bench.V2, float64(b.rate)
	if len(args) > 0 {
		l.Protocol = args[0]
	}
	if l.Protocol == bench.Statsd {
		l.Clients, l.Bundle = 1, 1
	} else {
		l.Transport = "tcp"
	}
	switch l.Transport {
	case "udp", "tcp", "unix":
	default:
		return o, errors.New("--transport must be udp, tcp or unix")
	}
	const shortest = 100 * time.Millisecond // processor time is counted in hundredths of a second
	if b.span < shortest {
		return o, fmt.Errorf("--for must be at least %s", shortest)
	}
	if l.Protocol == bench.Statsd && b.server+b.agent != "" && b.statsd == "" {
		return o, errors.New("name the address of statsd with --statsd")
	}
	if b.token == "" {
		b.token = os.Getenv("TABA_TOKEN")
	}
	o = bench.Options{Load: l, Server: b.server, Agent: b.agent, Statsd: b.statsd, Token: b.token, ThroughAgent: b.throughAgent}
	return o, l.Check()
}

func (b *benching) run(cmd *cobra.Command, args []string) error {
	o, err := b.options(args)
	if err != nil {
		return &usageError{err}
	}
	if o.Binary, err = os.Executable(); err != nil {
		return fmt.Errorf("find the program to start: %w", err)
	}
	out := cli.NewOutput(cmd.OutOrStdout(), os.Getenv)
	look, stop := newBenchScreen(cli.NewOutput(cmd.ErrOrStderr(), os.Getenv), b.span)
	report, err := bench.Run(cmd.Context(), o, b.span, look)
	stop()
	if err != nil {
		return unlessInterrupted(cmd.Context(), err)
	}
	if b.output.value == cli.JSON {
		text, err := json.Marshal(report)
		if err != nil {
			return err
		}
		return out.JSON(text)
	}
	if _, err = fmt.Fprint(out.W, report.Text(out)); err != nil {
		return err
	}
	if o.Protocol != bench.Statsd && report.Missing > 0 {
		return errors.New("acknowledged events were not counted")
	}
	return nil
}

// unlessInterrupted returns err, unless it came of an interrupt: then anything
// may have failed.
func unlessInterrupted(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return errors.New("interrupted before all was measured")
	}
	return err
}

// rate is events a second; 0 stands for as many as are taken.
type rate float64

func (r *rate) Type() string { return "number|max" }

func (r *rate) String() string {
	if *r == 0 {
		return "max"
	}
	return strconv.FormatFloat(float64(*r), 'g', -1, 64)
}

func (r *rate) Set(text string) error {
	if text == "max" {
		*r = 0
		return nil
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || v < 1 || math.IsInf(v, 0) {
		return errors.New("must be max or a number of at least 1")
	}
	*r = rate(v)
	return nil
}
