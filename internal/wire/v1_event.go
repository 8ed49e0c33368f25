package wire

import (
	"errors"

	"github.com/tabaproject/taba/internal/pyjson"
	"github.com/tabaproject/taba/state"
)

var (
	errShape     = errors.New("an event has to be an array of Type, time and payload")
	errTypeName  = errors.New("the Type is longer than the limit for names")
	errNotString = errors.New("the payload has to be JSON text in a string")
)

// element is what slowEvent remembers of an element of the array.
type element struct {
	kind pyjson.Kind
	time float64
	typ  string
	bad  error // what is wrong with it as what it should be
}

// slowEvent reads an event of any form. If there is anything wrong with it
// nothing is added, and it returns why.
func (d *Decoder) slowEvent(line []byte) (reason string, err error) {
	var elements [3]element
	n, err := d.elements(line, &elements)
	switch {
	case err != nil:
		return BadJSON, err
	case n < len(elements):
		return BadShape, errShape
	case elements[0].bad != nil:
		return BadType, elements[0].bad
	case elements[1].bad != nil:
		return BadTime, elements[1].bad
	case elements[2].bad != nil:
		return BadPayload, elements[2].bad
	}
	text, kind, err := pyjson.AppendCanonical(d.text[:0], d.inner)
	if err != nil {
		return BadPayload, err
	}
	d.text = text
	e := state.Event{Time: elements[1].time, Number: kind.IsNumber()}
	if e.Number {
		e.Value = parseNumber(text)
	}
	e.JSON = d.texts.keep(text)
	d.add(e, elements[0].typ)
	return "", nil
}

// elements reads the array that line is, all of it, and interprets its first
// three elements; the payload is left in d.inner. It returns how many there
// are, 0 if line is JSON but no array.
func (d *Decoder) elements(line []byte, to *[3]element) (n int, err error) {
	rest := pyjson.SkipSpace(line)
	if len(rest) == 0 || rest[0] != '[' {
		_, _, err = pyjson.Append(d.text[:0], line)
		return 0, err
	}
	rest = pyjson.SkipSpace(rest[1:])
	if len(rest) > 0 && rest[0] == ']' {
		return 0, trailing(rest[1:])
	}
	for {
		if rest, err = d.element(pyjson.SkipSpace(rest), n, to); err != nil {
			return n, err
		}
		n++
		rest = pyjson.SkipSpace(rest)
		switch {
		case len(rest) > 0 && rest[0] == ',':
			rest = rest[1:]
		case len(rest) > 0 && rest[0] == ']':
			return n, trailing(rest[1:])
		default:
			return n, pyjson.ErrArray
		}
	}
}

func trailing(rest []byte) error {
	if len(pyjson.SkipSpace(rest)) > 0 {
		return pyjson.ErrTrailing
	}
	return nil
}

// element reads the value at the start of src as the n-th element.
func (d *Decoder) element(src []byte, n int, to *[3]element) (rest []byte, err error) {
	if n >= len(to) { // extra ones only have to be JSON
		_, rest, _, err = pyjson.AppendNext(d.text[:0], src)
		return rest, err
	}
	e := &to[n]
	text := d.inner[:0]
	if len(src) > 0 && src[0] == '"' {
		e.kind = pyjson.String
		text, rest, err = pyjson.Unquote(text, src)
	} else {
		text, rest, e.kind, err = pyjson.AppendNext(text, src)
	}
	if err != nil {
		return nil, err
	}
	d.inner = text
	switch n {
	case 0:
		e.setType(text, d)
	case 1:
		e.setTime(text)
	case 2:
		if e.kind != pyjson.String {
			e.bad = errNotString
		}
	}
	return rest, nil
}

func (e *element) setType(text []byte, d *Decoder) {
	if len(text) > d.lim.Name {
		e.bad = errTypeName
		return
	}
	e.typ = d.names.of(text)
}

// setTime takes what Python's float takes.
func (e *element) setTime(text []byte) {
	switch e.kind {
	case pyjson.Int, pyjson.Float:
		e.time = parseNumber(text)
	case pyjson.Bool:
		if text[0] == 't' {
			e.time = 1
		}
	case pyjson.String:
		e.time, e.bad = parseTimeText(text)
	default:
		e.bad = errTime
	}
}
