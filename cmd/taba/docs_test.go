package main

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/app"
)

// consoles are the console blocks of a Markdown text.
var consoles = regexp.MustCompile("(?s)```console\n(.*?)```")

// changing is what of an answer is another one at another time or place.
var changing = []struct {
	what *regexp.Regexp
	by   string
}{
	{regexp.MustCompile(`\d\d:\d\d:\d\d`), "10:30:00"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "127.0.0.1:4711"},
	{regexp.MustCompile(`0\.01[67]\d*`), "0.0167"},
	{regexp.MustCompile(` +\n`), "\n"},
}

func settled(text string) string {
	for _, c := range changing {
		text = c.what.ReplaceAllString(text, c.by)
	}
	if text = strings.TrimSpace(text); text != "" {
		text += "\n"
	}
	return text
}

var update = flag.Bool("update", false, "write what commands say into docs/explain.md")

// TestDocumentedExplanations runs what docs/explain.md shows; -update writes it.
// What a server is told by an agent comes a moment later, so a command is tried
// until it says what is shown.
func TestDocumentedExplanations(t *testing.T) {
	const file = "../../docs/explain.md"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	server := process(t, func(ctx context.Context, o app.Options) error {
		cfg := app.DefaultServerConfig()
		cfg.Listen, cfg.Store, cfg.Name = "127.0.0.1:0", "memory", "demo"
		return app.RunServer(ctx, cfg, o)
	})
	run := shell(t, "TABA_SERVER="+server, "TABA_AGENT_URL="+agentOf(t, server))
	ran := 0
	is := consoles.ReplaceAllStringFunc(string(text), func(block string) string {
		said := "```console\n"
		for _, step := range strings.Split(strings.TrimSuffix(block, "```"), "\n$ ")[1:] {
			command, want, _ := strings.Cut(step, "\n")
			ran++
			got := until(run, command, settled(want))
			if got != settled(want) && !*update {
				t.Errorf("$ %s\n%s\nis not\n%s", command, got, settled(want))
			}
			said += "$ " + command + "\n" + got
		}
		return strings.TrimRight(said, "\n") + "\n```"
	})
	if ran < 8 {
		t.Errorf("%d commands were found", ran)
	}
	if *update {
		if err := os.WriteFile(file, []byte(is), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// until runs a command until it says what is wanted, if it does so in time.
func until(run func(string) string, command, want string) (got string) {
	patience := 20 * time.Second
	if *update {
		patience = 3 * time.Second
	}
	for deadline := time.Now().Add(patience); ; {
		if got = settled(run(command)); got == want || time.Now().After(deadline) {
			return got
		}
		if strings.HasPrefix(command, "taba send") {
			return got
		}
	}
}

// shell returns what runs command lines in which taba is this test's binary.
func shell(t *testing.T, env ...string) func(command string) string {
	dir := t.TempDir()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(exe, filepath.Join(dir, "taba")); err != nil {
		t.Fatal(err)
	}
	env = append(os.Environ(), append(env, "PATH="+dir+":"+os.Getenv("PATH"), "GORACE=atexit_sleep_ms=0")...)
	return func(command string) string {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", command)
		cmd.Env = env
		out, _ := cmd.CombinedOutput() // what it says tells more than its exit code
		return string(out)
	}
}
