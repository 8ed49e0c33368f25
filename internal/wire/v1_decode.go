package wire

import (
	"bytes"
	"io"

	"github.com/tabaproject/taba/internal/pyjson"
	"github.com/tabaproject/taba/state"
)

// Decoder reads a v1 body as a stream of bundles. Its memory is used again
// after Reset; it allocates nothing per event, and nothing per bundle once it
// has seen the names.
type Decoder struct {
	lim   Limits
	lines lines
	step  step
	err   error // the outcome, once there is one

	client string
	tab    string

	bundle Bundle
	events []state.Event // of the bundle; its owner may cut Bundle.Events
	bad    []Bad
	bytes  int // of lines
	peak   int // most events of a bundle of this body
	typed  bool

	prefix     []byte // of the last event that was read fast: all before its time
	prefixType string

	columns columns
	clock   clock

	names names
	texts texts
	inner []byte // scratch: the payload as it stands in its string
	text  []byte // scratch: a value in normal form
}

// step is what the next line has to be.
type step uint8

const (
	stepVersion step = iota
	stepVersionEnd
	stepClient
	stepClientEnd
	stepTab
	stepEvent
)

// NewDecoder returns a Decoder of the body r. r may be nil if Reset follows.
func NewDecoder(r io.Reader, lim Limits) *Decoder {
	d := &Decoder{lim: lim.withDefaults()}
	d.lines.max = d.lim.Line
	d.Reset(r)
	return d
}

// Reset begins another body and keeps memory as far as the last body needed
// it. Reset(nil) lets go of the reader and of what was read.
func (d *Decoder) Reset(r io.Reader) {
	d.columns.end(true)
	d.endBundle()
	d.client, d.tab = "", ""
	d.step, d.err = stepVersion, nil
	if r == nil {
		d.lines.r, d.err = nil, io.EOF
		return
	}
	d.lines.reset(r)
	d.events, d.peak = shrink(d.events, d.peak), 0
	if cap(d.bad) > minEvents {
		d.bad = nil
	}
	if cap(d.inner)+cap(d.text) > bestLineBuffer {
		d.inner, d.text = nil, nil
	}
}

// Copied is how many bytes of the body have been moved in memory so far, that
// a line might be in one piece.
func (d *Decoder) Copied() int { return d.lines.copied }

// Next returns the next bundle, which is valid until the next call of Next or
// Reset; its names may be kept. The error is io.EOF at the end, a *SyntaxError
// or *LimitError if the body must not be ingested, or what the reader said;
// it is returned again by every further call. Tabs without events are passed
// over.
func (d *Decoder) Next() (*Bundle, error) {
	d.endBundle()
	for d.err == nil {
		if d.step == stepEvent && d.columns.to != nil {
			if d.run(); d.full() {
				return d.take(), nil
			}
		}
		line, err := d.lines.next()
		if err != nil {
			d.err = err
			break
		}
		if d.step == stepEvent && len(line) > 0 {
			d.event(line)
			if !d.full() {
				continue
			}
			return d.take(), nil
		}
		ended := d.step == stepEvent && d.size() > 0
		d.err = d.frame(line)
		if ended {
			return d.take(), nil
		}
	}
	if d.err == io.EOF && d.size() > 0 {
		return d.take(), nil
	}
	return nil, d.err
}

// frame takes a line that is no event.
func (d *Decoder) frame(line []byte) error {
	switch d.step {
	case stepVersion:
		if string(line) != "1" {
			return d.syntax("the protocol version has to be 1")
		}
		d.step = stepVersionEnd
	case stepVersionEnd:
		if len(line) > 0 {
			return d.syntax("a blank line has to follow the protocol version")
		}
		d.step = stepClient
	case stepClient:
		d.step = stepClientEnd
		return d.name(&d.client, line)
	case stepClientEnd:
		if len(line) > 0 {
			return d.syntax("a blank line has to follow the name of the client")
		}
		d.step = stepTab
	case stepTab:
		if len(line) == 0 {
			d.step = stepClient
			return nil
		}
		d.step = stepEvent
		return d.name(&d.tab, line)
	case stepEvent: // blank
		d.step = stepTab
	}
	return nil
}

func (d *Decoder) name(to *string, line []byte) error {
	if len(line) > d.lim.Name {
		e := &LimitError{Line: d.lines.n, Limit: "name", Max: d.lim.Name}
		if to == &d.tab {
			e.Name = beginning(line)
		}
		return e
	}
	*to = d.names.of(line)
	return nil
}

func (d *Decoder) syntax(reason string) error {
	return &SyntaxError{Line: d.lines.n, Reason: reason}
}

// event takes the line of an event.
func (d *Decoder) event(line []byte) {
	if d.size() == 0 {
		d.bundle.First = d.lines.n
	}
	d.bytes += len(line)
	if d.fastEvent(line) {
		return
	}
	if reason, err := d.slowEvent(line); err != nil {
		d.bad = append(d.bad, Bad{Line: d.lines.n, Reason: reason, Detail: err.Error()})
	}
}

// add adds a good event to the bundle.
func (d *Decoder) add(e state.Event, typ string) {
	if !d.typed {
		d.bundle.Type, d.typed = typ, true
	}
	d.events = append(d.events, e)
}

// size is how many lines of events the bundle has.
func (d *Decoder) size() int { return len(d.events) + len(d.bad) + d.columns.n }

func (d *Decoder) full() bool {
	return d.size() >= d.lim.BundleEvents || d.bytes >= d.lim.BundleBytes
}

// take hands out the bundle.
func (d *Decoder) take() *Bundle {
	d.columns.flush()
	b := &d.bundle
	b.Tab, b.Client, b.Events, b.Bad = d.tab, d.client, d.events, d.bad
	return b
}

// endBundle takes back the memory of the bundle handed out last.
func (d *Decoder) endBundle() {
	d.peak = max(d.peak, len(d.events))
	d.events, d.bad = d.events[:0], d.bad[:0]
	d.bundle = Bundle{}
	d.bytes, d.typed = 0, false
	d.columns.end(false)
	d.texts.reset()
}

// fastEvent reads an event in the form in which nearly all are: a plain Type,
// a plain time, a plain number or string. It reports false, and changes nothing that
// matters, if the event has any other form, good or bad.
func (d *Decoder) fastEvent(line []byte) bool {
	i := len(d.prefix)
	if i == 0 || !bytes.HasPrefix(line, d.prefix) || i < len(line) && line[i] == ' ' {
		if i = d.learnPrefix(line); i == 0 {
			return false
		}
	}
	time, n := plainNumber(line[i:])
	i += n
	if n == 0 || i+5 > len(line) || line[i] != ',' { // at least ,"5"]
		return false
	}
	if i++; line[i] == ' ' {
		i++
	}
	if line[i] != '"' {
		return false
	}
	i++
	e := state.Event{Time: time}
	if !d.plainPayload(line[i:], &e) {
		return false
	}
	d.add(e, d.prefixType)
	return true
}

// plainPayload reads the rest of an event's line, after the quote before its
// payload: a plain number, or a string that needs no escapes.
func (d *Decoder) plainPayload(rest []byte, e *state.Event) bool {
	if v, n := plainNumber(rest); n > 0 && string(rest[n:]) == `"]` {
		e.Value, e.Number, e.JSON = v, true, d.texts.keep(rest[:n])
		return true
	}
	if len(rest) < 2 || rest[0] != '\\' || rest[1] != '"' {
		return false
	}
	n := pyjson.Plain(rest[2:])
	if string(rest[2+n:]) != `\""]` {
		return false
	}
	e.JSON = d.texts.keep(rest[1 : 2+n+1]) // the backslash at the end becomes a quote
	e.JSON[len(e.JSON)-1] = '"'
	return true
}

// learnPrefix reads what stands before the time: ["CounterGroup", with or
// without the space. It returns its length, 0 if the line begins otherwise.
func (d *Decoder) learnPrefix(line []byte) int {
	if len(line) < 4 || line[0] != '[' || line[1] != '"' {
		return 0
	}
	i := 2 + pyjson.Plain(line[2:])
	if i-2 > d.lim.Name || i+2 > len(line) || line[i] != '"' || line[i+1] != ',' {
		return 0
	}
	typ := line[2:i]
	if i += 2; i < len(line) && line[i] == ' ' {
		i++
	}
	d.prefix = append(d.prefix[:0], line[:i]...)
	d.prefixType = d.names.of(typ)
	return i
}
