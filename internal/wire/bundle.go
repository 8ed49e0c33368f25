package wire

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/tabaproject/taba/internal/pyjson"
	"github.com/tabaproject/taba/state"
)

// Events of the v2 protocol travel in bundles that are shaped for the fold:
// per bundle the number of its series, runs of one second each, and one packed
// column of float64. Names are sent once for each Batch or stream. taba.proto
// has the fields and docs/v2.md what they are for.

// Limits on what a Batch of events may hold.
const (
	// MaxSeries is how many series one Batch or stream may have declared at a
	// time, and how many names for them.
	MaxSeries = 1 << 20
	// MaxBatchEvents is how many events a Batch may stand for: up to here
	// counts are exact wherever they go.
	MaxBatchEvents = 1 << 53
	// maxSecond bounds seconds, far beyond any date, so that they can be
	// added and are exact as floats.
	maxSecond = 1 << 52
)

// Series is a tab of one client, with its Type.
type Series struct{ Tab, Type, Client string }

// Columns is a bundle of the v2 protocol as it lies in the bytes of its Batch.
// It is valid as long as they are.
type Columns struct {
	// Series is the number of the series.
	Series uint32

	second  int64 // before the next run
	seconds []byte
	counts  []byte
	values  []byte
	weights []byte
	events  []byte
	single  bool // one run, of all values
}

// Len is how many values there are, in runs that NextRun has not returned.
func (c *Columns) Len() int { return len(c.values) / 8 }

// Weighted reports whether the values stand for more events than their number.
func (c *Columns) Weighted() bool { return len(c.weights) > 0 }

// Eventful reports whether there are events beside the values.
func (c *Columns) Eventful() bool { return len(c.events) > 0 }

// NextRun returns the second of the next run and how many values it has. They
// have to be read, by Floats, before the run after it. n is 0 after the last
// run.
func (c *Columns) NextRun() (second int64, n int) {
	if len(c.values) == 0 {
		return 0, 0
	}
	if c.single {
		n = len(c.values) / 8
	} else {
		count, used := binary.Uvarint(c.counts)
		c.counts = c.counts[used:]
		n = int(count)
	}
	if len(c.seconds) > 0 {
		delta, used := binary.Varint(c.seconds)
		c.seconds = c.seconds[used:]
		c.second += delta
	}
	return c.second, n
}

// Floats reads the next len(dst) values, which there must be. It reports
// whether all of them are finite.
func (c *Columns) Floats(dst []float64) (finite bool) {
	const sign, least = 1 << 63, 1 << 52 // adding least to what is not finite sets the sign
	src := c.values[:8*len(dst)]
	c.values = c.values[len(src):]
	var odd uint64
	for ; len(dst) >= 4 && len(src) >= 32; dst, src = dst[4:], src[32:] {
		v0 := binary.LittleEndian.Uint64(src)
		v1 := binary.LittleEndian.Uint64(src[8:])
		v2 := binary.LittleEndian.Uint64(src[16:])
		v3 := binary.LittleEndian.Uint64(src[24:])
		odd |= (v0&^sign + least) | (v1&^sign + least) | (v2&^sign + least) | (v3&^sign + least)
		dst[0], dst[1] = math.Float64frombits(v0), math.Float64frombits(v1)
		dst[2], dst[3] = math.Float64frombits(v2), math.Float64frombits(v3)
	}
	for i := range dst {
		v := binary.LittleEndian.Uint64(src[8*i:])
		odd |= v&^sign + least
		dst[i] = math.Float64frombits(v)
	}
	return odd&sign == 0
}

// Weight reads how many events the next value stands for.
func (c *Columns) Weight() uint64 {
	if len(c.weights) == 0 {
		return 1
	}
	w, used := binary.Uvarint(c.weights)
	c.weights = c.weights[used:]
	return w
}

// RawEvent is an event with a payload that need not be a number.
type RawEvent struct {
	Time    float64 // UTC seconds
	Payload []byte  // JSON text; when decoded, as it came
	Weight  uint64  // 0 is 1
}

// NextEvent reads the next of the events beside the values.
func (c *Columns) NextEvent() (e RawEvent, ok bool) {
	if len(c.events) == 0 {
		return e, false
	}
	b, rest, _ := cutBytes(c.events[1:])
	c.events = rest
	e, _ = parseEvent(b)
	return e, true
}

// PartialBytes is a Partial as it lies in the bytes of its Batch.
type PartialBytes struct {
	Series uint32
	Events uint64
	State  []byte
}

// SeriesLimitError says that a Batch or stream declares too many names or
// series.
type SeriesLimitError struct {
	What string // "names" or "series"
	Max  int
}

func (e *SeriesLimitError) Error() string {
	return fmt.Sprintf("more than %d %s", e.Max, e.What)
}

// maxPayload is the longest payload of a RawEvent.
const maxPayload = 1 << 20

// AppendEvent turns an event with a payload of any kind into what a Type
// folds. Its payload in normal form is appended to text, which the event
// points into. The error says what is wrong with the payload.
func (e *RawEvent) AppendEvent(text []byte) (state.Event, []byte, error) {
	if len(e.Payload) > maxPayload {
		return state.Event{}, text, fmt.Errorf("the payload is longer than the limit of %d bytes", maxPayload)
	}
	payload := e.Payload
	if slices.ContainsFunc(payload, func(c byte) bool { return c >= utf8.RuneSelf }) {
		payload = pyjson.AppendASCII(nil, payload) // what the Python client never sent
	}
	begin := len(text)
	text, kind, err := pyjson.AppendCanonical(text, payload)
	if err != nil {
		return state.Event{}, text[:begin], err
	}
	v := state.Event{Time: e.Time, Weight: e.Weight, Number: kind.IsNumber(), JSON: text[begin:len(text):len(text)]}
	if v.Number {
		v.Value = parseNumber(v.JSON)
	}
	return v, text, nil
}

// HasParts reports whether a Batch begins with what goes with parts: then
// DecodeBatch is to be used, else a BatchDecoder.
func HasParts(m []byte) bool { return len(m) > 0 && m[0]>>3 <= batchParts }

// Forgets reports whether a Batch of events begins with forget.
func Forgets(m []byte) bool { return len(m) > 1 && m[0] == tagForget && m[1] == 1 }
