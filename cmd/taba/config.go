package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tabaproject/taba/internal/app"
)

func newConfig() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check a configuration file, print the settings in force",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newConfigCheck(), newConfigPrint())
	return cmd
}

func newConfigCheck() *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE",
		Short: "Say what is wrong with a configuration file, by line and key",
		Long: `Say what is wrong with a configuration file, one problem a line:

  FILE:LINE: KEY: what is wrong and what to do

Exits with 0 if nothing is.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := app.CheckFile(args[0]); err != nil {
				fmt.Fprintln(cmd.ErrOrStderr(), err)
				return errSaid
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: good\n", args[0])
			return err
		},
	}
}

func newConfigPrint() *cobra.Command {
	cmd := &cobra.Command{
		Use:       "print server|agent",
		Short:     "Print every setting, its value in force and where that comes from",
		Example:   `  taba config print server --config /etc/taba/taba.yaml`,
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []string{app.SectionServer, app.SectionAgent},
	}
	s := &settings{}
	cmd.Flags().StringVar(&s.file, "config", "", "YAML `file` with the sections server and agent (TABA_CONFIG)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		sources := s.sources()
		sources.Flag = nil
		list, problems := inForce(args[0], sources)
		rows := make([][]string, len(list))
		for i, l := range list {
			rows[i] = []string{l.Key.Path(), l.Value, l.Origin}
		}
		out := (&ask{}).out(cmd)
		if err := out.Rows([]string{"KEY", "VALUE", "FROM"}, rows); err != nil {
			return err
		}
		if problems != nil {
			return fmt.Errorf("these settings would be refused:\n%w", problems)
		}
		return nil
	}
	return cmd
}

func inForce(section string, sources app.Sources) ([]app.Setting, error) {
	if section == app.SectionAgent {
		cfg, origins, err := sources.Agent()
		return app.Settings(section, &cfg, origins), err
	}
	cfg, origins, err := sources.Server()
	return app.Settings(section, &cfg, origins), err
}
