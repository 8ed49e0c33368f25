package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/tabaproject/taba/internal/cli"
)

// getAnswers is cli.Client.Aggregates or cli.Client.Projections.
type getAnswers func(context.Context, cli.Query) ([]cli.Answer, error)

func newProjection() *cobra.Command {
	a := &ask{}
	cmd := &cobra.Command{
		Use:   "projection [NAME…]",
		Short: "Show tabs of each client apart",
		Example: `  taba projection bids_won --client web-1
  taba projection --re 'bid.*' -o json`,
	}
	a.bindServer(cmd)
	a.bindOutput(cmd)
	a.bindSelection(cmd)
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		return a.answers(cmd, names, "/projection", a.client().Projections, true)
	}
	return cmd
}
