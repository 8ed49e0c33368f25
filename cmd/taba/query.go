package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tabaproject/taba/internal/cli"
)

// queryCommand asks a query.
type queryCommand struct {
	ask
	watch bool
}

func newQuery() *cobra.Command {
	q := &queryCommand{}
	cmd := &cobra.Command{
		Use:   "query QUERY",
		Short: "Ask for any value of any window, by tag, client or name",
		Long: `Ask a server in its query language:

  [top N | bottom N] VALUE, … (TABS, …)
  [client CLIENTS] [by (KEY, …)] [last DURATION] [step DURATION] [limit N]

VALUE is count, total, average, rate, total_rate, min, max, distinct or a
quantile such as p50 or p99.9; without any, all are shown that are known. TABS
are a name, a glob (bid*) or a /regular expression/, with conditions on tags:
{dc="us-east",env!="test",host=~"web-.*"}. KEY is tab, name, client, prefix(N)
or a tag. The last 1m, 37m or 1d are windows; a step makes a series of one.`,
		Example: `  taba query 'p99.9(bid_latency_ms{dc="us-east"}) by (exchange) last 37m'
  taba query 'top 10 rate(bid*) by (client) last 10m'
  taba query 'count, p50, p99(bid_latency_ms) last 1h step 5m' -o csv
  taba query 'rate(bids_won) last 1m' --watch`,
		Args: cobra.MinimumNArgs(1),
	}
	q.bindServer(cmd)
	q.bindOutput(cmd)
	cmd.Flags().BoolVarP(&q.watch, "watch", "w", false, "show the answer again whenever it changes, until interrupted")
	cmd.RunE = q.run
	return cmd
}

func (q *queryCommand) run(cmd *cobra.Command, args []string) error {
	text := strings.Join(args, " ")
	if q.watch {
		return explain(text, q.follow(cmd, text))
	}
	told, body, err := q.client().Ask(cmd.Context(), text)
	if err != nil {
		return explain(text, err)
	}
	if err := q.show(q.out(cmd), told, body); err != nil {
		return err
	}
	if len(told.Rows) == 0 && told.Complete {
		return fmt.Errorf("there is no tab, or no client, that this asks for; 'taba names' lists the tabs that there are")
	}
	return told.Lacks()
}

// show shows an answer in the form that was chosen.
func (q *queryCommand) show(out cli.Output, told *cli.Told, body []byte) error {
	switch {
	case q.output.value == cli.JSON:
		return out.JSON(body)
	case q.output.value == cli.CSV:
		return out.ToldCSV(told)
	case len(told.Rows) == 0:
		return nil
	}
	return out.Told(told)
}

// explain makes a query that cannot be read a mistake in the command line, and
// points at it.
func explain(query string, err error) error {
	var status *cli.StatusError
	if !errors.As(err, &status) || status.Code != http.StatusBadRequest || status.Reason == "" {
		return err
	}
	text := status.Text
	if status.Column > 0 && !strings.ContainsAny(query, "\n\t") {
		text += "\n  " + cli.Printable(query) + "\n  " + strings.Repeat(" ", status.Column-1) + "^"
	}
	return &usageError{errors.New(text)}
}

// follow shows answers as they change.
func (q *queryCommand) follow(cmd *cobra.Command, text string) error {
	out := q.out(cmd)
	return q.client().Follow(cmd.Context(), text, func(told *cli.Told, body []byte) error {
		if err := q.wipe(out); err != nil {
			return err
		}
		if err := q.show(out, told, body); err != nil {
			return err
		}
		if q.output.value == cli.Table && told.Lacks() != nil {
			_, err := fmt.Fprintln(out.W, told.Lacks())
			return err
		}
		return nil
	})
}
