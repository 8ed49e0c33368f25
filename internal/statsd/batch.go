package statsd

import "unicode/utf8"

// A batch is what a lane gathered within one second. Series are known by their
// index in the lane.
type batch struct {
	now     float64 // when the latest of it was received, in UTC seconds
	heads   []head
	touched []uint32 // the series whose heads are in use
	values  []float64
	owners  []uint32  // the series of values
	weighed []weighed // values of several events
	members []member  // of sets
	texts   []byte    // of members, as JSON
	dated   []dated
	series  []*series // by index; given when the batch is sealed
	charged int64     // to the budget
}

// A head is what most series need in a second: for a counter its first value
// and how many events had that, for a gauge its last one. The others and the
// values of timers are in lists, as they came, for all series together.
type head struct {
	value   float64
	weight  uint64
	values  uint32 // of the series in values
	weighed uint32 // and in weighed
	touched bool
	set     bool // a gauge has a value, which is not only a change
}

// A weighed value is one of a series and how many events had it.
type weighed struct {
	value  float64
	series uint32
	weight uint32
}

// A member is a value of a set: texts[from:to].
type member struct{ from, to, series uint32 }

// A dated value came with its time.
type dated struct {
	time float64
	weighed
}

// What gathering a value costs, for the budget.
const (
	headBytes   = 36
	valueBytes  = 12
	weighBytes  = 16
	memberBytes = 12
	datedBytes  = 24
)

func (b *batch) empty() bool { return len(b.touched) == 0 && len(b.members) == 0 && len(b.dated) == 0 }

func (b *batch) size() int64 {
	return int64(headBytes*len(b.touched) + valueBytes*len(b.values) + weighBytes*len(b.weighed) +
		memberBytes*len(b.members) + len(b.texts) + datedBytes*len(b.dated))
}

// cover makes room for so many series.
func (b *batch) cover(series int) {
	if more := series - len(b.heads); more > 0 {
		b.heads = append(b.heads, make([]head, more)...)
	}
}

// head returns the head of a series, to be used.
func (b *batch) head(series uint32) *head {
	h := &b.heads[series]
	if !h.touched {
		h.touched = true
		b.touched = append(b.touched, series)
	}
	return h
}

// add adds n events of a value that will probably come again.
func (b *batch) add(series uint32, v float64, n uint32) {
	h := b.head(series)
	switch {
	case h.weight == 0:
		h.value, h.weight = v, uint64(n)
	case h.value == v:
		h.weight += uint64(n)
	default:
		b.list(h, series, v, n)
	}
}

// measure adds n events of a value that is probably a new one.
func (b *batch) measure(series uint32, v float64, n uint32) { b.list(b.head(series), series, v, n) }

func (b *batch) list(h *head, series uint32, v float64, n uint32) {
	if n != 1 {
		h.weighed++
		b.weighed = append(b.weighed, weighed{v, series, n})
		return
	}
	h.values++
	b.values = append(b.values, v)
	b.owners = append(b.owners, series)
}

// gauge sets a gauge, or changes its value.
func (b *batch) gauge(series uint32, v float64, change bool) {
	h := b.head(series)
	h.weight++
	if change {
		h.value += v
	} else {
		h.value, h.set = v, true
	}
}

// member adds a value of a set.
func (b *batch) member(series uint32, text []byte) {
	from := len(b.texts)
	b.texts = appendJSON(b.texts, text)
	b.members = append(b.members, member{uint32(from), uint32(len(b.texts)), series})
}

// appendJSON appends text as a JSON string. What is not UTF-8 is taken for
// Latin-1, so that different values stay different.
func appendJSON(dst, text []byte) []byte {
	const hex = "0123456789abcdef"
	unicode := utf8.Valid(text)
	dst = append(dst, '"')
	for _, c := range text {
		if c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf && !unicode {
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		} else {
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// clear empties b, whose heads are clean. It keeps the memory of lists that
// were filled, so that that of a burst is given back.
func (b *batch) clear() {
	b.touched, b.members, b.dated = b.touched[:0], b.members[:0], b.dated[:0]
	b.values, b.owners, b.weighed = emptied(b.values), emptied(b.owners), emptied(b.weighed)
	b.texts, b.series = emptied(b.texts), nil
}

// emptied returns an empty list with the memory of one that made use of it.
func emptied[T any](list []T) []T {
	if cap(list) > 8*len(list)+1<<12 {
		return nil
	}
	return list[:0]
}
