package main

import (
	"github.com/spf13/cobra"

	"github.com/tabaproject/taba/internal/app"
)

func newAgent() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "Run an agent: take events in, spool them, forward them to servers",
		Example: `  taba agent --servers http://127.0.0.1:8300 --spool /var/lib/taba/agent
  TABA_AGENT_TOKEN=… taba agent --config /etc/taba/taba.yaml`,
		Args: cobra.NoArgs,
	}
	settings := bindSettings(cmd, app.SectionAgent)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, _, err := settings.sources().Agent()
		if err != nil {
			return &usageError{err}
		}
		logger, err := newLogger(cmd.ErrOrStderr(), cfg.Logging)
		if err != nil {
			return err
		}
		return app.RunAgent(cmd.Context(), cfg, app.Options{Logger: logger, Version: versionText(), Reload: hangups()})
	}
	return cmd
}
