package taba

import (
	"math"
	"time"

	"github.com/tabaproject/taba/internal/wire"
)

// batchWriter writes bodies of the v2 protocol, which has the events of a
// series side by side: per second its values, and how many events each stands
// for.
type batchWriter struct {
	wire   wire.BatchEncoder
	client string

	runs    []wire.Run
	values  []float64
	weights []uint64
	events  []wire.RawEvent
}

func (w *batchWriter) begin(client string, now time.Time) {
	w.client = client
	w.wire.Forget()
	w.wire.Begin(now.Unix())
}

func (w *batchWriter) len() int { return w.wire.Len() }

func (w *batchWriter) end() []byte { return w.wire.Bytes() }

// numbers writes all records: there are never more than fit into a body.
func (w *batchWriter) numbers(s *series, records []record, _ int) (whole int, part uint64) {
	w.runs, w.values, w.weights = w.runs[:0], w.values[:0], w.weights[:0]
	weighted := false
	for i := range records {
		r := &records[i]
		weighted = weighted || r.n > 1
		second, last := r.at/1000, len(w.values)-1
		if last < 0 || w.runs[len(w.runs)-1].Second != second {
			w.runs = append(w.runs, wire.Run{Second: second})
		} else if math.Float64bits(w.values[last]) == math.Float64bits(r.value) { // of the tick before
			w.weights[last] += r.n
			weighted = true
			continue
		}
		w.runs[len(w.runs)-1].N++
		w.values = append(w.values, r.value)
		w.weights = append(w.weights, r.n)
	}
	weights := w.weights
	if !weighted {
		weights = nil
	}
	w.wire.Runs(w.wire.Series(s.name, s.typ, w.client), w.runs, w.values, weights)
	return len(records), 0
}

func (w *batchWriter) items(s *series, items []item) {
	w.events = w.events[:0]
	for i := range items {
		w.events = append(w.events, wire.RawEvent{Time: seconds(items[i].at), Payload: items[i].payload})
	}
	w.wire.Events(w.wire.Series(s.name, s.typ, w.client), w.events)
	clear(w.events)
}

func (w *batchWriter) drops(n uint64, now time.Time) {
	w.wire.Values(w.wire.Series(tabDropped, "CounterGroup", w.client), now.Unix(), []float64{float64(n)})
}
