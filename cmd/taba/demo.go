package main

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/tabaproject/taba/internal/cli"
	"github.com/tabaproject/taba/internal/demo"
)

func newDemo() *cobra.Command {
	o := demo.Options{Version: versionText()}
	verbose, cluster := false, false
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Watch a simulated fleet's numbers move, on a store that is thrown away",
		Long: `Run a server, an agent and a simulated fleet of ad bidders in one process, on a
temporary store, and show what the server answers. At the end what the fleet
recorded is compared with what the server counted.

With --cluster everything is a process of its own: two shards of Redis, each with
a replica, three Sentinels, three servers and two agents. Every few seconds one of
them is killed or stopped. It needs redis-server or valkey-server.`,
		Example: `  taba demo
  taba demo --for 20s
  taba demo --cluster`,
		Args: cobra.NoArgs,
	}
	f := cmd.Flags()
	f.DurationVar(&o.For, "for", 0, "end by itself after this `duration`; 0: with Ctrl-C")
	f.IntVar(&o.Clients, "clients", 240, "processes of the fleet")
	f.Float64Var(&o.Requests, "requests", 5000, "bid requests a second of the whole fleet; each is three to four events")
	f.BoolVar(&cluster, "cluster", false, "run a cluster on Redis, and kill something every few seconds")
	f.BoolVar(&verbose, "verbose", false, "show the log of server and agent on standard error")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if verbose {
			o.Logger = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
		}
		o.Out = cli.NewOutput(cmd.OutOrStdout(), os.Getenv)
		if !cluster {
			return demo.Run(cmd.Context(), o)
		}
		var err error
		if o.Binary, err = os.Executable(); err != nil {
			return fmt.Errorf("find the program to start: %w", err)
		}
		return demo.RunCluster(cmd.Context(), o)
	}
	return cmd
}
