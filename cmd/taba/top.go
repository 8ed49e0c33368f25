package main

import (
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/tabaproject/taba/internal/cli"
	"github.com/tabaproject/taba/internal/screen"
)

// topCommand shows a ranking.
type topCommand struct {
	ask
	query cli.TopQuery
	every time.Duration
	once  bool
}

func newTop() *cobra.Command {
	t := &topCommand{}
	cmd := &cobra.Command{
		Use:   "top [TABS]",
		Short: "Show which names, clients or tags have and take the most, live",
		Long: `Show which names, clients or values of a tag have and take the most: events a
second, events of the last minute, tabs, clients of these, and the bytes of their
States. TABS is a name, a glob (bid*) or a /regular expression/, with conditions on
tags, as in a query.

On a terminal it is a screen that follows; ? says which keys there are. Elsewhere,
or with -o or --once, it is one table.`,
		Example: `  taba top
  taba top 'bid*' --by client --sort bytes
  taba top --by dc -o csv`,
		Args: cobra.MaximumNArgs(1),
	}
	t.bindServer(cmd)
	t.bindOutput(cmd)
	f := cmd.Flags()
	f.StringVar(&t.query.By, "by", "name", "what is ranked: name, tab, client, prefix(N) or a `tag`")
	f.StringVar(&t.query.Sort, "sort", "rate", "what is greatest in the first row: rate, events, tabs, clients, bytes; or key")
	f.IntVar(&t.query.Limit, "limit", 100, "how many rows")
	f.DurationVar(&t.every, "every", 2*time.Second, "how long the screen stays as it is")
	f.BoolVar(&t.once, "once", false, "show one table, also on a terminal")
	cmd.ValidArgsFunction = t.completeNames
	cmd.RunE = t.run
	return cmd
}

func (t *topCommand) run(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		t.query.Match = args[0]
	}
	out := t.out(cmd)
	if out.Terminal && !t.once && !cmd.Flags().Changed("output") {
		return screen.Run(cmd.Context(), screen.Options{
			Client: t.client(), Top: t.query, Every: t.every, In: cmd.InOrStdin(), Out: os.Stdout, Color: out.Color,
		})
	}
	got, body, err := t.client().Top(cmd.Context(), t.query)
	if err != nil {
		return asUsage(err)
	}
	switch t.output.value {
	case cli.JSON:
		return out.JSON(body)
	case cli.CSV:
		return out.RankingCSV(got)
	}
	return out.Ranking(got)
}
