package main

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/tabaproject/taba/internal/cli"
)

func newAgg() *cobra.Command {
	a := &ask{}
	cmd := &cobra.Command{
		Use:   "agg [NAME…]",
		Short: "Show tabs over all clients, or over some together",
		Example: `  taba agg bids_won bid_latency_ms
  taba agg --re 'bid.*' --client web-1,web-2
  taba agg -o csv > tabs.csv`,
	}
	a.bindServer(cmd)
	a.bindOutput(cmd)
	a.bindSelection(cmd)
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		return a.answers(cmd, names, "/tabs", a.client().Aggregates, false)
	}
	return cmd
}

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
