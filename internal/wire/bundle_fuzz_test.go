package wire

import (
	"bytes"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
)

// readColumns is what a BatchDecoder says of a Batch that it took.
func readColumns(d *BatchDecoder, forgot bool) refBatch {
	out := refBatch{Forget: forgot, Events: d.Events()}
	series := d.Series()
	if len(series) > 0 {
		out.Declared = append(out.Declared, series...)
	}
	var scratch [3]float64 // small, so that runs are read in pieces
	for {
		switch d.Next() {
		case FoundEnd:
			return out
		case FoundPartial:
			p := d.Partial
			out.Bundles = append(out.Bundles, refColumns{Series: series[p.Series], Partial: true, Events: p.Events, State: string(p.State)})
		case FoundBundle:
			c := d.Bundle
			r := refColumns{Series: series[c.Series]}
			for {
				second, n := c.NextRun()
				if n == 0 {
					break
				}
				for n > 0 {
					part := scratch[:min(n, len(scratch))]
					c.Floats(part)
					for _, v := range part {
						w := c.Weight()
						r.Values = append(r.Values, refWeighted{second, math.Float64bits(v), w})
						r.Events += w
					}
					n -= len(part)
				}
			}
			for e, ok := c.NextEvent(); ok; e, ok = c.NextEvent() {
				r.Raw = append(r.Raw, refRaw{math.Float64bits(e.Time), string(e.Payload), e.Weight})
				r.Events += max(e.Weight, 1)
			}
			out.Bundles = append(out.Bundles, r)
		}
	}
}

// compareBatches requires that d takes what the reference takes and reads the
// same, Batch after Batch of one stream.
func compareBatches(t *testing.T, d *BatchDecoder, batches ...[]byte) {
	t.Helper()
	var tables refTables
	for i, m := range batches {
		want, wantErr := refDecodeBatch(m, &tables, d.maxName)
		forgot, err := d.Begin(m)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("batch %d: %v, want %v\n%x", i, err, wantErr, m)
		}
		if err != nil {
			if d.Next() != FoundEnd {
				t.Fatalf("batch %d: something is found in a bad Batch", i)
			}
			continue
		}
		if diff := cmp.Diff(want, readColumns(d, forgot)); diff != "" {
			t.Fatalf("batch %d (-want +got):\n%s", i, diff)
		}
	}
}

// FuzzBatchDecoder compares the BatchDecoder with the reference on a stream of
// two Batches, and again on the memory that it has used.
func FuzzBatchDecoder(f *testing.F) {
	f.Add(eventsOfEveryKind(), eventsOfEveryKind())
	f.Add([]byte(nil), []byte{tagForget, 0})
	var e BatchEncoder
	e.Begin(100)
	id := e.Series("a", "CounterGroup", "c")
	e.Values(id, 100, []float64{1, math.NaN(), math.Copysign(0, -1)})
	e.Values(id, 99, []float64{1})
	one := bytes.Clone(e.Bytes())
	e.Begin(101)
	e.Values(id, 101, []float64{2, 3, 4, 5})
	e.Runs(e.Series("b", "CounterGroup", "c"), []Run{{102, 1}, {100, 2}}, []float64{1, 2, 3}, nil)
	f.Add(one, bytes.Clone(e.Bytes()))
	later := protowire.AppendVarint(protowire.AppendTag(bytes.Clone(one), 1001, protowire.VarintType), 7)
	f.Add(later, protowire.AppendTag(protowire.AppendTag(nil, 1000, protowire.StartGroupType), 1000, protowire.EndGroupType))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		d := NewBatchDecoder(20)
		compareBatches(t, d, a, b)
		d.Reset()
		compareBatches(t, d, b, a)
	})
}
