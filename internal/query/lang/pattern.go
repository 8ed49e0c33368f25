package lang

import (
	"fmt"
	"regexp"
	"strings"
)

// PatternKind says how a Pattern matches.
type PatternKind uint8

// The kinds of Patterns.
const (
	Exact  PatternKind = iota
	Glob               // * is any text and ? any one character
	Regexp             // the whole text must match
)

// Pattern chooses texts.
type Pattern struct {
	Kind PatternKind
	Text string

	prefix string         // with which every text that matches begins
	re     *regexp.Regexp // nil: exact
}

// NewPattern returns the Pattern of a kind.
func NewPattern(kind PatternKind, text string) (Pattern, error) {
	p := Pattern{Kind: kind, Text: text, prefix: text}
	expr := text
	switch kind {
	case Exact:
		return p, nil
	case Glob:
		expr = globRegexp(text)
	}
	bare, whole, err := compile(expr)
	if err != nil {
		return Pattern{}, fmt.Errorf("regular expression %q: %w", text, err)
	}
	p.re = whole
	p.prefix, _ = bare.LiteralPrefix()
	return p, nil
}

// globRegexp returns the regular expression that means the same.
func globRegexp(glob string) string {
	var b strings.Builder
	b.WriteString("(?s:")
	for rest := glob; rest != ""; {
		i := strings.IndexAny(rest, "*?")
		if i < 0 {
			b.WriteString(regexp.QuoteMeta(rest))
			break
		}
		b.WriteString(regexp.QuoteMeta(rest[:i]))
		b.WriteString(cond(rest[i] == '*', ".*", "."))
		rest = rest[i+1:]
	}
	b.WriteString(")")
	return b.String()
}

// Match reports whether p chooses s.
func (p *Pattern) Match(s string) bool {
	if p.re == nil {
		return s == p.Text
	}
	return p.re.MatchString(s)
}

// Prefix is what every text that p chooses begins with.
func (p *Pattern) Prefix() string { return p.prefix }

// String returns p as it is written.
func (p Pattern) String() string {
	switch {
	case p.Kind == Regexp:
		return "/" + strings.ReplaceAll(p.Text, "/", `\/`) + "/"
	case p.Kind == Glob && isWord(p.Text):
		return p.Text
	case p.Kind == Glob:
		return "glob " + quoteText(p.Text)
	case isWord(p.Text) && !strings.ContainsAny(p.Text, "*?"):
		return p.Text
	}
	return quoteText(p.Text)
}

// Op is how a tag is compared.
type Op uint8

// The comparisons.
const (
	Equal Op = iota
	NotEqual
	Matches
	NotMatches
)

var opTexts = [...]string{"=", "!=", "=~", "!~"}

// ParseOp reads a comparison.
func ParseOp(s string) (Op, error) {
	for i, text := range opTexts {
		if s == text {
			return Op(i), nil
		}
	}
	return 0, fmt.Errorf("unknown comparison %q; use =, !=, =~ or !~", s)
}

// Tag is a condition on a tag. A tab that does not have the tag has it empty.
type Tag struct {
	Name  string
	Op    Op
	Value string

	re *regexp.Regexp // of Matches and NotMatches
}

// NewTag returns a condition.
func NewTag(name string, op Op, value string) (Tag, error) {
	t := Tag{Name: name, Op: op, Value: value}
	if op == Matches || op == NotMatches {
		p, err := NewPattern(Regexp, value)
		if err != nil {
			return Tag{}, err
		}
		t.re = p.re
	}
	return t, nil
}

// Match reports whether a tag's value meets the condition.
func (t *Tag) Match(value string) bool {
	switch t.Op {
	case Equal:
		return value == t.Value
	case NotEqual:
		return value != t.Value
	case Matches:
		return t.re.MatchString(value)
	}
	return !t.re.MatchString(value)
}

// Matcher chooses tabs by name and tags.
type Matcher struct {
	Name Pattern
	Tags []Tag
}

// Whole reports whether the Pattern is compared with the whole name of a tab,
// tags and all, instead of what is before them.
func (m *Matcher) Whole() bool { return strings.Contains(m.Name.Text, ";") }

// Match reports whether m chooses the tab.
func (m *Matcher) Match(tab string) bool {
	name := tab
	if !m.Whole() {
		name = Name(tab)
	}
	return m.Name.Match(name) && m.MatchTags(tab)
}

// MatchTags reports whether the tags of the tab meet all conditions.
func (m *Matcher) MatchTags(tab string) bool {
	for i := range m.Tags {
		if t := &m.Tags[i]; !t.Match(TagOf(tab, t.Name)) {
			return false
		}
	}
	return true
}

// String returns m as it is written.
func (m Matcher) String() string {
	var b strings.Builder
	b.WriteString(m.Name.String())
	for i, t := range m.Tags {
		b.WriteString(cond(i == 0, "{", ","))
		b.WriteString(cond(isTagWord(t.Name), t.Name, quoteText(t.Name)))
		b.WriteString(opTexts[t.Op] + quoteText(t.Value))
	}
	if len(m.Tags) > 0 {
		b.WriteString("}")
	}
	return b.String()
}
