package lang

import (
	"fmt"
	"strconv"
	"strings"
)

// Parse reads a Query. Its error is an *Error.
func Parse(text string) (*Query, error) {
	if len(text) > MaxText {
		return nil, &Error{Limit: true, Message: fmt.Sprintf("the query has %d bytes, at most %d are read; use a glob or a regular expression for a list of names", len(text), MaxText)}
	}
	p := parser{scanner: scanner{text: text}}
	p.query()
	if p.err != nil {
		return nil, p.err
	}
	return &p.q, nil
}

// ParseMatcher reads a selector alone.
func ParseMatcher(text string) (Matcher, error) {
	if len(text) > MaxText {
		return Matcher{}, &Error{Limit: true, Message: fmt.Sprintf("the selector has %d bytes, at most %d are read", len(text), MaxText)}
	}
	p := parser{scanner: scanner{text: text}}
	m := p.matcher()
	if p.peek() != 0 {
		p.unexpected("the end")
	}
	if p.err != nil {
		return Matcher{}, p.err
	}
	return m, nil
}

// ParseDuration reads a duration such as 1h30m, in seconds.
func ParseDuration(clause, text string) (int64, error) {
	p := parser{scanner: scanner{text: text}}
	d := p.duration(clause)
	if p.err == nil && p.peek() != 0 {
		p.unexpected("the end")
	}
	if p.err != nil {
		return 0, p.err
	}
	return d, nil
}

// ParseKey reads what a group is made by.
func ParseKey(text string) (Key, error) {
	p := parser{scanner: scanner{text: text}}
	k := p.key()
	if p.err == nil && p.peek() != 0 {
		p.unexpected("the end")
	}
	if p.err != nil {
		return Key{}, p.err
	}
	return k, nil
}

type parser struct {
	scanner
	q        Query
	patterns int // globs and regular expressions so far
}

// costly counts a glob or a regular expression.
func (p *parser) costly(at int) {
	if p.patterns++; p.patterns > MaxPatterns && !p.failed() {
		p.fail(at, fmt.Sprintf("more than %d globs and regular expressions", MaxPatterns), "use one for several names, as in /a|b/")
		p.err.Limit = true
	}
}

func (p *parser) query() {
	p.pick()
	if p.values() || p.peek() == '(' {
		p.parenthesised()
	} else {
		p.q.Select = list(p, p.matcher)
	}
	for !p.failed() && p.peek() != 0 {
		p.clause()
	}
}

// pick reads top N or bottom N. Both may be names, too.
func (p *parser) pick() {
	start := p.at
	sign := 1
	if !p.keyword("top") {
		if sign = -1; !p.keyword("bottom") {
			return
		}
	}
	if c := p.peek(); c < '0' || c > '9' {
		p.at = start
		return
	}
	p.q.Pick = sign * p.integer("top")
}

// values reads values if a list of words is followed by a parenthesis.
func (p *parser) values() bool {
	start := p.at
	for {
		p.space()
		at := p.at
		word := p.word()
		if word == "" || p.peek() != ',' && p.peek() != '(' {
			p.at, p.q.Values = start, nil
			return false
		}
		v, err := ParseValue(word)
		if err != nil {
			if !p.callFollows() {
				p.at, p.q.Values = start, nil
				return false
			}
			what, use, _ := strings.Cut(err.Error(), "; ")
			p.fail(at, what, use)
			return true
		}
		p.q.Values = append(p.q.Values, v)
		if p.peek() == '(' {
			return true
		}
		p.take(',')
	}
}

// callFollows reports whether words up to a parenthesis are next: then those
// before were meant to be values.
func (p *parser) callFollows() bool {
	start := p.at
	defer func() { p.at = start }()
	for p.take(',') && p.word() != "" {
		p.space()
	}
	return p.peek() == '('
}

func (p *parser) parenthesised() {
	if len(p.q.Values) > MaxList {
		p.tooMany()
	}
	if !p.take('(') {
		return
	}
	p.q.Select = list(p, p.matcher)
	if !p.failed() && !p.take(')') {
		p.unexpected(`"," or ")"`)
	}
}

const clauses = "client, by, last, step or limit"

func (p *parser) clause() {
	start := p.at
	p.space()
	name := p.word()
	given := false
	switch name {
	case "client":
		given = p.q.Clients != nil
		p.q.Clients = list(p, p.pattern)
	case "by":
		given = p.q.By != nil
		p.by()
	case "last":
		given = p.q.Last != 0
		p.last()
	case "step":
		given = p.q.Step != 0
		if p.q.Step = StepAuto; !p.keyword("auto") {
			p.q.Step = p.duration("step")
		}
	case "limit":
		given = p.q.Limit != 0
		p.q.Limit = p.integer("limit")
	default:
		p.at = start
		p.unexpected(clauses)
	}
	if given {
		p.at = start
		p.space()
		p.fail(p.at, "a second "+name, "give it once")
	}
}

func (p *parser) by() {
	open := p.take('(')
	p.q.By = list(p, p.key)
	if open && !p.failed() && !p.take(')') {
		p.unexpected(`"," or ")"`)
	}
}

func (p *parser) last() {
	p.space()
	at := p.at
	p.q.Last = p.duration("last")
	if !p.failed() && p.q.Last > MaxWindow {
		p.fail(at, "last "+Duration(p.q.Last)+": a window is at most "+Duration(MaxWindow), "ask for "+Duration(MaxWindow)+" or less")
		p.err.Limit = true
	}
}

// list reads elements with commas between them.
func list[T any](p *parser, element func() T) (all []T) {
	for {
		all = append(all, element())
		if len(all) > MaxList {
			p.tooMany()
		}
		if !p.take(',') {
			return all
		}
	}
}

func (p *parser) tooMany() {
	if !p.failed() {
		p.fail(p.at, fmt.Sprintf("a list has more than %d elements", MaxList), "use a glob or a regular expression")
		p.err.Limit = true
	}
}

func (p *parser) integer(clause string) int {
	p.space()
	at := p.at
	word := p.while(isWordByte)
	n, err := strconv.Atoi(word)
	if (err != nil || n < 1 || n > MaxPick) && !p.failed() {
		p.at = at
		p.fail(at, clause+": unexpected "+p.here(), fmt.Sprintf("expected a number from 1 to %d", MaxPick))
	}
	return n
}

func (p *parser) duration(clause string) (seconds int64) {
	p.space()
	start := p.at
	whole := clause + " " + p.while(isWordByte)
	if p.at == start {
		p.unexpected("a duration such as 37m")
		return 0
	}
	end := p.at
	for p.at = start; p.at < end && !p.failed(); {
		digits := p.while(func(c byte) bool { return '0' <= c && c <= '9' })
		if digits == "" || len(digits) > 9 {
			p.fail(p.at-len(digits), whole+": expected a number", "write for example 37m")
			return 0
		}
		n, _ := strconv.ParseInt(digits, 10, 64) // nine digits
		seconds += n * p.unit(whole)
	}
	if seconds == 0 {
		p.fail(start, whole+": nothing lasts no time", "write for example 37m")
	}
	return seconds
}

// unit reads a unit and returns its seconds.
func (p *parser) unit(whole string) int64 {
	const use = "use s, m, h, d"
	at := p.at
	name := p.while(func(c byte) bool { return isWordByte(c) && (c < '0' || c > '9') })
	for _, u := range units {
		if name == string(u.name) {
			return u.seconds
		}
	}
	if name == "" {
		p.fail(at, whole+": a unit is missing", use)
	}
	p.fail(at, fmt.Sprintf("%s: unknown unit %q", whole, name), use)
	return 0
}

func (p *parser) key() (k Key) {
	if p.peek() == '"' {
		return Key{Tag: p.quoted()}
	}
	word := p.while(isTagByte)
	if kind, ok := keyNames[word]; ok {
		return Key{Kind: kind}
	}
	switch {
	case word == "":
		p.unexpected(`tab, name, client, prefix(N) or a tag`)
	case word == "prefix" && p.take('('):
		k = Key{Kind: ByPrefix, Parts: p.parts()}
		if !p.failed() && !p.take(')') {
			p.unexpected(`")"`)
		}
		return k
	}
	return Key{Tag: word}
}

// parts reads how many parts of a name, which are no more than its bytes.
func (p *parser) parts() int {
	p.space()
	at := p.at
	n, err := strconv.Atoi(p.while(func(c byte) bool { return '0' <= c && c <= '9' }))
	if err != nil || n < 1 || n > 1000 {
		p.at = at
		p.unexpected("how many parts of the name, such as 2")
	}
	return n
}
