package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/tabaproject/taba/internal/cli"
)

func newAgg() *cobra.Command {
	a := &ask{}
	var every time.Duration
	cmd := &cobra.Command{
		Use:   "agg [NAME…]",
		Short: "Show tabs over all clients, or over some together",
		Example: `  taba agg bids_won bid_latency_ms
  taba agg --re 'bid.*' --client web-1,web-2
  taba agg bids_won --watch 1s
  taba agg -o csv > tabs.csv`,
	}
	a.bindServer(cmd)
	a.bindOutput(cmd)
	a.bindSelection(cmd)
	cmd.Flags().DurationVarP(&every, "watch", "w", 0, "show the answer again after so `long`, until interrupted")
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		show := func() error { return a.answers(cmd, names, "/tabs", a.client().Aggregates, false) }
		if every <= 0 {
			return show()
		}
		return a.again(cmd, every, show)
	}
	return cmd
}

// again shows an answer every so often, until the command is interrupted.
func (a *ask) again(cmd *cobra.Command, every time.Duration, show func() error) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := a.wipe(a.out(cmd)); err != nil {
			return err
		}
		if err := show(); err != nil && cmd.Context().Err() == nil {
			return err
		}
		select {
		case <-cmd.Context().Done():
			return nil
		case <-tick.C:
		}
	}
}

// wipe clears a terminal that tables are shown on.
func (a *ask) wipe(out cli.Output) error {
	if !out.Terminal || a.output.value != cli.Table {
		return nil
	}
	_, err := fmt.Fprint(out.W, clearScreen)
	return err
}

// clearScreen clears a terminal and what it has scrolled away.
const clearScreen = "\x1b[H\x1b[2J\x1b[3J"

// answers asks for Answers and shows them.
func (a *ask) answers(cmd *cobra.Command, names []string, path string, get getAnswers, withClient bool) error {
	out := a.out(cmd)
	if a.output.value == cli.JSON {
		body, err := a.client().Get(cmd.Context(), path, a.query(names), "application/json")
		if err != nil {
			return err
		}
		return out.JSON(body)
	}
	list, err := get(cmd.Context(), a.query(names))
	if err != nil {
		return err
	}
	if a.output.value == cli.CSV {
		err = out.AnswersCSV(list, withClient)
	} else {
		err = out.Answers(list, withClient)
	}
	if err != nil {
		return err
	}
	return missing(names, a.regexp, func(name string) bool {
		return slices.ContainsFunc(list, func(x cli.Answer) bool { return x.Name == name })
	})
}
