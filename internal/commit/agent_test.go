package commit

import (
	"errors"
	"fmt"
	"testing"

	"github.com/tabaproject/taba/internal/fold"
	"github.com/tabaproject/taba/state"
	"github.com/tabaproject/taba/state/builtin"
)

// records is a Spool that remembers what it was given.
type records struct {
	events  []uint64
	bytes   int
	largest int
	err     error
}

func (r *records) Append(body []byte, events uint64) error {
	if r.err != nil {
		return r.err
	}
	r.events = append(r.events, events)
	r.bytes += len(body)
	r.largest = max(r.largest, len(body))
	return nil
}

// folded is an accumulator with an event of a string of so many bytes in each
// of some tabs.
func folded(t *testing.T, tabs, bytes int) *fold.Accumulator {
	t.Helper()
	acc := fold.New(builtin.Registry())
	text := fmt.Appendf(nil, "%q", fmt.Sprintf("%0*d", bytes, 7))
	for i := range tabs {
		b := state.Bundle{Tab: fmt.Sprint("tab", i), Client: "c", Events: []state.Event{{Time: 1, JSON: text}}}
		acc.Fold(1, "", "Gauge", &b, func(int, state.Reason) { t.Error("refused") })
	}
	return acc
}

func TestAgentWritesOneRecordPerCommit(t *testing.T) {
	r := &records{}
	a := NewAgent(r, builtin.Registry(), nil)
	acc := folded(t, 3, 10)
	if err := a.Commit(t.Context(), acc, nil); err != nil {
		t.Fatal(err)
	}
	if len(r.events) != 1 || r.events[0] != 3 || !acc.Empty() {
		t.Errorf("records of %v events, accumulator empty: %v; want one record of 3", r.events, acc.Empty())
	}
	if err := a.Commit(t.Context(), acc, nil); err != nil || len(r.events) != 1 {
		t.Errorf("an empty commit wrote a record: %v, %v", r.events, err)
	}
}

// slow is a Spool that says when it is used and waits to be let go.
type slow struct{ begun, done chan struct{} }

func (s slow) Append([]byte, uint64) error {
	s.begun <- struct{}{}
	<-s.done
	return nil
}

// An accumulator comes back before the commit: while posts wait for the disk
// others fold into the same memory.
func TestAccumulatorComesBackBeforeTheCommit(t *testing.T) {
	s := slow{make(chan struct{}), make(chan struct{})}
	a := NewAgent(s, builtin.Registry(), nil)
	for range 2 { // one commits itself, one waits for its turn
		acc, taken := folded(t, 1, 1), make(chan bool, 1)
		go func() {
			_ = a.Commit(t.Context(), acc, func() { taken <- acc.Empty() })
		}()
		if !<-taken {
			t.Error("given back with Partials in it")
		}
	}
	for range 2 {
		<-s.begun
		s.done <- struct{}{}
	}
	a.Stop()
}

func TestAgentCutsVeryLargeBatches(t *testing.T) {
	r := &records{}
	a := NewAgent(r, builtin.Registry(), nil)
	if err := a.Commit(t.Context(), folded(t, 400, 100_000), nil); err != nil {
		t.Fatal(err)
	}
	var events uint64
	for _, n := range r.events {
		events += n
	}
	if events != 400 || len(r.events) < 4 || r.largest > 2*recordBytes {
		t.Errorf("%d events in %d records, the largest of %d bytes", events, len(r.events), r.largest)
	}
}

func TestAgentReportsWhatTheSpoolSays(t *testing.T) {
	full := errors.New("spool is full")
	a := NewAgent(&records{err: full}, builtin.Registry(), nil)
	if err := a.Commit(t.Context(), folded(t, 1, 1), nil); !errors.Is(err, full) {
		t.Errorf("got %v, want %v", err, full)
	}
	a.Stop()
	if err := a.Commit(t.Context(), folded(t, 1, 1), nil); !errors.Is(err, ErrStopped) {
		t.Errorf("after Stop: %v, want ErrStopped", err)
	}
}
