package capacity

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// rows are the lines of the table in docs/capacity.md.
var rows = []Load{
	{1e5, 200, 20, 20, time.Second, 16},
	{1e6, 1000, 100, 100, time.Second, 16},
	{1e7, 1000, 1000, 1000, 2 * time.Second, 16},
	{1e8, 1000, 5000, 5000, 5 * time.Second, 32},
	{1e9, 1000, 10_000, 10_000, 10 * time.Second, 32},
	{1e9, 1000, 10_000, 10_000, time.Second, 128},
	{1e9, 5000, 100_000, 100_000, time.Minute, 256},
}

func (l Load) row() string {
	n := l.Needs()
	return fmt.Sprintf("| %g | %g | %g | %v | %g | %g | %.3g | %.2g | %.3g | %.3g | %g in %g | %.3g | %g | %g | %s |",
		l.Events, l.Tabs, l.Clients, l.Lag, l.VBuckets, n.Partials, n.Batches, n.Clients, n.Agents, n.Servers, n.Processors, n.Machines, n.Redis, n.Shards, n.Connections, n.First)
}

// TestTable holds the documentation to the formula.
func TestTable(t *testing.T) {
	text, err := os.ReadFile("../../docs/capacity.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range rows {
		if row := l.row(); !strings.Contains(string(text), "\n"+row+"\n") {
			t.Errorf("docs/capacity.md lacks the row\n%s", row)
		}
	}
}

func TestLoadsThatAreNone(t *testing.T) {
	good := rows[0]
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for _, spoil := range []func(*Load){
		func(l *Load) { l.Events = 0 }, func(l *Load) { l.Tabs = -1 }, func(l *Load) { l.Lag = 0 }, func(l *Load) { l.VBuckets = 0 },
		func(l *Load) { l.Agents = 0; l.Agents /= l.Agents }, // not a number
	} {
		l := good
		spoil(&l)
		if l.Check() == nil {
			t.Errorf("%+v is good", l)
		}
	}
}

// TestWorkOfAnAgent: more agents are more work for the others, not for one.
func TestWorkOfAnAgent(t *testing.T) {
	one, ten := rows[2], rows[2]
	ten.Events, ten.Clients, ten.Agents = 10*one.Events, 10*one.Clients, 10*one.Agents
	a, b := one.Needs(), ten.Needs()
	if b.OneAgent > 1.01*a.OneAgent || b.Servers < 9.99*a.Servers || b.Servers > 10.01*a.Servers {
		t.Errorf("ten times the agents: %+v, then %+v", a, b)
	}
}

// TestEventsAloneCostLittle: what grows with events is what clients and agents
// do; servers and Redis see States.
func TestEventsAloneCostLittle(t *testing.T) {
	more := rows[2]
	more.Events *= 10
	a, b := rows[2].Needs(), more.Needs()
	if a.Servers != b.Servers || a.Redis != b.Redis || b.Clients <= a.Clients {
		t.Errorf("ten times the events: %+v, then %+v", a, b)
	}
}
