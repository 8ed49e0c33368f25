package demo

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// conclude waits for the last events, shows the closing figures and says
// whether they agree.
func (o Options) conclude(m *monitor) error {
	s, l := m.settled()
	var text strings.Builder
	if o.Out.Terminal {
		text.WriteString(s.body(o.Out))
	} else {
		text.WriteString(m.story.news(m.start))
	}
	fmt.Fprintf(&text, "\n%s\n", o.Out.Grid("Exactly once", []string{"TAB", "RECORDED", "ACKNOWLEDGED", "COUNTED", ""}, s.comparison(), 1))
	err := errors.Join(s.check(), l.check(m.acknowledged(&s), s.doubt))
	if err == nil {
		text.WriteString(s.verdict(&l))
	}
	if _, wrote := io.WriteString(o.Out.W, text.String()); wrote != nil {
		err = errors.Join(err, fmt.Errorf("show the figures: %w", wrote))
	}
	return err
}

// comparison is the closing table: what was recorded and what became of it.
func (s *sample) comparison() [][]string {
	total := s.counts()
	total.name = "together"
	rows := make([][]string, 0, len(s.tabs)+1)
	for _, t := range append(s.tabs, total) {
		rows = append(rows, []string{t.name, number(t.recorded), number(t.acknowledged), number(t.counted), t.verdict()})
	}
	return rows
}

// verdict is said when all is as it should be.
func (s *sample) verdict(l *ledger) string {
	text := "Recorded, acknowledged and counted are equal."
	if s.doubt > 0 {
		text = fmt.Sprintf(`Every acknowledged event is counted, each once. %s more were on the way to an agent when it was killed: nobody was
told what became of them, and the agent may have taken them or not.`, number(s.doubt))
	}
	text += fmt.Sprintf(` The server's ledger holds all %s events, gauges and probes
included, each once. From recorded to visible: median %s, worst of the last %d %s.
`, number(l.events()), millis(s.lag.median), probeKeep, millis(s.lag.worst))
	if len(s.story) > 0 {
		text += fmt.Sprintf("All servers answer the same, and %d times something was killed or stopped.\n", len(s.story))
	}
	return text
}

func (t tabCount) verdict() string {
	switch {
	case t.recorded == t.counted:
		return "equal"
	case t.acknowledged <= t.counted && t.counted < t.recorded:
		return fmt.Sprintf("%d in doubt, %d of them counted", t.recorded-t.acknowledged, t.counted-t.acknowledged)
	}
	return fmt.Sprintf("differ by %d", int64(t.counted)-int64(t.recorded))
}

// check compares, tab by tab, what was acknowledged with what was counted.
func (s *sample) check() error {
	if s.err != nil {
		return fmt.Errorf("ask for the closing figures: %w", s.err)
	}
	var errs []error
	if s.fleet.InDoubt > 0 && len(s.story) == 0 || s.fleet.Lost > 0 {
		errs = append(errs, fmt.Errorf("%d events are in doubt and %d were never taken; the last error: %v", s.fleet.InDoubt, s.fleet.Lost, s.fleet.Err))
	}
	for _, t := range s.tabs {
		if t.counted < t.acknowledged || t.counted > t.recorded {
			errs = append(errs, fmt.Errorf("%s: %d events were recorded, %d acknowledged, %d counted", t.name, t.recorded, t.acknowledged, t.counted))
		}
	}
	return errors.Join(errs...)
}

// check compares the ledger with what was acknowledged, and what may have been.
func (l *ledger) check(acknowledged, doubt uint64) error {
	switch {
	case !l.OK:
		return fmt.Errorf("the server's ledger does not add up: %s", strings.Join(l.Problems, "; "))
	case l.events() < acknowledged || l.events() > acknowledged+doubt:
		return fmt.Errorf("%d events were acknowledged and %d are in doubt, the server's ledger holds %d", acknowledged, doubt, l.events())
	}
	return nil
}
