package statsd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/fold"
	"github.com/tabaproject/taba/internal/ingest"
	"github.com/tabaproject/taba/state"
	"github.com/tabaproject/taba/state/builtin"
)

const t0 = 1_395_954_300.0

// sink is a Committer that keeps everything, and a TypeTable.
type sink struct {
	mu      sync.Mutex
	all     *fold.Accumulator
	commits int
	changed chan struct{} // closed by the next commit
	fail    error
	takes   time.Duration // a commit
	types   map[string]string
}

func newSink() *sink {
	return &sink{all: fold.New(builtin.Registry()), changed: make(chan struct{}), types: map[string]string{}}
}

func (s *sink) Commit(_ context.Context, acc *fold.Accumulator, _ func()) error {
	if s.takes > 0 {
		<-time.After(s.takes)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commits++
	if s.fail != nil {
		return s.fail
	}
	s.all.Merge(acc)
	close(s.changed)
	s.changed = make(chan struct{})
	return nil
}

func (s *sink) TypeOf(_, tab string) (string, bool) {
	typ, ok := s.types[tab]
	return typ, ok
}

// next returns what is closed by the next commit.
func (s *sink) next() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// dump renders what was committed: "tab/Type client answer", sorted.
func (s *sink) dump() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return dump(s.all)
}

func dump(acc *fold.Accumulator) string {
	var lines []string
	for t, clients := range acc.Tabs {
		for client, st := range clients {
			lines = append(lines, fmt.Sprintf("%s/%s %s %s", t.Name, t.Type, client, answer(st)))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// answer is what matters of an answer: the last day of a numeric Type.
func answer(s state.State) string {
	text := string(s.Render(nil, t0, state.Text))
	if _, day, ok := strings.Cut(text, `"1d": {`); ok {
		text, _, _ = strings.Cut(day, "}")
		text, _, _ = strings.Cut(text, `, "pct"`)
	}
	return text
}

// await waits until what was committed is want.
func (s *sink) await(t *testing.T, want string) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		s.mu.Lock()
		changed := s.changed
		got := dump(s.all)
		s.mu.Unlock()
		if got == want {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("committed\n%s\nwant\n%s", got, want)
		}
	}
}

func testOptions(s *sink) Options {
	return Options{
		Registry: builtin.Registry(), Committer: s, Types: s, Budget: ingest.NewBudget(64 << 20), Host: "here",
		Logger: slog.New(slog.DiscardHandler),
		Now:    func() time.Time { return time.Unix(int64(t0), 0) },
	}
}

// open returns a Door that is stopped when the test ends.
func open(t *testing.T, o Options) *Door {
	t.Helper()
	d := New(o)
	t.Cleanup(func() {
		if !d.stopped() {
			d.Stop()
		}
	})
	return d
}

// metric returns the value of a metric.
func metric(t *testing.T, d *Door, name string) string {
	t.Helper()
	var b strings.Builder
	d.WritePrometheus(&b)
	for line := range strings.Lines(b.String()) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("there is no metric %s in\n%s", name, b.String())
	return ""
}

var errTest = errors.New("on purpose")
