package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tabaproject/taba/internal/cli"
)

func newNames() *cobra.Command {
	a := &ask{}
	cmd := &cobra.Command{
		Use:   "names [NAME…]",
		Short: "List the names of tabs",
		Example: `  taba names
  taba names --re 'bid.*'
  taba names --client web-1`,
	}
	a.bindServer(cmd)
	a.bindOutput(cmd)
	a.bindSelection(cmd)
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		return a.list(cmd, "/names", "name", a.query(names))
	}
	return cmd
}

// list asks for a list of words and shows it.
func (a *ask) list(cmd *cobra.Command, path, column string, q cli.Query) error {
	body, err := a.client().Get(cmd.Context(), path, q, "application/json")
	if err != nil {
		return err
	}
	out := a.out(cmd)
	if a.output.value == cli.JSON {
		return out.JSON(body)
	}
	words, err := cli.Words(body)
	if err != nil {
		return fmt.Errorf("%s%s: %w", a.server, path, err)
	}
	if a.output.value == cli.CSV {
		rows := make([][]string, len(words))
		for i, w := range words {
			rows[i] = []string{w}
		}
		return out.CSV([]string{column}, rows)
	}
	return out.Words(words)
}
