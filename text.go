package taba

import (
	"math"
	"strconv"
	"time"

	"github.com/tabaproject/taba/internal/wire"
)

// textWriter writes bodies of the v1 protocol, which has one event per line.
type textWriter struct {
	wire  wire.Encoder
	at    int64  // what time tells
	time  []byte // text
	value []byte // text
}

func (w *textWriter) begin(client string, _ time.Time) {
	w.wire.Reset()
	_ = w.wire.Client(client) // was checked
}

func (w *textWriter) len() int { return w.wire.Len() }

func (w *textWriter) end() []byte { return w.wire.Close() }

func (w *textWriter) numbers(s *series, records []record, room int) (whole int, part uint64) {
	_ = w.wire.Tab(s.name) // was checked
	full := w.wire.Len() + room
	for i := range records {
		before := w.wire.Len()
		if before >= full {
			return i, 0
		}
		r := &records[i]
		w.number(s.typ, r)
		line := w.wire.Len() - before
		fit := 1 + uint64(max(full-w.wire.Len(), 0)/line)
		w.wire.Repeat(int(min(r.n, fit)) - 1)
		if fit < r.n {
			return i, fit
		}
	}
	return len(records), 0
}

// number writes one event. Records of one tick share the text of their time.
func (w *textWriter) number(typ string, r *record) {
	if r.at != w.at {
		w.at = r.at
		w.time = strconv.AppendFloat(w.time[:0], float64(r.at)/1e3, 'f', -1, 64)
	}
	const exact = 1 << 53
	switch v := r.value; {
	case v == 0 && math.Signbit(v):
		w.value = append(w.value[:0], "-0.0"...)
	case v == math.Trunc(v) && math.Abs(v) < exact:
		w.value = strconv.AppendInt(w.value[:0], int64(v), 10)
	default:
		w.value = strconv.AppendFloat(w.value[:0], v, 'g', -1, 64)
	}
	w.wire.EventText(typ, w.time, w.value)
}

func (w *textWriter) items(s *series, items []item) {
	_ = w.wire.Tab(s.name) // was checked
	for i := range items {
		w.wire.Event(s.typ, seconds(items[i].at), items[i].payload)
	}
}

func (w *textWriter) drops(n uint64, now time.Time) {
	_ = w.wire.Tab(tabDropped)
	w.wire.EventInt("CounterGroup", float64(now.UnixMilli())/1e3, int64(min(n, math.MaxInt64)))
}
