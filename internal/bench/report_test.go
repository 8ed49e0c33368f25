package bench

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tabaproject/taba/internal/cli"
)

// sample is a report with everything in it.
func sample() *Report {
	nan := Number(math.NaN())
	return &Report{
		Load:    Load{Protocol: V2, Transport: "tcp", Tabs: 1000, Clients: 10, Bundle: 100, Connections: 2},
		Seconds: 10.01, Sent: 200_000_000, Taken: 199_000_000, PerSecond: 19_880_119.9, BytesPerEvent: 8.12345678,
		Ack:     &Latency{Count: 800, P50: 12.5, P90: 20, P99: 31.25, P999: 40, Max: 41.5},
		Commits: 12.5, LogMB: 31.8, RecordMB: 9.88,
		Sides: []Side{
			{"sender", 199_000_000, 2.98, 0.06, 5.8e-05, nan, 0.038, 0.041, 0.085, 76.2, 76.3},
			{"server", 199_000_000, 24.75, 0.49, 0.0171, 1.004, 0.163, 1.3, 0.786, 458, 460},
		},
		Calibration: [2]Calibration{{1.1, 44, 150, 160}, {1.2, 41.5, 129, 166}},
	}
}

// TestReportsAreStable: programs read the JSON, and people compare the text
// with yesterday's.
func TestReportsAreStable(t *testing.T) {
	f := func(file, got string) {
		t.Helper()
		want, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s has changed (-want +got):\n%s", file, diff)
		}
	}
	text, err := json.MarshalIndent(sample(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	f("report.json", string(text)+"\n")
	f("report.txt", sample().Text(cli.Output{}))

	var back Report
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	again, err := json.MarshalIndent(&back, "", "  ")
	if err != nil || string(again) != string(text) {
		t.Errorf("what was read back is written differently (%v):\n%s", err, again)
	}
}

func TestNumbersForPeople(t *testing.T) {
	f := func(v float64, want string) {
		t.Helper()
		if got := Number(v).String(); got != want {
			t.Errorf("%v is shown as %s, want %s", v, got, want)
		}
	}
	f(math.NaN(), "–")
	f(math.Inf(1), "–")
	f(0, "0")
	f(0.00001234, "1.2e-05")
	f(0.0123, "0.012")
	f(1.234, "1.23")
	f(12.34, "12.3")
	f(123.4, "123")
	f(1234567, "1,234,567")
	f(-12.34, "-12.3")
}

func TestCountersAreSummedOverLabels(t *testing.T) {
	got := parseCounters([]byte("# TYPE a counter\na{x=\"1\"} 2\na{x=\"2\"} 3.5\nb 1e3\nnonsense\nc x\n"))
	if diff := cmp.Diff(Counters{"a": 5.5, "b": 1000}, got); diff != "" {
		t.Errorf("counters (-want +got):\n%s", diff)
	}
	if d := got.since(Counters{"a": 5}); d["a"] != 0.5 || d.per("b", 500) != 2 || d.per("none", 1).known() {
		t.Errorf("the difference is %v", d)
	}
}

func TestLatencies(t *testing.T) {
	l := newLatencies()
	if l.read() != nil {
		t.Error("nothing has a median")
	}
	for i := range 1000 {
		l.note(time.Duration(i+1) * time.Millisecond)
	}
	got := l.read()
	near := func(what string, v, want float64) {
		t.Helper()
		if math.Abs(v-want) > 0.02*want {
			t.Errorf("%s is %v, want %v", what, v, want)
		}
	}
	near("median", got.P50, 500)
	near("p99", got.P99, 990)
	near("max", got.Max, 1000)
	if got.Count != 1000 {
		t.Errorf("%d were noted", got.Count)
	}
}

func TestLoadsAreChecked(t *testing.T) {
	f := func(change func(*Load), want string) {
		t.Helper()
		l := Load{Protocol: V2, Tabs: 10, Clients: 10, Bundle: 10}
		change(&l)
		got := ""
		if err := l.Check(); err != nil {
			got = err.Error()
		}
		if got == "" != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%+v gives %q, want …%s…", l, got, want)
		}
	}
	f(func(*Load) {}, "")
	f(func(l *Load) { l.Tabs = 0 }, "--tabs")
	f(func(l *Load) { l.Clients = 1_000_000 }, "--clients must be from 1 to 200000 with 10 tabs")
	f(func(l *Load) { l.Bundle = 10_001 }, "--bundle")
	f(func(l *Load) { l.Clients, l.Bundle = 10_000, 10_000 }, "made beforehand")
	f(func(l *Load) { l.Connections = -1 }, "--connections")
	f(func(l *Load) { l.Rate = math.Inf(1) }, "--rate")
}
