package ingest

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/trail"
	"github.com/tabaproject/taba/internal/wire"
)

// noted is what a Trail has, line by line, sorted.
func noted(t *trail.Trail) string {
	var lines []string
	for _, n := range t.All() {
		lines = append(lines, fmt.Sprintf("%s %s %q %s@%s %d: %s", n.Kind, n.Door, n.Name, n.Reason, n.Client, n.Events, n.Detail))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func trailed() (Options, *trail.Trail) {
	o := Options{Metrics: NewMetrics()}
	o.Metrics.Trail = trail.New(trail.Options{})
	return o, o.Metrics.Trail
}

// TestRefusedNamesAreNoted: each way of refusing, clamping or moving events leaves
// a trail, with the name that was sent.
func TestRefusedNamesAreNoted(t *testing.T) {
	f := func(body, want string) {
		t.Helper()
		o, tr := trailed()
		o.Limits.Text = wire.Limits{Name: 20}
		post(newTestHandler(newSink(), types{"known": "Gauge", "many": "CounterGroup"}, o), "/post", strings.NewReader(body))
		if got := noted(tr); got != want {
			t.Errorf("%.100q\nnoted %s\nwant  %s", body, got, want)
		}
	}
	future := fmt.Sprintf(`["CounterGroup", %d, "1"]`, clock+3600)
	f(doc("c", "a", counterEvent(1)), "")
	f(doc("c", "a\x01b", counterEvent(1), counterEvent(2)), `refused v1 "a\x01b" name@c 2: `)
	f(doc("c", "a", `["Nosuch", 1, "1"]`), `refused v1 "a" unknown_type@c 1: `)
	f(doc("c", "a", counterEvent(1), `["CounterGroup", 1, "\"x\""]`), `refused v1 "a" payload@c 1: a CounterGroup does not take "x"`)
	f(doc("c", "many", `["Gauge", 1, "\"x\""]`), `refused v1 "many" payload@c 1: sent as a Gauge; the tab is a CounterGroup, which does not take "x"`)
	f(doc("c", "a", "no event"), `refused v1 "a" json@c 1: line 6 of the body: a value is not JSON`)
	f(doc("c", "a", future), `clamped v1 "a" future@c 1: `)
	long := strings.Repeat("n", 21)
	f(doc("c", long, counterEvent(1)), `refused v1 "`+long+`" name_long@ 0: line 5 of the body: longer than the name limit of 20 bytes`)
	f("hello", `refused v1 "" malformed@ 0: line 1 of the body: the protocol version has to be 1`)
}

func TestRefusedSeriesAreNoted(t *testing.T) {
	o, tr := trailed()
	body := encoded(func(e *wire.BatchEncoder) {
		e.Values(e.Series("good", "CounterGroup", "c"), clock, []float64{1})
		e.Values(e.Series("bad\x01", "CounterGroup", "c"), clock, []float64{1, 2, 3})
		e.Values(e.Series("ahead", "CounterGroup", "c"), clock+3600, []float64{1, 2})
		e.Events(e.Series("text", "CounterGroup", "c"), []wire.RawEvent{{Time: clock, Payload: []byte(`"x"`), Weight: 4}})
		e.Partial(e.Series("state", "TotalsCounter", "c"), 5, []byte("no State"))
	})
	postBatch(t, newTestEvents(newSink(), nil, o), body)
	want := `clamped v2 "ahead" future@c 2: ` + "\n" +
		`refused v2 "bad\x01" name@c 3: ` + "\n" +
		`refused v2 "state" state@c 5: `
	got := noted(tr)
	if i := strings.Index(got, "refused v2 \"text\""); i < 0 || !strings.Contains(got[i:], "payload@c 4: a CounterGroup does not take") {
		t.Errorf("noted\n%s", got)
	}
	for line := range strings.Lines(want) {
		if !strings.Contains(got, strings.TrimSpace(line)) {
			t.Errorf("noted\n%s\nwithout\n%s", got, line)
		}
	}
}

// What is refused in a body whose commit fails comes again, and is noted then.
func TestNothingIsNotedOfWhatFails(t *testing.T) {
	o, tr := trailed()
	s := newSink()
	s.err = fmt.Errorf("no")
	h := newTestHandler(s, nil, o)
	body := doc("c", "a", counterEvent(1), `["CounterGroup", 1, "\"x\""]`)
	post(h, "/post", strings.NewReader(body))
	if got := noted(tr); strings.Contains(got, "payload") || !strings.Contains(got, "commit") {
		t.Errorf("noted %s", got)
	}
	s.err = nil
	post(h, "/post", strings.NewReader(body))
	wantText(t, noted(tr), `refused v1 "a" payload@c 1`)
}

// Whoever looks sees events of every way in.
func TestViewersSeeEvents(t *testing.T) {
	o, tr := trailed()
	v := tr.Look(func(name string) bool { return name == "a" }, 100)
	defer v.Close()
	s := newSink()
	post(newTestHandler(s, nil, o), "/post", strings.NewReader(doc("v1", "a", counterEvent(1), counterEvent(2))+""))
	postBatch(t, newTestEvents(s, nil, o), encoded(func(e *wire.BatchEncoder) {
		e.Values(e.Series("a", "CounterGroup", "v2"), clock, []float64{3, 4})
		e.Values(e.Series("b", "CounterGroup", "v2"), clock, []float64{5})
		e.Events(e.Series("a", "Gauge", "v2"), []wire.RawEvent{{Time: clock, Payload: []byte(`6`), Weight: 2}})
	}))
	shown, matched := v.Take()
	var got []string
	for _, e := range shown {
		got = append(got, fmt.Sprint(e.Door, " ", e.Client, " ", e.Value, " ", e.Weight))
	}
	want := "[v1 v1 1 1 v1 v1 2 1 v2 v2 3 1 v2 v2 4 1 v2 v2 6 2]"
	if fmt.Sprint(got) != want || matched != 6 {
		t.Errorf("shown are %v of %d, want %s of 6", got, matched, want)
	}
}

func TestAgentsTellOfThemselves(t *testing.T) {
	now := time.Unix(clock, 0)
	a := NewAgents(Options{Now: func() time.Time { return now }})
	report := func(name string, traces int) []byte {
		r := wire.AgentReport{Name: name, BacklogEvents: 7}
		for i := range traces {
			r.Traces = append(r.Traces, wire.AgentTrace{Kind: "refused", Reason: "name", Name: fmt.Sprint("n", i), Detail: strings.Repeat("x", 400), Last: clock})
		}
		return wire.AppendAgentReport(nil, &r)
	}
	tell := func(body []byte, status int) {
		t.Helper()
		r, text := post(a, "/v2/agent", bytes.NewReader(body))
		wantStatus(t, r, text, status)
	}
	tell(report("b", 0), http.StatusOK)
	tell(report("a", 0), http.StatusOK)
	tell(report("a", 2), http.StatusOK) // the latest counts
	seen := a.Seen()
	if len(seen) != 2 || seen[0].Name != "a" || seen[0].BacklogEvents != 7 || seen[0].From != "192.0.2.1" {
		t.Fatalf("seen are %+v", seen)
	}
	if traces := seen[0].Traces(); len(traces) != 2 || traces[1].Name != "n1" || traces[1].Last.Unix() != clock {
		t.Errorf("it tells of %+v", traces)
	}
	tell([]byte("nonsense"), http.StatusBadRequest)
	tell(wire.AppendAgentReport(nil, &wire.AgentReport{}), http.StatusBadRequest)
	tell(bytes.Repeat([]byte{0}, 65<<10), http.StatusRequestEntityTooLarge)
	now = now.Add(agentIsGone + time.Second)
	if len(a.Seen()) != 0 {
		t.Error("an agent is there for ever")
	}
	for i := range 1000 {
		tell(report(fmt.Sprint("agent", i), wire.MaxTraces), http.StatusOK)
	}
	if a.bytes > maxReports || len(a.Seen()) < 100 {
		t.Errorf("%d bytes are kept of %d agents", a.bytes, len(a.Seen()))
	}
}
