package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/tabaproject/taba/internal/app"
)

// settings are the flags of a section of the configuration.
type settings struct {
	file  string
	flags map[string]*setting
}

// bindSettings gives cmd one flag for each key of a section, and --config.
// hangups delivers SIGHUP, which asks a process to read its tokens again.
func hangups() <-chan os.Signal {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP)
	return c
}

func bindSettings(cmd *cobra.Command, section string) *settings {
	s := &settings{flags: map[string]*setting{}}
	cmd.Flags().StringVar(&s.file, "config", "", "YAML `file` with the sections server and agent (TABA_CONFIG)")
	for _, k := range app.Keys(section) {
		f := &setting{key: k}
		s.flags[k.Flag()] = f
		flag := cmd.Flags().VarPF(f, k.Flag(), "", k.Help)
		if f.isBool() {
			flag.NoOptDefVal = "true"
		}
		if k.OneOf != nil {
			choices := k.OneOf
			_ = cmd.RegisterFlagCompletionFunc(k.Flag(), cobra.FixedCompletions(choices, cobra.ShellCompDirectiveNoFileComp))
		}
	}
	return s
}

// sources are the layers: flags over environment over file over defaults.
func (s *settings) sources() app.Sources {
	file := s.file
	if file == "" {
		file = os.Getenv("TABA_CONFIG")
	}
	return app.Sources{File: file, Flag: func(name string) (string, bool) {
		f := s.flags[name]
		return f.text, f.given
	}}
}

// setting is one flag; it implements pflag.Value.
type setting struct {
	key   app.Key
	text  string
	given bool
}

func (s *setting) isBool() bool { return s.key.Kind == "true|false" }

func (s *setting) String() string {
	if s.given {
		return s.text
	}
	return s.key.Default
}

// Type is what help shows as the value; flags without one are bool.
func (s *setting) Type() string {
	if s.isBool() {
		return "bool"
	}
	return s.key.Kind
}

func (s *setting) Set(text string) error {
	if err := s.key.Check(text); err != nil {
		return err
	}
	if s.given && s.key.IsList() {
		text = s.text + "," + text
	}
	s.text, s.given = text, true
	return nil
}

// newLogger logs to w as the settings say.
func newLogger(w io.Writer, l app.Logging) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.LogLevel)); err != nil {
		return nil, fmt.Errorf("log level: %w", err)
	}
	opts := &slog.HandlerOptions{Level: level}
	if l.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, opts)), nil
	}
	return slog.New(slog.NewTextHandler(w, opts)), nil
}
