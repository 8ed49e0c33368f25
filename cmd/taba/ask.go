package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tabaproject/taba/internal/cli"
)

const defaultServer = "http://127.0.0.1:8300"

// ask is the flags of every command that asks a server.
type ask struct {
	server  string
	token   string
	timeout time.Duration
	output  choice
	clients []string
	regexp  bool
}

// bindServer gives cmd the flags that say whom to ask.
func (a *ask) bindServer(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&a.server, "server", envOr("TABA_SERVER", defaultServer), "`URL` of the server (TABA_SERVER)")
	f.StringVar(&a.token, "token", "", "bearer `token`; the variable TABA_TOKEN does not show in process lists")
	f.DurationVar(&a.timeout, "timeout", 30*time.Second, "longest time to wait for the answer")
}

// bindOutput gives cmd the flag that says how to show the answer.
func (a *ask) bindOutput(cmd *cobra.Command) {
	a.output = choice{value: cli.Table, of: cli.Formats}
	cmd.Flags().VarP(&a.output, "output", "o", "form of the answer")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(cli.Formats, cobra.ShellCompDirectiveNoFileComp))
}

// bindSelection gives cmd the flags that choose among tabs and clients.
func (a *ask) bindSelection(cmd *cobra.Command) {
	cmd.Flags().StringSliceVar(&a.clients, "client", nil, "only these `clients`, comma-separated")
	a.bindRegexp(cmd)
}

func (a *ask) bindRegexp(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&a.regexp, "re", false, "names and clients are regular expressions, anchored at the start")
	cmd.ValidArgsFunction = a.completeNames
}

func (a *ask) client() *cli.Client {
	token := a.token
	if token == "" {
		token = os.Getenv("TABA_TOKEN")
	}
	return &cli.Client{URL: a.server, Token: token, HTTP: &http.Client{Timeout: a.timeout}}
}

func (a *ask) query(names []string) cli.Query {
	return cli.Query{Names: names, Clients: a.clients, Regexp: a.regexp}
}

func (a *ask) out(cmd *cobra.Command) cli.Output {
	return cli.NewOutput(cmd.OutOrStdout(), os.Getenv)
}

// completeNames completes names of tabs by asking the server.
func (a *ask) completeNames(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	var names []string
	if err := a.client().JSON(ctx, "/names", cli.Query{}, &names); err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	names = slices.DeleteFunc(names, func(n string) bool { return slices.Contains(args, n) })
	return names, cobra.ShellCompDirectiveNoFileComp
}

// missing is the error for names that were asked for and are not there: a
// failure if none is, a partial answer if some are.
func missing(asked []string, regexp bool, there func(string) bool) error {
	if regexp || len(asked) == 0 {
		return nil
	}
	lost := slices.DeleteFunc(slices.Clone(asked), there)
	if len(lost) == 0 {
		return nil
	}
	what := fmt.Sprintf("there is no tab %s; 'taba names' lists those there are", strings.Join(lost, ", "))
	if len(lost) == len(asked) {
		return fmt.Errorf("%s", what)
	}
	return &cli.PartialError{What: what}
}

func envOr(name, value string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return value
}

// choice is a flag with a few values.
type choice struct {
	value string
	of    []string
}

func (c *choice) String() string { return c.value }
func (c *choice) Type() string   { return strings.Join(c.of, "|") }

func (c *choice) Set(s string) error {
	if !slices.Contains(c.of, s) {
		return fmt.Errorf("must be one of %s", strings.Join(c.of, ", "))
	}
	c.value = s
	return nil
}
