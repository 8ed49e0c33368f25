package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/tabaproject/taba/internal/capacity"
	"github.com/tabaproject/taba/internal/cli"
)

func newCapacity() *cobra.Command {
	l := capacity.Load{}
	cmd := &cobra.Command{
		Use:   "capacity",
		Short: "Reckon what a load takes: agents, servers, Redis",
		Long: `Reckon what a load takes, by the formula and the costs in docs/capacity.md: those
of one machine, so the answer is an order of magnitude. taba bench measures yours.`,
		Example: `  taba capacity --events 1e9 --tabs 1000 --clients 10000 --lag 10s`,
		Args:    cobra.NoArgs,
	}
	f := cmd.Flags()
	f.Float64Var(&l.Events, "events", 1e6, "events a second of all clients")
	f.Float64Var(&l.Tabs, "tabs", 1000, "tabs that a client records")
	f.Float64Var(&l.Clients, "clients", 100, "clients that record")
	f.Float64Var(&l.Agents, "agents", 0, "agents that they post to; 0: one for each client")
	f.DurationVar(&l.Lag, "lag", time.Second, "how late answers may be: the time between two Batches of an agent")
	f.Float64Var(&l.VBuckets, "vbuckets", 16, "vbuckets of the store")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if l.Agents == 0 {
			l.Agents = l.Clients
		}
		if err := l.Check(); err != nil {
			return &usageError{err}
		}
		return cli.NewOutput(cmd.OutOrStdout(), os.Getenv).Rows([]string{"WHAT", "HOW MUCH"}, capacityRows(l.Needs()))
	}
	return cmd
}

func capacityRows(n capacity.Needs) [][]string {
	cores := func(v float64) string { return strconv.FormatFloat(v, 'g', 3, 64) + " processors" }
	count := func(v float64) string { return cli.Group(strconv.FormatFloat(v, 'f', 0, 64)) }
	return [][]string{
		{"States", count(n.States)},
		{"Batches a second", count(n.Batches)},
		{"Partials and parts of a Batch", fmt.Sprintf("%s and %s", count(n.Partials), count(n.Parts))},
		{"all clients use", cores(n.Clients)},
		{"one agent uses, all of them", cores(n.OneAgent) + ", " + cores(n.Agents)},
		{"servers use, to have", cores(n.Servers) + ", " + count(n.Processors) + " in " + count(n.Machines) + " servers"},
		{"Redis uses, to have", cores(n.Redis) + ", " + count(n.Shards) + " shards"},
		{"connections of agents", count(n.Connections)},
		{"the first bottleneck", n.First},
	}
}
