package statsd

import (
	"bytes"
	"fmt"
	"net/netip"

	"github.com/tabaproject/taba/internal/trail"
	"github.com/tabaproject/taba/internal/wire/statsdtext"
	"github.com/tabaproject/taba/state"
)

// noteBytes is how much is kept of a line.
const noteBytes = 200

// refused counts a line that is not taken, and notes it if it is bad.
func (d *Door) refused(client string, from netip.Addr, line []byte, why statsdtext.Reason) {
	d.counts.refused[why].Inc()
	if why == statsdtext.Event || why == statsdtext.ServiceCheck {
		return // nothing is wrong with it
	}
	d.note(trail.Refused, client, from, line, string(why))
}

// overflowed counts a value that goes to OverflowTab, and notes its line: it tells
// who sends too many names.
func (d *Door) overflowed(client string, from netip.Addr, line []byte, limit string) {
	d.counts.over(limit)
	d.note(trail.Moved, client, from, line, limit)
}

// note keeps what became of a line.
func (d *Door) note(kind trail.Kind, client string, from netip.Addr, line []byte, why string) {
	n := trail.Note{Kind: kind, Door: trail.DoorStatsd, Reason: why, Name: tabOf(line), Client: client, Events: 1}
	if from.IsValid() {
		n.Sender = from.String()
	}
	n.Detail = string(line[:min(len(line), noteBytes)])
	d.o.Trail.Note(n)
	d.o.Trail.Viewers().Stopped(kind, n.Name, 1)
}

// tabOf is the tab that a bad line probably is of.
func tabOf(line []byte) string {
	const most = 4 << 10
	name, rest, _ := bytes.Cut(line[:min(len(line), most)], []byte(":"))
	_, tail, _ := bytes.Cut(rest, []byte("|"))
	for section := range bytes.SplitSeq(tail, []byte("|")) {
		if tags, ok := bytes.CutPrefix(section, []byte("#")); ok {
			if tab, why := statsdtext.Canonical(name, tags); why == "" {
				return tab
			}
		}
	}
	return string(name)
}

// refused is told which events do not fit the Type of their tab.
func (c *committer) refused(s *series, e *state.Event, why state.Reason) {
	c.d.counts.event(why, e.Count())
	c.d.o.Trail.Note(trail.Note{
		Kind: trail.Refused, Door: trail.DoorStatsd, Reason: string(why), Name: s.tab, Client: s.client, Events: e.Count(),
		Type: typeOf[s.kind], Detail: fmt.Sprintf("%s, a %s, does not take %s", s.tab, s.typ, describe(e)),
	})
	c.d.o.Trail.Viewers().Stopped(trail.Refused, s.tab, e.Count())
}

func describe(e *state.Event) string {
	if e.Number {
		return fmt.Sprint(e.Value)
	}
	return string(e.JSON[:min(len(e.JSON), noteBytes)])
}

// noteFuture is why an event was clamped.
const noteFuture = "future"

// clamped counts a value that came with a time too far ahead.
func (d *Door) clamped(s *series) {
	d.counts.clamped.Inc()
	d.o.Trail.Note(trail.Note{Kind: trail.Clamped, Door: trail.DoorStatsd, Reason: noteFuture, Name: s.tab, Client: s.client, Type: s.typ, Events: 1})
	d.o.Trail.Viewers().Stopped(trail.Clamped, s.tab, 1)
}

// show shows what is folded of a series to those who look.
func (f *folder) show(now float64, s *series) {
	for i := range f.events {
		e := &f.events[i]
		seen := trail.Event{Door: trail.DoorStatsd, Name: s.tab, Type: s.typ, Client: s.client, Time: e.Time, Value: e.Value, Weight: e.Count()}
		if !e.Number {
			seen.Text = e.JSON
		}
		f.viewers.Event(now, &seen)
	}
}

// showColumn shows values of a series to those who look.
func (f *folder) showColumn(now float64, s *series, values []float64) {
	f.viewers.Numbers(now, &trail.Event{Door: trail.DoorStatsd, Name: s.tab, Type: s.typ, Client: s.client, Time: now}, values)
}
