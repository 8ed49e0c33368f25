package ingest_test

import (
	"testing"

	"github.com/tabaproject/taba/internal/ingest"
	"github.com/tabaproject/taba/internal/wire"
)

// TestValuesAreCopiedOnce: each value into a column, and of frames only what
// lies at the end of a buffer.
func TestValuesAreCopiedOnce(t *testing.T) {
	const frames, values = 50, 4000
	m := ingest.NewMetrics()
	_, s := serveEvents(t, newLedger(), ingest.Options{Metrics: m})
	c := dialEvents(t, s)
	var e wire.BatchEncoder
	sent := 0
	for range frames {
		e.Begin(clock)
		e.Values(e.Series("tab", "CounterGroup", "client"), clock, make([]float64, values))
		if _, err := c.Send(e.Bytes()); err != nil {
			t.Fatal(err)
		}
		sent += e.Len()
	}
	var r wire.StreamReply
	for r.Acknowledged < frames {
		if err := c.Receive(&r); err != nil {
			t.Fatal(err)
		}
	}
	got, least := int(m.Copied.Get()), 8*frames*values
	if got < least || got > 2*sent {
		t.Errorf("%d bytes were copied of %d that came, of which %d are values", got, sent, least)
	}
	t.Logf("%.3f copies a byte", float64(got)/float64(sent))
}
