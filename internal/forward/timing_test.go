package forward

import (
	"context"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tabaproject/taba/internal/spool"
	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/wire"
)

// yes is a Transport to a store that applies everything and keeps nothing.
type yes struct{ shelf *shelf }

func (y yes) Open(_ context.Context, _ string, r *wire.OpenRequest) (wire.OpenReply, error) {
	return y.shelf.open(*r), nil
}

func (y yes) Close(context.Context, string, *wire.CloseRequest) (wire.CloseReply, error) {
	return wire.CloseReply{}, nil
}

func (y yes) Heads(context.Context, string, *wire.HeadsRequest) (wire.HeadsReply, error) {
	return wire.HeadsReply{}, nil
}

func (y yes) Send(_ context.Context, _ string, b *wire.Batch) (reply wire.BatchReply, err error) {
	for i := range b.Parts {
		p := &b.Parts[i]
		reply.Results = append(reply.Results, store.PartResult{Verdict: store.Applied, Head: store.Head{Seq: p.Seq, Chain: p.Chain}, Stable: p.Seq})
	}
	return reply, nil
}

// BenchmarkForward appends records to a spool in memory and forwards them:
// the cost of the protocol without disk, network and States.
func BenchmarkForward(b *testing.B) {
	f, err := Open(vfs.NewMem(), "spool", spool.Options{QuotaBytes: 1 << 50}, Options{
		Servers: []string{"a"}, Transport: yes{newShelf(1)}, Fold: &sumFold{},
	})
	if err != nil {
		b.Fatal(err)
	}
	body := bodyOf("r00000")
	b.ReportAllocs()
	for b.Loop() {
		if err := f.Append(body, 1); err != nil {
			b.Fatal(err)
		}
	}
	if err := f.Close(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(f.Status().Counts.Sealed), "batches")
}
