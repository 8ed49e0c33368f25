package main

import (
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/tabaproject/taba/internal/cli"
)

func newTypes() *cobra.Command {
	a := &ask{}
	cmd := &cobra.Command{
		Use:     "types [NAME…]",
		Short:   "Show the Type of each tab",
		Example: `  taba types bids_won`,
	}
	a.bindServer(cmd)
	a.bindOutput(cmd)
	a.bindRegexp(cmd)
	cmd.RunE = func(cmd *cobra.Command, names []string) error { return a.types(cmd, names) }
	return cmd
}

func (a *ask) types(cmd *cobra.Command, names []string) error {
	out := a.out(cmd)
	if a.output.value == cli.JSON {
		body, err := a.client().Get(cmd.Context(), "/types", a.query(names), "application/json")
		if err != nil {
			return err
		}
		return out.JSON(body)
	}
	types, err := a.client().Types(cmd.Context(), a.query(names))
	if err != nil {
		return err
	}
	var rows [][]string
	for _, name := range slices.Sorted(maps.Keys(types)) {
		rows = append(rows, []string{name, types[name]})
	}
	if a.output.value == cli.CSV {
		err = out.CSV([]string{"name", "type"}, rows)
	} else {
		err = out.Rows([]string{"TAB", "TYPE"}, rows)
	}
	if err != nil {
		return err
	}
	return missing(names, a.regexp, func(name string) bool { return types[name] != "" })
}
