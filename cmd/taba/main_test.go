package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tabaproject/taba/internal/app"
	"github.com/tabaproject/taba/internal/ingest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"taba": main})
}

// TestScripts runs the transcripts in testdata/script. Each may ask the
// running server at $SERVER, agent at $AGENT and server that wants tokens at
// $GUARDED, which are its own.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:  "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exitcode": exitcode, "await": await},
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("GORACE", "atexit_sleep_ms=0") // else each command takes a second to end
			server := serve(env, "server", func(ctx context.Context, o app.Options) error {
				cfg := app.DefaultServerConfig()
				cfg.Listen, cfg.Store = "127.0.0.1:0", "memory"
				return app.RunServer(ctx, cfg, o)
			})
			agent := serve(env, "agent", func(ctx context.Context, o app.Options) error {
				cfg := app.DefaultAgentConfig()
				cfg.Listen, cfg.Servers, cfg.Spool = "127.0.0.1:0", []string{server}, filepath.Join(t.TempDir(), "spool")
				return app.RunAgent(ctx, cfg, o)
			})
			tokens := filepath.Join(env.WorkDir, "tokens")
			lines := ingest.TokenLine("reader", "read-token", ingest.Read) + "\n" + ingest.TokenLine("writer", "write-token", ingest.Write) + "\n"
			if err := os.WriteFile(tokens, []byte(lines), 0o600); err != nil {
				return err
			}
			env.Setenv("GUARDED", serve(env, "guarded server", func(ctx context.Context, o app.Options) error {
				cfg := app.DefaultServerConfig()
				cfg.Listen, cfg.Store, cfg.TokensFile = "127.0.0.1:0", "memory", tokens
				return app.RunServer(ctx, cfg, o)
			}))
			env.Setenv("SERVER", server)
			env.Setenv("AGENT", agent)
			return nil
		},
	})
}

// serve runs a process until the script ends and returns its URL.
func serve(env *testscript.Env, what string, f func(context.Context, app.Options) error) string {
	ctx, cancel := context.WithCancel(context.Background())
	addr, done := make(chan string, 1), make(chan error, 1)
	go func() {
		done <- f(ctx, app.Options{Version: "test", Logger: slog.New(slog.DiscardHandler), Ready: func(a string) { addr <- a }})
	}()
	env.Defer(func() {
		cancel()
		if err := <-done; err != nil {
			env.T().Log("the " + what + " ended with: " + err.Error())
			env.T().FailNow()
		}
	})
	select {
	case a := <-addr:
		return "http://" + a
	case err := <-done:
		done <- nil
		env.T().Fatal("the "+what+" did not start: ", err)
		return ""
	}
}

func TestVersionWithoutMakefile(t *testing.T) {
	if versionText() == "" {
		t.Error("a binary built without the Makefile has no version")
	}
	old := version
	defer func() { version = old }()
	version = "v1.2.3"
	if got := versionText(); got != "v1.2.3" {
		t.Errorf("version is %q", got)
	}
}
