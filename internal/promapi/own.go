package promapi

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
)

// ownPrefix is what the server's own metrics begin with. They are told if they
// are asked for by name, and as of now: nobody keeps what they were.
const ownPrefix = "taba_"

// asksForOwn reports whether a selector names metrics of the server itself.
func (s *selector) asksForOwn() bool {
	for _, m := range s.names {
		if strings.HasPrefix(m.Prefix(), ownPrefix) || m.Type == labels.MatchEqual && strings.HasPrefix(m.Value, ownPrefix) {
			return true
		}
		for _, name := range m.SetMatches() {
			if m.Type == labels.MatchRegexp && strings.HasPrefix(name, ownPrefix) {
				return true
			}
		}
	}
	return false
}

// own adds the series of the server itself. What /metrics shows is read again,
// so that there is one place where it is told.
func (s *selection) own(matchers []*labels.Matcher) error {
	if s.q.a.o.Own == nil || !s.asksForOwn() {
		return nil
	}
	t, ok := s.span.now(s.q.at, lookback.Milliseconds())
	if !ok && !s.labelsFor {
		return nil
	}
	var page bytes.Buffer
	s.q.a.o.Own(&page)
	for line := range strings.Lines(page.String()) {
		i := strings.LastIndexByte(strings.TrimSpace(line), ' ')
		if line[0] == '#' || i < 0 {
			continue
		}
		ls, err := s.q.a.parser.ParseMetric(line[:i])
		value, notNumber := strconv.ParseFloat(strings.TrimSpace(line[i:]), 64)
		if err != nil || notNumber != nil || !matchLabels(ls, matchers) {
			continue
		}
		x := &oneSeries{labels: ls, times: []int64{t}, values: []float64{value}, grid: grid{none: true}}
		s.found = append(s.found, x)
		if err := s.q.weigh(x); err != nil {
			return err
		}
	}
	return nil
}

// matchLabels reports whether all matchers take a series.
func matchLabels(ls labels.Labels, matchers []*labels.Matcher) bool {
	for _, m := range matchers {
		if !m.Matches(ls.Get(m.Name)) {
			return false
		}
	}
	return true
}
