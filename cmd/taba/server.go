package main

import (
	"github.com/spf13/cobra"

	"github.com/tabaproject/taba/internal/app"
)

func newServer() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "server",
		Short: "Run a server: fold events, keep them, answer queries",
		Example: `  taba server --data /var/lib/taba/server
  taba server --config /etc/taba/taba.yaml --log-level debug`,
		Args: cobra.NoArgs,
	}
	settings := bindSettings(cmd, app.SectionServer)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, _, err := settings.sources().Server()
		if err != nil {
			return &usageError{err}
		}
		logger, err := newLogger(cmd.ErrOrStderr(), cfg.Logging)
		if err != nil {
			return err
		}
		return app.RunServer(cmd.Context(), cfg, app.Options{Logger: logger, Version: versionText(), Reload: hangups()})
	}
	return cmd
}
