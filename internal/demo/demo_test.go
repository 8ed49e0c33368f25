package demo

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tabaproject/taba/internal/cli"
	"github.com/tabaproject/taba/internal/fleet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestRun runs the real thing: it fails if one event is lost or counted twice.
func TestRun(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var out strings.Builder
	err := Run(context.Background(), Options{For: 3 * time.Second, Clients: 30, Requests: 300, Out: cli.Output{W: &out}, Version: "test"})
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, want := range []string{"/tabs?name=bids_won", "events/s", "RECORDED", "together", "Recorded, acknowledged and counted are equal."} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the output lacks %q:\n%s", want, out.String())
		}
	}
	nothingLeft(t)
}

// TestInterrupt ends the demonstration before its time, as Ctrl-C does.
func TestInterrupt(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithCancel(context.Background())
	var out strings.Builder
	o := Options{Clients: 5, Requests: 50, Out: cli.Output{W: watcher{&out, cancel}}, Version: "test"}
	if err := Run(ctx, o); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	nothingLeft(t)
}

// watcher cancels at the first line that shows events.
type watcher struct {
	out    *strings.Builder
	cancel func()
}

func (w watcher) Write(p []byte) (int, error) {
	if strings.Contains(string(p), "events/s") {
		w.cancel()
	}
	return w.out.Write(p)
}

func nothingLeft(t *testing.T) {
	t.Helper()
	left, err := os.ReadDir(os.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range left {
		if strings.HasPrefix(e.Name(), "taba-demo-") {
			t.Errorf("%s is left behind", e.Name())
		}
	}
}

func TestClosingFiguresAreCompared(t *testing.T) {
	f := func(what string, s sample, want string) {
		t.Helper()
		switch err := s.check(); {
		case want == "" && err != nil:
			t.Errorf("%s: %v", what, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s gives %v, want …%s…", what, err, want)
		}
	}
	f("equal", sample{tabs: []tabCount{{"a", 5, 5, 5}}}, "")
	f("lost", sample{tabs: []tabCount{{"a", 5, 5, 4}}}, "a: 5 events were recorded, 5 acknowledged, 4 counted")
	f("twice", sample{tabs: []tabCount{{"a", 5, 5, 6}}}, "6 counted")
	f("in doubt", sample{tabs: []tabCount{{"a", 5, 4, 5}}, fleet: fleet.Counts{InDoubt: 1}}, "1 events are in doubt")
	f("no answer", sample{err: errors.New("gone")}, "gone")

	var l ledger
	l.OK = true
	l.VBuckets = append(l.VBuckets, struct {
		Appended uint64 `json:"appended"`
	}{7})
	if err := l.check(7); err != nil {
		t.Error(err)
	}
	if l.check(8) == nil {
		t.Error("a ledger that lacks an event is good")
	}
	l.OK, l.Problems = false, []string{"vbucket 0: missing"}
	if err := l.check(7); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("a ledger that does not add up gives %v", err)
	}
}

func TestFrameFits(t *testing.T) {
	f := func(content string, width, height int, want string) {
		t.Helper()
		if got := frame(content, width, height); got != want {
			t.Errorf("%q on %d x %d gives %q, want %q", content, width, height, got, want)
		}
	}
	f("ab\ncd\n", 10, 10, "\x1b[Hab\x1b[K\ncd\x1b[K\x1b[J")
	f("ab\ncd\nef", 1, 2, "\x1b[Ha\x1b[K\nc\x1b[K\x1b[J")
}
