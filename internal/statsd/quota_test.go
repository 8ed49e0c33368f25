package statsd

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/tabaproject/taba/internal/ingest"
	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/trail"
)

// directory knows what a sink has.
type directory struct{ *sink }

func (d directory) CatchUp(context.Context) error { return nil }

func (d directory) count() (tabs, states int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, clients := range d.all.Tabs {
		tabs++
		for range clients {
			states++
		}
	}
	return tabs, states
}

func (d directory) TabCount() int {
	n, _ := d.count()
	return n
}

func (d directory) StateCount() int {
	_, n := d.count()
	return n
}

func (d directory) HasTab(name string) bool {
	_, ok := d.TypeOf("", name)
	return ok
}

func (d directory) HasState(tab store.Tab, client string) (ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for t, clients := range d.all.Tabs {
		for c := range clients {
			ok = ok || t == tab && c == client
		}
	}
	return ok
}

// Names beyond the limits of the process count in one tab, each limit for itself,
// and what is known stays exact.
func TestNamesBeyondTheQuota(t *testing.T) {
	for _, c := range []struct {
		limit string
		o     ingest.QuotaOptions
	}{
		{"tabs", ingest.QuotaOptions{Tabs: 10}},
		{"states", ingest.QuotaOptions{States: 10}},
		{"new_tabs", ingest.QuotaOptions{NewTabs: 1}},
	} {
		t.Run(c.limit, func(t *testing.T) {
			s := newSink()
			o := testOptions(s)
			c.o.Directory, c.o.Now = directory{s}, o.Now
			q := ingest.NewQuota(c.o)
			o.Quota, o.Trail = q.Claims(), trail.New(trail.Options{})
			d := open(t, o)
			l := d.lane()
			feed(d, l, 0, "honest:1|c")
			const random = 1000
			for i := range random {
				feed(d, l, 0, "honest:2|c", fmt.Sprintf("random%d:7|c", i))
			}
			d.Stop()
			tabs, _ := directory{s}.count()
			over := random - (tabs - 2) // beside honest and OverflowTab
			got := s.dump()
			for _, want := range []string{
				totals("honest", random+1, 2*random+1),
				strings.Replace(totals(OverflowTab, over, float64(over)), " here ", " statsd ", 1),
			} {
				if !strings.Contains(got, want) {
					t.Errorf("there is no %s", want)
				}
			}
			if most := max(c.o.Tabs, c.o.States, 100*c.o.NewTabs) + 1; tabs > most {
				t.Errorf("there are %d tabs, want at most %d", tabs, most)
			}
			if got := metric(t, d, fmt.Sprintf("taba_statsd_overflow_values_total{reason=%q}", c.limit)); got != fmt.Sprint(over) {
				t.Errorf("%s values are over the limit, want %d", got, over)
			}
			last := o.Trail.All()[0]
			if last.Detail != fmt.Sprintf("random%d:7|c", random-1) || last.Reason != c.limit || last.Kind != trail.Moved {
				t.Errorf("noted last was %+v", last)
			}
			if !strings.Contains(q.Last(), "limits."+c.limit) {
				t.Errorf("the quota says %q", q.Last())
			}
		})
	}
}
