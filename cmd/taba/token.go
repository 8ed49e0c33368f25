package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tabaproject/taba/internal/ingest"
)

func newToken() *cobra.Command {
	var scopes []string
	cmd := &cobra.Command{
		Use:   "token NAME",
		Short: "Make a bearer token and its line for a tokens file",
		Long: `Make a new bearer token. The token goes to whoever is to use it, the line to
the tokens file of servers or agents (tokens_file): it holds only a hash.

Scopes: write sends events, read asks, admin changes and deletes.`,
		Example: `  taba token web-agents --scope write
  taba token dashboards --scope read -o line >> /etc/taba/tokens`,
		Args: cobra.ExactArgs(1),
	}
	output := choice{value: "both", of: []string{"both", "line"}}
	cmd.Flags().StringSliceVar(&scopes, "scope", []string{"read"}, "what the token allows: `write,read,admin`")
	cmd.Flags().VarP(&output, "output", "o", "print both, or the token on standard error and only the line on standard output")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		name := args[0]
		if strings.ContainsAny(name, " \t#\n") || name == "" {
			return &usageError{fmt.Errorf("the name %q must not be empty or contain blanks or #", name)}
		}
		scope, err := ingest.ParseScopes(strings.Join(scopes, ","))
		if err != nil {
			return &usageError{err}
		}
		secret, line := ingest.GenerateToken(name, scope)
		if output.value == "line" {
			fmt.Fprintln(cmd.ErrOrStderr(), secret)
			_, err = fmt.Fprintln(cmd.OutOrStdout(), line)
			return err
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "token:  %s\nline:   %s\n", secret, line)
		return err
	}
	return cmd
}
