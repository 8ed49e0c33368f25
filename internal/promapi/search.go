package promapi

import (
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/tabaproject/taba/internal/query/lang"
	"github.com/tabaproject/taba/internal/view"
)

// A selector is matchers, sorted by what they are about.
type selector struct {
	names     []*labels.Matcher
	tags      []*labels.Matcher
	clients   []*labels.Matcher
	windows   []*labels.Matcher
	quantiles []*labels.Matcher
	tabs      []*labels.Matcher
	perClient bool
}

func newSelector(matchers []*labels.Matcher) *selector {
	s := &selector{}
	for _, m := range matchers {
		switch m.Name {
		case labelName:
			s.names = append(s.names, m)
		case labelClient:
			s.clients = append(s.clients, m)
			s.perClient = s.perClient || !m.Matches("")
		case labelWindow:
			s.windows = append(s.windows, m)
		case labelQuantile:
			s.quantiles = append(s.quantiles, m)
		case labelTab:
			s.tabs = append(s.tabs, m)
		default:
			s.tags = append(s.tags, m)
		}
	}
	return s
}

// matchAll reports whether all matchers take a value.
func matchAll(matchers []*labels.Matcher, value string) bool {
	for _, m := range matchers {
		if !m.Matches(value) {
			return false
		}
	}
	return true
}

// impossible reports whether no series can have what is asked for.
func (s *selector) impossible() bool {
	if s.perClient {
		return len(s.clientRanges()) == 0
	}
	return !matchAll(s.clients, "")
}

// look says which States the selector is about.
func (s *selector) look(most int) view.Look {
	l := view.Look{PerClient: s.perClient, Most: most, Tabs: s.ranges()}
	if s.perClient {
		l.Clients = s.clientRanges()
	}
	return l
}

// ranges returns where the tabs are that have the metrics.
func (s *selector) ranges() (list []view.Range) {
	for _, p := range s.patterns() {
		list = append(list, view.Range{Prefix: p.prefix(), Match: s.tabMatch(p), Next: p.next})
	}
	return list
}

// patterns returns what the names of tabs are like.
func (s *selector) patterns() []namePattern {
	for _, m := range s.names {
		if m.Type == labels.MatchEqual {
			return wholePatterns([]string{m.Value})
		}
		if set := m.SetMatches(); len(set) > 0 && m.Type == labels.MatchRegexp {
			return wholePatterns(set)
		}
	}
	for _, m := range s.names {
		if prefix := m.Prefix(); prefix != "" && m.Type == labels.MatchRegexp {
			return firstDigit([]namePattern{{text: tabPrefix(prefix)}})
		}
	}
	return []namePattern{{}}
}

// tabPrefix returns as much of a metric's beginning as its tab's name has, too:
// the suffix may begin at an underscore or a colon.
func tabPrefix(metric string) string {
	if i := strings.IndexAny(metric, "_:"); i >= 0 {
		return metric[:i]
	}
	return metric
}

func wholePatterns(metrics []string) (list []namePattern) {
	for _, metric := range metrics {
		for _, base := range bases(metric) {
			list = append(list, namePattern{text: base, whole: true})
		}
	}
	return firstDigit(list)
}

// firstDigit adds the names that an underscore was put before.
func firstDigit(list []namePattern) []namePattern {
	for _, p := range slices.Clone(list) {
		if len(p.text) > 1 && p.text[0] == '_' && isDigit(p.text[1]) {
			list = append(list, namePattern{p.text[1:], p.whole})
		}
	}
	return list
}

// tabMatch returns what chooses tabs of a pattern, by name and tags.
func (s *selector) tabMatch(p namePattern) func(tab string) bool {
	return func(tab string) bool {
		name := lang.Name(tab)
		if p.whole && !becomes(name, p.text) {
			return false
		}
		for _, m := range s.tags {
			if !m.Matches(labelOf(tab, m.Name)) {
				return false
			}
		}
		return true
	}
}

// becomes reports whether a name's bytes make a metric's, before which there may
// be another underscore.
func becomes(name, metric string) bool {
	if len(name) != len(metric) {
		return false
	}
	for i := range len(name) {
		if metricChar(name[i]) != metric[i] {
			return false
		}
	}
	return true
}

// clientRanges returns where the clients are.
func (s *selector) clientRanges() (list []view.Range) {
	match := func(client string) bool { return matchAll(s.clients, text(client)) }
	for _, m := range s.clients {
		var set []string
		switch m.Type {
		case labels.MatchEqual:
			set = []string{m.Value}
		case labels.MatchRegexp:
			set = m.SetMatches()
		}
		for _, client := range set {
			if match(client) {
				list = append(list, view.Range{Prefix: client, Whole: true})
			}
		}
		if len(set) > 0 {
			return list
		}
	}
	r := view.Range{Match: match}
	for _, m := range s.clients {
		if m.Type == labels.MatchRegexp {
			r.Prefix = max(r.Prefix, m.Prefix())
		}
	}
	return []view.Range{r}
}

// metrics returns the families of a tab that have a name that is asked for, with
// the name that each has.
func (s *selector) metrics(tab string, k *kind) (list []metric) {
	base := metricName(lang.Name(tab))
	for _, f := range k.families {
		name := base + f.suffix
		if matchAll(s.names, name) {
			list = append(list, metric{family: f, name: name})
		}
	}
	return list
}

// metric is a family of one tab.
type metric struct {
	*family
	name string
}

// maxChoices bounds how many windows and quantiles one selector may name.
const maxChoices = 100

// choices returns the values of a label that is made up as it is asked for: the
// usual ones and those that are named, as far as the matchers take them.
func choices(matchers []*labels.Matcher, usual []string) (list []string) {
	candidates := slices.Clone(usual)
	for _, m := range matchers {
		switch m.Type {
		case labels.MatchEqual:
			candidates = append(candidates, m.Value)
		case labels.MatchRegexp:
			candidates = append(candidates, m.SetMatches()...)
		}
	}
	for _, c := range candidates {
		if c != "" && matchAll(matchers, c) && !slices.Contains(list, c) && len(list) < maxChoices {
			list = append(list, c)
		}
	}
	return list
}
