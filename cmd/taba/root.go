package main

import (
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the Makefile.
var version string

// versionText is the version in full, also of binaries that were built
// without the Makefile.
func versionText() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "unknown"
	}
	return info.Main.Version
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "taba",
		Short: "Count what a fleet does, exactly once, and see it at once",
		Long: `Taba aggregates events from a large fleet in near real time: applications say
what happened, Taba answers with counts, totals and percentiles over the last
minute, ten minutes, hour and day.

Try it:  taba demo`,
		Example: `  taba server --data /var/lib/taba/server
  taba agent --servers http://127.0.0.1:8300 --spool /var/lib/taba/agent
  taba send bids_won 1 && taba agg bids_won`,
		Version:       versionText(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetVersionTemplate("taba {{.Version}}\n")
	root.AddGroup(
		&cobra.Group{ID: "run", Title: "Run it:"},
		&cobra.Group{ID: "ask", Title: "Ask it:"},
		&cobra.Group{ID: "set", Title: "Set it up:"},
	)
	root.SetHelpCommandGroupID("set")
	root.SetCompletionCommandGroupID("set")
	for id, cmds := range map[string][]*cobra.Command{
		"run": {newServer(), newAgent(), newDemo()},
		"ask": {newQuery(), newAgg(), newProjection(), newNames(), newClients(), newTypes(), newStatus(), newExplain(), newTop(), newTail(), newLatency(), newSend(), newVerify(), newBench(), newCapacity()},
		"set": {newConfig(), newToken()},
	} {
		for _, c := range cmds {
			c.GroupID = id
			root.AddCommand(c)
		}
	}
	return root
}
