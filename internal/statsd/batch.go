package statsd

import "unicode/utf8"

// A batch is what a lane gathered within one second. Series are known by their
// index in the lane.
type batch struct {
	now     float64 // when the latest of it was received, in UTC seconds
	heads   []head
	touched []uint32 // the series whose heads are in use
	values  []value  // what did not fit into heads
	members []member // of sets
	texts   []byte   // of members, as JSON
	dated   []dated
	series  []*series // by index; given when the batch is sealed
	charged int64     // to the budget
}

// A head is the first value of a series and how many events had it: all that
// most series need.
type head struct {
	value  float64
	weight uint64
	more   uint32 // how many values there are of the series
	set    bool   // a gauge has a value, which is not only a change
}

// A value is one of a series and how many events had it.
type value struct {
	value  float64
	series uint32
	weight uint32
}

// A member is a value of a set: texts[from:to].
type member struct{ from, to, series uint32 }

// A dated value came with its time.
type dated struct {
	time float64
	value
}

// What gathering a value costs, for the budget.
const (
	headBytes   = 32
	valueBytes  = 16
	memberBytes = 12
	datedBytes  = 24
)

func (b *batch) empty() bool { return len(b.touched) == 0 && len(b.members) == 0 && len(b.dated) == 0 }

func (b *batch) size() int64 {
	return int64(headBytes*len(b.touched) + valueBytes*len(b.values) + memberBytes*len(b.members) + len(b.texts) + datedBytes*len(b.dated))
}

// cover makes room for so many series.
func (b *batch) cover(series int) {
	if more := series - len(b.heads); more > 0 {
		b.heads = append(b.heads, make([]head, more)...)
	}
}

// add adds n events of a value.
func (b *batch) add(series uint32, v float64, n uint32) {
	h := &b.heads[series]
	switch {
	case h.weight == 0:
		b.touched = append(b.touched, series)
		h.value, h.weight = v, uint64(n)
	case h.value == v:
		h.weight += uint64(n)
	default:
		h.more++
		b.values = append(b.values, value{v, series, n})
	}
}

// gauge sets a gauge, or changes its value.
func (b *batch) gauge(series uint32, v float64, change bool) {
	h := &b.heads[series]
	if h.weight == 0 {
		b.touched = append(b.touched, series)
	}
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
	if cap(b.values) > 8*len(b.values)+1<<12 {
		b.values = nil
	}
	if cap(b.texts) > 8*len(b.texts)+1<<16 {
		b.texts = nil
	}
	b.touched, b.values, b.members = b.touched[:0], b.values[:0], b.members[:0]
	b.texts, b.dated, b.series = b.texts[:0], b.dated[:0], nil
}
