package trail

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func all(string) bool { return true }

func TestNobodyLooks(t *testing.T) {
	tr := New(Options{})
	if tr.Viewers() != nil {
		t.Error("somebody looks at a new Trail")
	}
	v := tr.Look(all, 10)
	if len(tr.Viewers()) != 1 {
		t.Error("nobody looks")
	}
	v.Close()
	if tr.Viewers() != nil {
		t.Error("somebody looks at the end")
	}
}

// A Viewer is shown no more than it takes and told how much there was, and what
// it is shown is spread over the second.
func TestFastEventsAreSampled(t *testing.T) {
	tr := New(Options{})
	v := tr.Look(func(n string) bool { return n == "bids" }, 10)
	defer v.Close()
	const fast = 1000
	for second := range 5 {
		for i := range fast {
			tr.Viewers().Event(float64(second)+float64(i)/fast, &Event{Name: "bids", Value: float64(i), Weight: 1})
			tr.Viewers().Event(float64(second), &Event{Name: "clicks", Weight: 1})
		}
		shown, matched := v.Take()
		if want := uint64(fast * (second + 1)); matched != want {
			t.Errorf("%d have matched, want %d", matched, want)
		}
		if len(shown) != 10 {
			t.Fatalf("%d are shown", len(shown))
		}
		if last := shown[9].Value; second > 0 && last < fast/2 {
			t.Errorf("all that are shown of second %d are among its first %v", second, last)
		}
	}
	// When it slows down, all are shown.
	v.Take()
	tr.Viewers().Event(100, &Event{Name: "bids", Weight: 1})
	if shown, _ := v.Take(); len(shown) != 1 {
		t.Errorf("%d of one are shown", len(shown))
	}
}

// Who does not fetch what he is shown holds no more than of one second.
func TestSlowViewersHoldLittle(t *testing.T) {
	tr := New(Options{})
	v := tr.Look(all, 10)
	defer v.Close()
	values := make([]float64, 500)
	for second := range 1000 {
		tr.Viewers().Numbers(float64(second), &Event{Name: "bids"}, values)
	}
	if shown, matched := v.Take(); len(shown) > 10 || matched != 500_000 {
		t.Errorf("%d of %d are shown", len(shown), matched)
	}
	select {
	case <-v.Wake():
	default:
		t.Error("it was not woken")
	}
}

func TestViewersAreFew(t *testing.T) {
	tr := New(Options{})
	for range MaxViewers {
		if tr.Look(all, 1) == nil {
			t.Fatal("too few may look")
		}
	}
	if tr.Look(all, 1) != nil || tr.Watch("bids", time.Minute) {
		t.Error("too many look")
	}
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := New(Options{})
		if tr.Watched("bids") != nil {
			t.Error("it is watched from the beginning")
		}
		begun := time.Now()
		tr.Watch("bids", 10*time.Second)
		time.Sleep(5 * time.Second)
		tr.Watch("bids", 10*time.Second) // goes on
		vs := tr.Viewers()
		vs.Event(1, &Event{Name: "bids", Weight: 3})
		vs.Numbers(1, &Event{Name: "bids"}, []float64{1, 2})
		vs.Stopped(Refused, "bids", 2)
		vs.Stopped(Clamped, "bids", 1)
		vs.Stopped(Refused, "other", 7)
		want := Watched{Since: begun, Until: begun.Add(15 * time.Second), Received: 7, Refused: 2, Clamped: 1, Folded: 5}
		if got := tr.Watched("bids"); got == nil || *got != want {
			t.Errorf("counted %+v, want %+v", got, want)
		}
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if tr.Viewers() != nil || tr.Watched("bids") != nil {
			t.Error("it is watched for ever")
		}
	})
}

// BenchmarkNote is what a name that something is wrong with costs, once for each
// request or load.
func BenchmarkNote(b *testing.B) {
	for _, names := range []int{1, 100, 1_000_000} {
		b.Run(fmt.Sprintf("names=%d", names), func(b *testing.B) {
			tr := New(Options{})
			notes := make([]Note, names)
			for i := range notes {
				notes[i] = refused(fmt.Sprint("winning_bid_price.", i), "payload")
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				tr.Note(notes[i%names])
				i++
			}
		})
	}
}
