package main

import "github.com/spf13/cobra"

func newClients() *cobra.Command {
	a := &ask{}
	cmd := &cobra.Command{
		Use:   "clients [CLIENT…]",
		Short: "List the clients that record",
		Example: `  taba clients
  taba clients --re 'bidder-us.*' -o json`,
	}
	a.bindServer(cmd)
	a.bindOutput(cmd)
	cmd.Flags().BoolVar(&a.regexp, "re", false, "clients are regular expressions, anchored at the start")
	cmd.RunE = func(cmd *cobra.Command, clients []string) error {
		a.clients = clients
		return a.list(cmd, "/clients", "client", a.query(nil))
	}
	return cmd
}
