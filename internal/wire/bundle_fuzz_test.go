package wire

import (
	"bytes"
	"fmt"
	"math"
	"slices"
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
	var ahead [2]Columns
	for turn := 0; ; turn++ {
		if turn%2 == 0 { // in the other turns bundles are found one by one
			for i := range d.Bundles(ahead[:]) {
				out.Bundles = append(out.Bundles, readBundle(&ahead[i], series))
			}
		}
		switch d.Next() {
		case FoundEnd:
			return out
		case FoundPartial:
			p := d.Partial
			out.Bundles = append(out.Bundles, refColumns{Series: series[p.Series], Partial: true, Events: p.Events, State: string(p.State)})
		case FoundBundle:
			out.Bundles = append(out.Bundles, readBundle(&d.Bundle, series))
		}
	}
}

func readBundle(c *Columns, series []Series) refColumns {
	r := refColumns{Series: series[c.Series]}
	var scratch [5]float64 // small, so that runs are read in pieces
	for {
		second, n := c.NextRun()
		if n == 0 {
			break
		}
		for n > 0 {
			part := scratch[:min(n, len(scratch))]
			finite := c.Floats(part)
			for _, v := range part {
				w := c.Weight()
				r.Values = append(r.Values, refWeighted{second, math.Float64bits(v), w})
				r.Events += w
			}
			if infinite := func(v float64) bool { return v-v != 0 }; finite == slices.ContainsFunc(part, infinite) {
				panic(fmt.Sprintf("%v: finite is %v", part, finite))
			}
			n -= len(part)
		}
	}
	for e, ok := c.NextEvent(); ok; e, ok = c.NextEvent() {
		r.Raw = append(r.Raw, refRaw{math.Float64bits(e.Time), string(e.Payload), e.Weight})
		r.Events += max(e.Weight, 1)
	}
	return r
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
	e.Values(id, 101, []float64{2, 3, 4, 5, math.Inf(-1), 6, 7, math.NaN(), math.MaxFloat64, -math.MaxFloat64})
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
