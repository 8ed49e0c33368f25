package wire

import (
	"encoding/binary"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// BatchEncoder writes Batches of events:
//
//	var e wire.BatchEncoder
//	e.Begin(now)
//	won := e.Series("bids_won", "CounterGroup", "web-1")
//	e.Values(won, now, []float64{1, 1, 3})
//	send(e.Bytes())
//	e.Begin(now) // the next Batch of the stream: names and series stay known
//
// A Batch that is sent by itself, in a POST, has to declare all its series:
// call Forget before Begin. The zero value is ready to use; its memory is used
// again. It is not safe for concurrent use.
type BatchEncoder struct {
	buf    []byte
	names  map[string]uint32
	series map[Series]uint32
	second int64
	forget bool
}

// Run is how many events of a bundle happened in one second.
type Run struct {
	Second int64 // UTC
	N      int
}

// Forget makes the next Batch one that declares its names and series anew.
// Numbers of series from before are void.
func (e *BatchEncoder) Forget() {
	clear(e.names)
	clear(e.series)
	e.forget = true
}

// Begin begins a Batch in the memory of the one before. second is a time in
// UTC seconds near those of its events; the nearer, the shorter it becomes.
func (e *BatchEncoder) Begin(second int64) {
	e.buf = e.buf[:0]
	if e.forget {
		e.buf = append(e.buf, tagForget, 1)
		e.forget = false
	}
	e.second = second
	e.buf = append(e.buf, tagSecond)
	e.buf = binary.AppendVarint(e.buf, second)
}

// Bytes returns the Batch, which is valid until the next Begin.
func (e *BatchEncoder) Bytes() []byte { return e.buf }

// Len is the length of the Batch so far.
func (e *BatchEncoder) Len() int { return len(e.buf) }

// Declared is how many series have been declared since the last Forget, of at
// most MaxSeries.
func (e *BatchEncoder) Declared() int { return len(e.series) }

// Series returns the number of a series, declaring it if it is new.
func (e *BatchEncoder) Series(tab, typ, client string) uint32 {
	s := Series{Tab: tab, Type: typ, Client: client}
	if id, ok := e.series[s]; ok {
		return id
	}
	if e.series == nil {
		e.series = make(map[Series]uint32)
	}
	tabName, typeName, clientName := uint64(e.name(tab)), uint64(e.name(typ)), uint64(e.name(client))
	var scratch [24]byte
	m := appendUint(scratch[:0], seriesTab, tabName)
	m = appendUint(m, seriesType, typeName)
	m = appendUint(m, seriesClient, clientName)
	e.buf = append(e.buf, tagSeries, byte(len(m)))
	e.buf = append(e.buf, m...)
	id := uint32(len(e.series))
	e.series[s] = id
	return id
}

func (e *BatchEncoder) name(name string) uint32 {
	if n, ok := e.names[name]; ok {
		return n
	}
	if e.names == nil {
		e.names = make(map[string]uint32)
	}
	e.buf = append(e.buf, tagName)
	e.buf = protowire.AppendString(e.buf, name)
	n := uint32(len(e.names))
	e.names[name] = n
	return n
}

// Values writes a bundle of values of one second. Without values it writes
// nothing.
func (e *BatchEncoder) Values(series uint32, second int64, values []float64) {
	if len(values) == 0 {
		return
	}
	var scratch [24]byte
	head := appendUint(scratch[:0], bundleSeries, uint64(series))
	if second != e.second {
		head = append(head, tagSeconds, 0)
		at := len(head)
		head = binary.AppendVarint(head, second-e.second)
		head[at-1] = byte(len(head) - at)
	}
	e.bundle(head, len(values))
	e.column(values)
}

// Runs writes a bundle of values that happened in several seconds. weights has
// as many elements as values, or none. The runs' numbers add up to that of the
// values. Without values it writes nothing.
func (e *BatchEncoder) Runs(series uint32, runs []Run, values []float64, weights []uint64) {
	if len(values) == 0 {
		return
	}
	var scratch [64]byte
	head := appendUint(scratch[:0], bundleSeries, uint64(series))
	var packed [64]byte
	p := packed[:0]
	before := e.second
	for _, r := range runs {
		p = binary.AppendVarint(p, r.Second-before)
		before = r.Second
	}
	head = protowire.AppendBytes(append(head, tagSeconds), p)
	if len(runs) > 1 {
		p = p[:0]
		for _, r := range runs {
			p = binary.AppendUvarint(p, uint64(r.N))
		}
		head = protowire.AppendBytes(append(head, tagCounts), p)
	}
	p = p[:0]
	for _, w := range weights {
		p = binary.AppendUvarint(p, w)
	}
	tail := 0
	if len(p) > 0 {
		tail = 1 + protowire.SizeBytes(len(p))
	}
	e.bundle(head, len(values), tail)
	e.column(values)
	if len(p) > 0 {
		e.buf = protowire.AppendBytes(append(e.buf, tagWeights), p)
	}
}

// bundle writes the beginning of a bundle: all up to its values, and their
// length. tail is the length of what comes after them.
func (e *BatchEncoder) bundle(head []byte, values int, tail ...int) {
	column := 8 * values
	size := len(head) + 1 + protowire.SizeBytes(column)
	for _, n := range tail {
		size += n
	}
	e.buf = protowire.AppendVarint(append(e.buf, tagBundle), uint64(size))
	e.buf = append(e.buf, head...)
	e.buf = protowire.AppendVarint(append(e.buf, tagValues), uint64(column))
}

func (e *BatchEncoder) column(values []float64) {
	for _, v := range values {
		e.buf = binary.LittleEndian.AppendUint64(e.buf, math.Float64bits(v))
	}
}

// Events writes a bundle of events with payloads of any kind. Without events
// it writes nothing.
func (e *BatchEncoder) Events(series uint32, events []RawEvent) {
	if len(events) == 0 {
		return
	}
	var scratch [8]byte
	head := appendUint(scratch[:0], bundleSeries, uint64(series))
	size := len(head)
	for i := range events {
		size += 1 + protowire.SizeBytes(eventSize(&events[i]))
	}
	e.buf = protowire.AppendVarint(append(e.buf, tagBundle), uint64(size))
	e.buf = append(e.buf, head...)
	for i := range events {
		e.event(&events[i])
	}
}

func eventSize(v *RawEvent) int {
	n := 9 + 1 + protowire.SizeBytes(len(v.Payload))
	if v.Weight > 1 {
		n += 1 + protowire.SizeVarint(v.Weight)
	}
	return n
}

func (e *BatchEncoder) event(v *RawEvent) {
	e.buf = protowire.AppendVarint(append(e.buf, tagEvent), uint64(eventSize(v)))
	e.buf = binary.LittleEndian.AppendUint64(append(e.buf, tagTime), math.Float64bits(v.Time))
	e.buf = protowire.AppendBytes(append(e.buf, tagPayload), v.Payload)
	if v.Weight > 1 {
		e.buf = protowire.AppendVarint(append(e.buf, tagWeight), v.Weight)
	}
}

// Partial writes a State that holds a number of events, as its Type encodes
// it.
func (e *BatchEncoder) Partial(series uint32, events uint64, state []byte) {
	var scratch [24]byte
	head := appendUint(scratch[:0], partialSeries, uint64(series))
	head = appendUint(head, partialEvents, events)
	size := len(head) + 1 + protowire.SizeBytes(len(state))
	e.buf = protowire.AppendVarint(append(e.buf, tagPartial), uint64(size))
	e.buf = append(e.buf, head...)
	e.buf = protowire.AppendBytes(append(e.buf, tagState), state)
}
