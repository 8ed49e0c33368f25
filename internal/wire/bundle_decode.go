package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// Field numbers of the messages of a Batch of events, and the bytes that their
// fields begin with.
const (
	seriesTab, seriesType, seriesClient = 1, 2, 3

	bundleSeries  = 1
	partialSeries = 1
	partialEvents = 2

	varint, fixed, delimited = byte(protowire.VarintType), byte(protowire.Fixed64Type), byte(protowire.BytesType)

	tagForget  = batchForget<<3 | varint
	tagName    = batchNames<<3 | delimited
	tagSeries  = batchSeries<<3 | delimited
	tagSecond  = batchSecond<<3 | varint
	tagBundle  = batchBundles<<3 | delimited
	tagPartial = batchPartials<<3 | delimited

	tagBundleSeries = bundleSeries<<3 | varint
	tagSeconds      = 2<<3 | delimited
	tagCounts       = 3<<3 | delimited
	tagValues       = 4<<3 | delimited
	tagWeights      = 5<<3 | delimited
	tagEvent        = 6<<3 | delimited

	tagTime    = 1<<3 | fixed
	tagPayload = 2<<3 | delimited
	tagWeight  = 3<<3 | varint

	tagPartialSeries = partialSeries<<3 | varint
	tagPartialEvents = partialEvents<<3 | varint
	tagState         = 3<<3 | delimited
)

// BatchDecoder reads the Batches of events of one stream, or one POST after
// the other. It allocates nothing but what it has to remember of new names.
//
//	if err := d.Begin(batch); err != nil { … } // nothing of batch counts
//	for {
//		switch d.Next() { … }
//	}
//
// It is not safe for concurrent use.
type BatchDecoder struct {
	// Bundle and Partial are what Next has found.
	Bundle  Columns
	Partial PartialBytes

	maxName int
	known   names // so that POSTs of the same names allocate nothing
	names   []string
	series  []Series
	bytes   int // of names
	second  int64
	events  uint64
	rest    []byte
}

// Found is what Next has found.
type Found uint8

// What Next finds.
const (
	FoundEnd Found = iota
	FoundBundle
	FoundPartial
)

// NewBatchDecoder returns a BatchDecoder that takes names of at most maxName
// bytes; 0 is the default.
func NewBatchDecoder(maxName int) *BatchDecoder {
	return &BatchDecoder{maxName: Limits{Name: maxName}.withDefaults().Name}
}

// Reset forgets the names and series of the Batches before.
func (d *BatchDecoder) Reset() {
	clear(d.names)
	clear(d.series)
	d.names, d.series, d.bytes, d.rest = d.names[:0], d.series[:0], 0, nil
	if cap(d.series) > maxNames {
		d.names, d.series = nil, nil
	}
	d.Bundle, d.Partial = Columns{}, PartialBytes{}
}

// Series returns what has been declared, by number. It may be read until the
// next Begin.
func (d *BatchDecoder) Series() []Series { return d.series }

// Size is the approximate memory held for names and series, in bytes.
func (d *BatchDecoder) Size() int {
	const perName, perSeries = 16, 48
	return d.bytes + perName*cap(d.names) + perSeries*cap(d.series)
}

// Events is how many events the Batch stands for.
func (d *BatchDecoder) Events() uint64 { return d.events }

// Begin checks all of a Batch and declares its names and series. If there is
// anything wrong with it, it changes nothing. forgot reports that numbers of
// series from before are void.
func (d *BatchDecoder) Begin(m []byte) (forgot bool, err error) {
	names, series, bytes := d.names, d.series, d.bytes
	d.events = 0
	if forgot, err = d.check(m); err != nil {
		d.names, d.series, d.bytes, d.rest = names, series, bytes, nil
		return false, in("batch", err)
	}
	d.rest = m
	return forgot, nil
}

// check reads a Batch field by field. d.second is that of the Batch when it
// returns.
func (d *BatchDecoder) check(m []byte) (forgot bool, err error) {
	var bundles, partials int
	first := len(d.series) // in this Batch
	named := len(d.names)
	d.second = 0
	for len(m) > 0 && err == nil {
		var b []byte
		switch tag := m[0]; tag {
		case tagBundle:
			if b, m, err = cutBytes(m[1:]); err == nil {
				if err = d.checkBundle(b); err != nil {
					err = inNth("bundle", bundles, err)
				}
			}
			bundles++
		case tagPartial:
			if b, m, err = cutBytes(m[1:]); err == nil {
				err = inNth("partial", partials, d.checkPartial(b))
			}
			partials++
		case tagName:
			if b, m, err = cutBytes(m[1:]); err == nil {
				err = inNth("name", len(d.names), d.addName(b))
			}
		case tagSeries:
			if b, m, err = cutBytes(m[1:]); err == nil {
				err = inNth("series", len(d.series), d.addSeries(b))
			}
		case tagForget:
			var v uint64
			if v, m, err = cutUint(m[1:]); err == nil && v != 0 {
				if len(d.series) != first || len(d.names) != named || bundles+partials > 0 {
					return false, errors.New("forget comes after names, series or events")
				}
				forgot, first, named = true, 0, 0
				d.forget()
			}
		case tagSecond:
			if bundles > 0 {
				return false, errors.New("second comes after bundles")
			}
			m, err = d.setSecond(m[1:])
		default:
			m, err = skipBatchField(m)
		}
	}
	return forgot, err
}

// skipBatchField skips a field that is not of events. Parts and what goes with
// them must not be there.
func skipBatchField(m []byte) ([]byte, error) {
	num, kind, n := protowire.ConsumeField(m)
	switch {
	case n < 0:
		return nil, protowire.ParseError(n)
	case num == batchNamespace:
		return nil, errors.New("namespaces are reserved and must be empty")
	case num <= batchParts:
		return nil, errors.New("a Batch has either parts or events, not both")
	case num <= batchPartials:
		return nil, fmt.Errorf("field %d has wire type %d", num, kind)
	}
	return m[n:], nil
}

// forget drops names and series, and leaves them as they are in memory: if the
// Batch turns out to be bad they come back.
func (d *BatchDecoder) forget() {
	if len(d.names) > 0 {
		d.names, d.series, d.bytes = nil, nil, 0
	}
}

func (d *BatchDecoder) setSecond(m []byte) (rest []byte, err error) {
	v, rest, err := cutUint(m)
	if err != nil {
		return nil, in("second", err)
	}
	d.second = protowire.DecodeZigZag(v)
	if d.second < -maxSecond || d.second > maxSecond {
		return nil, fmt.Errorf("second: %d is no time", d.second)
	}
	return rest, nil
}

func (d *BatchDecoder) addName(b []byte) error {
	if len(b) > d.maxName {
		return &LimitError{Limit: "name", Max: d.maxName, Name: beginning(b)}
	}
	if len(d.names) == MaxSeries {
		return &SeriesLimitError{What: "names", Max: MaxSeries}
	}
	d.names = append(d.names, d.known.of(b))
	d.bytes += len(b)
	return nil
}

func (d *BatchDecoder) addSeries(m []byte) error {
	if len(d.series) == MaxSeries {
		return &SeriesLimitError{What: "series", Max: MaxSeries}
	}
	var s Series
	to := [...]*string{&s.Tab, &s.Type, &s.Client}
	var at [len(to)]uint64
	for i := range at {
		var err error
		if len(m) > 0 && m[0] == byte(i+1)<<3|varint {
			if at[i], m, err = cutUint(m[1:]); err != nil {
				return err
			}
		}
		if at[i] >= uint64(len(d.names)) {
			return fmt.Errorf("name %d is not declared", at[i])
		}
		*to[i] = d.names[at[i]]
	}
	if err := skipLater(m, seriesClient); err != nil {
		return err
	}
	d.series = append(d.series, s)
	return nil
}

// Bundles reads the bundles that come next into to, as many as it has elements,
// and returns how many there were. At fewer, Next finds what follows them.
func (d *BatchDecoder) Bundles(to []Columns) (n int) {
	m := d.rest
	for n < len(to) && len(m) > 0 && m[0] == tagBundle {
		b, rest, _ := cutBytes(m[1:])
		m = rest
		to[n].second = d.second
		_ = to[n].parse(b) // was checked
		n++
	}
	d.rest = m
	return n
}

// Next finds the next bundle or Partial of the Batch that Begin has checked.
func (d *BatchDecoder) Next() Found {
	for m := d.rest; len(m) > 0; {
		switch m[0] {
		case tagBundle:
			b, rest, _ := cutBytes(m[1:])
			d.rest = rest
			d.Bundle.second = d.second
			_ = d.Bundle.parse(b) // was checked
			return FoundBundle
		case tagPartial:
			b, rest, _ := cutBytes(m[1:])
			d.rest = rest
			_ = d.Partial.parse(b) // was checked
			return FoundPartial
		}
		_, _, n := protowire.ConsumeField(m)
		m = m[n:] // was checked
	}
	d.rest = nil
	return FoundEnd
}

var (
	errCut   = errors.New("it is cut off")
	errOrder = errors.New("its fields are not in ascending order, or one of them has another type")
)

// cutBytes splits off bytes with their length before them.
func cutBytes(m []byte) (b, rest []byte, err error) {
	n, m, err := cutUint(m)
	if err != nil || n > uint64(len(m)) {
		return nil, nil, errCut
	}
	return m[:n:n], m[n:], nil
}

// cutUint splits off a number.
func cutUint(m []byte) (v uint64, rest []byte, err error) {
	if len(m) > 1 {
		if m[0] < 0x80 {
			return uint64(m[0]), m[1:], nil
		}
		if m[1] < 0x80 {
			return uint64(m[0]&0x7f) | uint64(m[1])<<7, m[2:], nil
		}
	}
	v, n := binary.Uvarint(m)
	if n <= 0 {
		return 0, nil, errCut
	}
	return v, m[n:], nil
}

// parse reads a bundle. Runs and events are only found, not read. It is called
// twice for each bundle, and bundles can be small: so its fields are written
// out, not looped over, and memory is written once.
func (c *Columns) parse(m []byte) (err error) {
	var series uint64
	var seconds, counts, values, weights []byte
	if len(m) > 0 && m[0] == tagBundleSeries {
		if series, m, err = cutUint(m[1:]); err != nil {
			return err
		}
		series = min(series, math.MaxUint32)
	}
	if len(m) > 0 && m[0] == tagSeconds {
		if seconds, m, err = cutBytes(m[1:]); err != nil {
			return err
		}
	}
	if len(m) > 0 && m[0] == tagCounts {
		if counts, m, err = cutBytes(m[1:]); err != nil {
			return err
		}
	}
	if len(m) > 0 && m[0] == tagValues {
		if values, m, err = cutBytes(m[1:]); err != nil {
			return err
		}
	}
	if len(m) > 0 && m[0] == tagWeights {
		if weights, m, err = cutBytes(m[1:]); err != nil {
			return err
		}
	}
	events := m
	for len(m) > 0 && m[0] == tagEvent {
		if _, m, err = cutBytes(m[1:]); err != nil {
			return err
		}
	}
	c.Series, c.single = uint32(series), len(counts) == 0
	c.seconds, c.counts, c.values, c.weights = seconds, counts, values, weights
	c.events = events[:len(events)-len(m)]
	if len(m) == 0 {
		return nil
	}
	return skipLater(m, 6)
}

// skipLater skips the fields of a later version: those beyond the last one.
func skipLater(m []byte, last protowire.Number) error {
	for len(m) > 0 {
		num, _, n := protowire.ConsumeField(m)
		if n < 0 {
			return errCut
		}
		if num <= last {
			return errOrder
		}
		m = m[n:]
	}
	return nil
}

// parse reads a Partial.
func (p *PartialBytes) parse(m []byte) (err error) {
	*p = PartialBytes{}
	if len(m) > 0 && m[0] == tagPartialSeries {
		var v uint64
		if v, m, err = cutUint(m[1:]); err != nil {
			return err
		}
		p.Series = uint32(min(v, math.MaxUint32))
	}
	if len(m) > 0 && m[0] == tagPartialEvents {
		if p.Events, m, err = cutUint(m[1:]); err != nil {
			return err
		}
	}
	if len(m) > 0 && m[0] == tagState {
		if p.State, m, err = cutBytes(m[1:]); err != nil {
			return err
		}
	}
	return skipLater(m, 3)
}

// parseEvent reads an event.
func parseEvent(m []byte) (e RawEvent, err error) {
	if len(m) > 8 && m[0] == tagTime {
		e.Time = math.Float64frombits(binary.LittleEndian.Uint64(m[1:]))
		m = m[9:]
	}
	if len(m) > 0 && m[0] == tagPayload {
		if e.Payload, m, err = cutBytes(m[1:]); err != nil {
			return e, err
		}
	}
	if len(m) > 0 && m[0] == tagWeight {
		if e.Weight, m, err = cutUint(m[1:]); err != nil {
			return e, err
		}
	}
	return e, skipLater(m, 3)
}
