package fleet

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// simulate steps one process a second at a time and returns all it recorded.
func simulate(p *Process, seconds int) Recorded {
	var all Recorded
	for s := 1; s <= seconds; s++ {
		age := time.Duration(s) * time.Second
		p.Step(time.Unix(1_800_000_000, 0).Add(age), age, time.Second)
		for i, events := range p.Take() {
			all[i] = append(all[i], events...)
		}
	}
	return all
}

func TestEqualSeedsGiveEqualEvents(t *testing.T) {
	a := simulate(newProcess(3, 9, 20, 7), 30)
	b := simulate(newProcess(3, 9, 20, 7), 30)
	if diff := cmp.Diff(a, b); diff != "" {
		t.Error("two runs differ:\n" + diff)
	}
	c := simulate(newProcess(3, 9, 20, 8), 30)
	if cmp.Equal(a, c) {
		t.Error("another seed gives the same events")
	}
}

// TestTheBooksBalance checks what must hold between tabs of one process.
func TestTheBooksBalance(t *testing.T) {
	got := simulate(newProcess(0, 9, 50, 1), 60)
	n := func(i int) int { return len(got[i]) }
	if n(requests) == 0 || n(requests) != n(won)+n(lost) || n(latency) != n(requests) {
		t.Errorf("%d requests, %d won, %d lost, %d latencies", n(requests), n(won), n(lost), n(latency))
	}
	if n(price) != n(won) || n(spend) != n(won) || n(size) != n(won) {
		t.Errorf("%d won, %d prices, %d spends, %d sizes", n(won), n(price), n(spend), n(size))
	}
	if mean := 50 * 60.0; math.Abs(float64(n(requests))-mean) > 0.1*mean {
		t.Errorf("%d requests, want about %.0f", n(requests), mean)
	}
	if share := float64(n(won)) / float64(n(requests)); math.Abs(share-winChance) > 0.03 {
		t.Errorf("%.3f of the requests are won, want about %.2f", share, winChance)
	}
}

func TestEventsAreWellFormed(t *testing.T) {
	for i, events := range simulate(newProcess(0, 3, 2000, 1), 20) {
		if len(events) == 0 {
			t.Errorf("nothing of %s in 20 s", Tabs[i].Name)
		}
		for _, e := range events {
			if !json.Valid([]byte(e.Payload)) {
				t.Fatalf("%s: payload %s is not JSON", Tabs[i].Name, e.Payload)
			}
			if e.Time < 1_800_000_000 || e.Time > 1_800_000_020 {
				t.Fatalf("%s: an event of %f is outside the run", Tabs[i].Name, e.Time)
			}
		}
	}
}

func TestTakeSortsByTime(t *testing.T) {
	p := newProcess(0, 1, 500, 1)
	p.Step(time.Unix(100, 0), time.Second, time.Second)
	for i, events := range p.Take() {
		if !slices.IsSortedFunc(events, func(a, b Event) int { return int(math.Copysign(1, a.Time-b.Time)) }) {
			t.Errorf("%s is not in the order of time", Tabs[i].Name)
		}
	}
	for i, events := range p.Take() {
		if len(events) > 0 {
			t.Errorf("%s is taken twice", Tabs[i].Name)
		}
	}
}

func TestRollout(t *testing.T) {
	f := func(age time.Duration, index int, want string) {
		t.Helper()
		if got := releaseAt(age, index, 100).String(); got != want {
			t.Errorf("after %v process %d runs %s, want %s", age, index, got, want)
		}
	}
	f(0, 0, "4.17.0")
	f(firstRelease, 0, "4.18.0")
	f(firstRelease, 99, "4.17.0")
	f(firstRelease+rollout/2, 49, "4.18.0")
	f(firstRelease+rollout/2, 51, "4.17.0")
	f(firstRelease+rollout, 99, "4.18.0")
	f(firstRelease+releaseEvery, 0, "4.19.0")
	f(firstRelease+releaseEvery, 99, "4.18.0")
}

func TestOneLeaderPerZone(t *testing.T) {
	const clients = 12
	for age := time.Duration(0); age < 3*time.Minute; age += time.Second {
		leaders := map[string]int{}
		for i := range clients {
			if p := newProcess(i, clients, 1, 1); p.leads(age) {
				leaders[p.zone.name]++
			}
		}
		if diff := cmp.Diff(map[string]int{"us-east": 1, "us-west": 1, "eu-west": 1}, leaders); diff != "" {
			t.Fatalf("after %v the leaders are wrong (-want +got):\n%s", age, diff)
		}
	}
}

func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for i := range 240 {
		name := newProcess(i, 240, 1, 1).Name()
		if seen[name] || strings.ContainsAny(name, " ,\"") {
			t.Errorf("%q is taken or not a good name", name)
		}
		seen[name] = true
	}
}
