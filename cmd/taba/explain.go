package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/tabaproject/taba/internal/cli"
)

// explainCommand asks what became of a name.
type explainCommand struct {
	ask
	watch time.Duration
}

func newExplain() *cobra.Command {
	x := &explainCommand{}
	cmd := &cobra.Command{
		Use:   "explain NAME",
		Short: "Tell what became of a metric: where did it go?",
		Long: `Tell what became of a metric: each step that its events take, what was refused
and why, clamped or counted elsewhere, who sends it, and names like it. Ask the
server and, if the metric is sent to one, the agent. Exits with 0 if something of
it counts, with 1 if nothing does.

With --watch its events are counted at each step from now on, and the answer is
shown again every second.`,
		Example: `  taba explain bids_won
  taba explain 'bid latency' --server http://127.0.0.1:8279
  taba explain bids_won --watch 30s
  taba explain bids_won -o json`,
		Args: cobra.ExactArgs(1),
	}
	x.bindServer(cmd)
	x.bindOutput(cmd)
	cmd.Flags().DurationVarP(&x.watch, "watch", "w", 0, "count each step for so `long` and show it live; at most 10m")
	cmd.ValidArgsFunction = x.completeNames
	cmd.RunE = x.run
	return cmd
}

func (x *explainCommand) run(cmd *cobra.Command, args []string) error {
	var told *cli.Explained
	show := func() error {
		var body []byte
		var err error
		if told, body, err = x.client().Explain(cmd.Context(), args[0], x.watch); err != nil {
			return asUsage(err)
		}
		return x.show(x.out(cmd), told, body)
	}
	if err := x.repeat(cmd, show); err != nil {
		return err
	}
	if told != nil && !told.Counts() {
		return fmt.Errorf("nothing of \"%s\" counts at %s", cli.Printable(told.Name), told.Server)
	}
	return nil
}

// repeat shows an answer once, or every second as long as it is watched.
func (x *explainCommand) repeat(cmd *cobra.Command, show func() error) error {
	if x.watch <= 0 {
		return show()
	}
	end := time.Now().Add(x.watch)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		if err := x.wipe(x.out(cmd)); err != nil {
			return err
		}
		if err := show(); err != nil {
			return ended(cmd, err)
		}
		left := time.Until(end)
		if left <= 0 {
			return nil
		}
		x.watch = left // it is prolonged to the same end
		select {
		case <-cmd.Context().Done():
			return nil
		case <-tick.C:
		}
	}
}

// ended is the error of a command that somebody may have interrupted.
func ended(cmd *cobra.Command, err error) error {
	if cmd.Context().Err() != nil {
		return nil
	}
	return err
}

func (x *explainCommand) show(out cli.Output, told *cli.Explained, body []byte) error {
	switch x.output.value {
	case cli.JSON:
		return out.JSON(body)
	case cli.CSV:
		return out.ExplainedCSV(told)
	}
	return out.Explained(told)
}
