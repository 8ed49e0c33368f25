package main

import (
	"errors"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/tabaproject/taba/internal/cli"
)

// tailCommand shows events as they come.
type tailCommand struct {
	ask
	rate, most int
}

func newTail() *cobra.Command {
	t := &tailCommand{}
	cmd := &cobra.Command{
		Use:   "tail TABS",
		Short: "Show events as they come",
		Long: `Show events as they come to a server or agent, until interrupted. TABS is a name,
a glob (bid*) or a /regular expression/, with conditions on tags, as in a query.
When they come faster than --rate, some are shown, spread over the second, and
how many there were. What an agent has folded comes to a server as one event
that stands for several: ask the agent for single ones.`,
		Example: `  taba tail 'bid*'
  taba tail 'bid_latency_ms{dc="us-east"}' --server http://127.0.0.1:8279
  taba tail bids_won -n 10 -o json`,
		Args: cobra.ExactArgs(1),
	}
	t.bindServer(cmd)
	t.bindOutput(cmd)
	cmd.Flags().IntVar(&t.rate, "rate", 100, "how many events a second are shown at most; up to 1000")
	cmd.Flags().IntVarP(&t.most, "number", "n", 0, "end after so many events; 0: never")
	cmd.ValidArgsFunction = t.completeNames
	cmd.RunE = t.run
	return cmd
}

func (t *tailCommand) run(cmd *cobra.Command, args []string) error {
	shown := cli.NewTail(t.out(cmd), t.output.value, t.most)
	err := t.client().Tail(cmd.Context(), args[0], t.rate, shown.Show)
	if errors.Is(err, cli.ErrEnough) {
		return nil
	}
	return explain(args[0], err)
}

// asUsage makes a request that cannot be read a mistake in the command line.
func asUsage(err error) error {
	var status *cli.StatusError
	if errors.As(err, &status) && status.Code == http.StatusBadRequest && status.Reason != "" {
		return &usageError{errors.New(status.Text)}
	}
	return err
}
