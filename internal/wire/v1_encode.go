package wire

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/tabaproject/taba/internal/pyjson"
)

// Encoder writes a v1 body exactly as the original's client does:
//
//	var e wire.Encoder
//	e.Client("web-1")
//	e.Tab("bids_won")
//	e.EventNumber("CounterGroup", 1395954314.12, 5)
//	body := e.Close()
//
// The zero value is ready to use; Reset keeps its memory. It is not safe for
// concurrent use.
type Encoder struct {
	buf    []byte
	last   int    // where the last event begins
	inner  []byte // scratch: a payload before it becomes a string
	client bool   // one is open
	tab    bool   // one is open
}

// ErrNameLine refuses a name that would end its line.
var ErrNameLine = errors.New("a name must not contain a line end")

// Reset empties the Encoder.
func (e *Encoder) Reset() { *e = Encoder{buf: e.buf[:0], inner: e.inner[:0]} }

// Len is the length of the body so far.
func (e *Encoder) Len() int { return len(e.buf) }

// Client begins the tabs of a client. On an error nothing was written.
func (e *Encoder) Client(name string) error {
	if strings.Contains(name, "\n") {
		return ErrNameLine
	}
	e.endClient()
	e.begin()
	e.buf = append(append(e.buf, name...), "\n\n"...)
	e.client = true
	return nil
}

// Tab begins the events of a tab of the client begun last. On an error nothing
// was written. An empty name is written, but the protocol has no way to read
// it back.
func (e *Encoder) Tab(name string) error {
	if strings.Contains(name, "\n") {
		return ErrNameLine
	}
	e.endTab()
	e.buf = append(append(e.buf, name...), '\n')
	e.tab = true
	return nil
}

// Event writes an event of the tab begun last. time is in UTC seconds, payload
// is JSON text.
func (e *Encoder) Event(typ string, time float64, payload []byte) {
	e.head(typ)
	e.buf = pyjson.AppendFloat(e.buf, time)
	e.tail(payload)
}

// EventNumber writes an event whose payload is a float.
func (e *Encoder) EventNumber(typ string, time, v float64) {
	e.inner = pyjson.AppendFloat(e.inner[:0], v)
	e.Event(typ, time, e.inner)
}

// EventInt writes an event whose payload is an integer.
func (e *Encoder) EventInt(typ string, time float64, v int64) {
	e.inner = strconv.AppendInt(e.inner[:0], v, 10)
	e.Event(typ, time, e.inner)
}

// EventString writes an event whose payload is a string (UTF-8).
func (e *Encoder) EventString(typ string, time float64, s string) {
	e.inner = pyjson.AppendString(e.inner[:0], s)
	e.Event(typ, time, e.inner)
}

// EventText writes an event whose time and payload are JSON texts already.
func (e *Encoder) EventText(typ string, time, payload []byte) {
	e.head(typ)
	e.buf = append(e.buf, time...)
	e.tail(payload)
}

// Repeat writes the event that was written last n more times.
func (e *Encoder) Repeat(n int) {
	e.buf = slices.Grow(e.buf, n*(len(e.buf)-e.last))
	event := e.buf[e.last:]
	for range n {
		e.buf = append(e.buf, event...)
	}
}

func (e *Encoder) head(typ string) {
	e.last = len(e.buf)
	e.buf = pyjson.AppendString(append(e.buf, '['), typ)
	e.buf = append(e.buf, ", "...)
}

func (e *Encoder) tail(payload []byte) {
	e.buf = pyjson.AppendString(append(e.buf, ", "...), payload)
	e.buf = append(e.buf, "]\n"...)
}

// Close ends the body and returns it. It is valid until Reset, which has to
// come before anything else is written.
func (e *Encoder) Close() []byte {
	e.begin()
	e.endClient()
	return e.buf
}

func (e *Encoder) begin() {
	if len(e.buf) == 0 {
		e.buf = append(e.buf, "1\n\n"...)
	}
}

func (e *Encoder) endTab() {
	if e.tab {
		e.buf = append(e.buf, '\n')
		e.tab = false
	}
}

func (e *Encoder) endClient() {
	e.endTab()
	if e.client {
		e.buf = append(e.buf, '\n')
		e.client = false
	}
}
