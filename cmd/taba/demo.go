package main

import (
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/tabaproject/taba/internal/cli"
	"github.com/tabaproject/taba/internal/demo"
)

func newDemo() *cobra.Command {
	o := demo.Options{Version: versionText()}
	verbose := false
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Watch a simulated fleet's numbers move, on a store that is thrown away",
		Long: `Run a server, an agent and a simulated fleet of ad bidders in one process, on a
temporary store, and show what the server answers. At the end what the fleet
recorded is compared with what the server counted.`,
		Example: `  taba demo
  taba demo --for 20s`,
		Args: cobra.NoArgs,
	}
	f := cmd.Flags()
	f.DurationVar(&o.For, "for", 0, "end by itself after this `duration`; 0: with Ctrl-C")
	f.IntVar(&o.Clients, "clients", 240, "processes of the fleet")
	f.Float64Var(&o.Requests, "requests", 5000, "bid requests a second of the whole fleet; each is three to four events")
	f.BoolVar(&verbose, "verbose", false, "show the log of server and agent on standard error")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if verbose {
			o.Logger = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
		}
		o.Out = cli.NewOutput(cmd.OutOrStdout(), os.Getenv)
		return demo.Run(cmd.Context(), o)
	}
	return cmd
}
