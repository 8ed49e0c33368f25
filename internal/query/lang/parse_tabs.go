package lang

import "strings"

func (p *parser) matcher() (m Matcher) {
	m.Name = p.pattern()
	if !p.take('{') {
		return m
	}
	for !p.take('}') {
		m.Tags = append(m.Tags, p.tag())
		if len(m.Tags) > MaxList {
			p.tooMany()
		}
		if !p.failed() && !p.take(',') && p.peek() != '}' {
			p.unexpected(`"," or "}"`)
		}
		if p.failed() {
			return m
		}
	}
	return m
}

func (p *parser) tag() Tag {
	var name string
	if p.peek() == '"' {
		name = p.quoted()
	} else if name = p.while(isTagByte); name == "" {
		p.unexpected("a tag")
	}
	op := p.op()
	p.space()
	at := p.at
	var value string
	if p.peek() == '"' {
		value = p.quoted()
	} else if value = p.while(isWordByte); value == "" {
		p.unexpected("a value in quotes")
	}
	t, err := NewTag(name, op, value)
	if t.re != nil {
		p.costly(at)
	}
	if err != nil {
		p.fail(at, err.Error(), "the syntax is that of Go's package regexp")
	}
	return t
}

func (p *parser) op() Op {
	p.space()
	for i := len(opTexts) - 1; i >= 0; i-- { // the longer ones first
		if text := opTexts[i]; strings.HasPrefix(p.text[p.at:], text) {
			p.at += len(text)
			return Op(i)
		}
	}
	p.unexpected("=, !=, =~ or !~")
	return 0
}

func (p *parser) pattern() Pattern {
	kind, at := Exact, p.at
	var text string
	switch p.peek() {
	case '"':
		text = p.quoted()
	case '/':
		at = p.at
		kind, text = Regexp, p.regexp()
	default:
		if text = p.word(); text == "glob" && p.peek() == '"' {
			kind, text = Glob, p.quoted()
		} else if strings.ContainsAny(text, "*?") {
			kind = Glob
		}
		if text == "" {
			p.unexpected(`a name, a glob such as bid*, "any text" or /a regular expression/`)
		}
	}
	pattern, err := NewPattern(kind, text)
	if kind != Exact {
		p.costly(at)
	}
	if err != nil {
		p.fail(at, err.Error(), "the syntax is that of Go's package regexp")
	}
	return pattern
}
