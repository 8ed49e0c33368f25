// Command taba is all of Taba: the server, the agent, a demonstration of both
// and the commands that ask them. Each sub-command has a file of its own; what
// they share is in package cli, what runs is wired in package app.
//
// # Concurrency and back-pressure
//
// A command runs until it is done or interrupted: the first SIGINT or SIGTERM
// lets a server or agent drain, the second ends the process at once.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/tabaproject/taba/internal/cli"
	"github.com/tabaproject/taba/internal/quiet"
)

// Exit codes, the same for every sub-command.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitPartial     = 3 // an answer came, but not all of it
	exitUnreachable = 4 // no answer came
)

func main() {
	quiet.Restore()
	os.Exit(run(os.Args[1:]))
}

// run executes one command line and returns its exit code.
func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // from then on a signal ends the process

	started := false
	root := newRoot()
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		// cobra looks at these only after this function: they are mistakes in
		// the command line all the same.
		err := errors.Join(cmd.ValidateRequiredFlags(), cmd.ValidateFlagGroups())
		started = err == nil
		return err
	}
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	if !started { // cobra refused the command line itself
		err = &usageError{err}
	}
	if !errors.Is(err, errSaid) {
		fmt.Fprintf(os.Stderr, "taba: %v\n", err)
	}
	if usage := (*usageError)(nil); errors.As(err, &usage) {
		fmt.Fprintf(os.Stderr, "Run '%s --help' for usage.\n", cmd.CommandPath())
	}
	return exitCode(err)
}

// errSaid is a failure that the command has explained itself.
var errSaid = errors.New("failed")

// usageError is a mistake in the command line or in the settings of a process
// to be started.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func exitCode(err error) int {
	var (
		usage       *usageError
		partial     *cli.PartialError
		unreachable *cli.UnreachableError
	)
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &partial):
		return exitPartial
	case errors.As(err, &unreachable):
		return exitUnreachable
	}
	return exitFailure
}
