package demo

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
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

func TestClusterNeedsRedis(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	err := RunCluster(context.Background(), Options{})
	if want := "apt-get install redis-server, or valkey-server"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("without Redis: got %v, want it to say %q", err, want)
	}
}

// TestAnyOf asks the servers that are left.
func TestAnyOf(t *testing.T) {
	one := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
	defer one.Close()
	two := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "two") }))
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	client := http.Client{Transport: newAnyOf(two.Client().Transport, []string{gone.URL, one.URL, two.URL})}
	ask := func() (int, string) {
		t.Helper()
		resp, err := client.Get(gone.URL)
		if err != nil {
			return 0, err.Error()
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(text)
	}
	if code, text := ask(); code != http.StatusOK || text != "two" {
		t.Errorf("got %d %q, want the answer of the server that has one", code, text)
	}
	two.Close()
	if code, _ := ask(); code == http.StatusOK {
		t.Error("nobody is left, and somebody answers")
	}
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
	f("in doubt after a kill", sample{tabs: []tabCount{{"a", 5, 4, 5}}, fleet: fleet.Counts{InDoubt: 1}, story: []string{"kill"}}, "")
	f("no answer", sample{err: errors.New("gone")}, "gone")

	var l ledger
	l.OK = true
	l.VBuckets = append(l.VBuckets, struct {
		Appended uint64 `json:"appended"`
	}{7})
	if err := l.check(7, 0); err != nil {
		t.Error(err)
	}
	if l.check(8, 0) == nil {
		t.Error("a ledger that lacks an event is good")
	}
	if err := l.check(6, 1); err != nil {
		t.Error(err)
	}
	if l.check(5, 1) == nil {
		t.Error("a ledger with more than what is in doubt is good")
	}
	l.OK, l.Problems = false, []string{"vbucket 0: missing"}
	if err := l.check(7, 0); err == nil || !strings.Contains(err.Error(), "missing") {
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
