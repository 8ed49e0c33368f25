package statetest

import (
	"slices"
	"strconv"

	"github.com/tabaproject/taba/state"
	"pgregory.net/rapid"
)

// Gen says what a Handler is tested with.
type Gen struct {
	// Payloads draws the payloads of one bundle that was received at now (UTC
	// seconds), as JSON texts. Some of them may be ones that the Type refuses.
	Payloads func(t *rapid.T, now float64) []string

	// Model, if set, is a second, naive implementation of the Type: it returns
	// the Text rendering, as of time at, of all folds. It may look at every
	// event again for every answer. It is not shown refused events.
	Model func(folds []Fold, at float64) string
}

// Fold is a bundle and the time at which it was received.
type Fold struct {
	Now    float64
	Bundle state.Bundle
}

// start is when the tests take place. It is no multiple of anything.
const start = 1_395_901_073.0

// late holds how much older than now events are: about the edges of windows.
var late = []float64{0, 0, 0, 0.25, 0.75, 1, 14, 15, 59, 60, 61, 75, 599, 600, 601, 3599, 3600, 3601, 21600, 86399, 86400, 100000, 172799, 172800, 200000, -1, -59.5, -3600, -90000}

// later holds how much later than start things happen.
var later = []float64{0, 0.5, 1, 2, 14, 15, 30, 60, 61, 600, 900, 3600, 86400, 90000, 172800, 180000}

// folds draws up to most folds.
func (g Gen) folds(t *rapid.T, most int) []Fold {
	folds := make([]Fold, rapid.IntRange(0, most).Draw(t, "folds"))
	for i := range folds {
		folds[i] = g.fold(t)
	}
	return folds
}

func (g Gen) fold(t *rapid.T) Fold {
	f := Fold{Now: drawTime(t, "now")}
	f.Bundle.Tab = "tab"
	f.Bundle.Client = rapid.SampledFrom([]string{"c1", "c2", "c3", ""}).Draw(t, "client")
	payloads := g.Payloads(t, f.Now)
	// One draw per event would be slow for long bundles: they share some.
	ages := rapid.SliceOfN(rapid.SampledFrom(late), 1, max(1, min(len(payloads), 6))).Draw(t, "late")
	weight := rapid.SampledFrom([]uint64{0, 0, 0, 1, 3, 1000}).Draw(t, "weight")
	for i, p := range payloads {
		e := state.Event{Time: f.Now - ages[i%len(ages)], JSON: []byte(p)}
		if v, err := strconv.ParseFloat(p, 64); err == nil {
			e.Value, e.Number = v, true
		}
		if i%2 == 0 {
			e.Weight = weight
		}
		f.Bundle.Events = append(f.Bundle.Events, e)
	}
	return f
}

func drawTime(t *rapid.T, label string) float64 {
	return start + rapid.SampledFrom(later).Draw(t, label)
}

// partial folds f into a State of its own and returns how many events it
// accepted.
func partial(h state.Handler, f Fold) (state.State, uint64) {
	s := h.New()
	n := foldInto(s, f)
	return s, n
}

// foldInto folds f into s and returns how many events it accepted.
func foldInto(s state.State, f Fold) uint64 {
	var n uint64
	for _, e := range accepted(s, f).Bundle.Events {
		n += e.Count()
	}
	return n
}

// accepted folds f into s and returns f without the events that were refused.
func accepted(s state.State, f Fold) Fold {
	refused := map[int]bool{}
	s.Fold(f.Now, &f.Bundle, func(i int, _ state.Reason) { refused[i] = true })
	kept := slices.Clone(f.Bundle.Events[:0])
	for i, e := range f.Bundle.Events {
		if !refused[i] {
			kept = append(kept, e)
		}
	}
	f.Bundle.Events = kept
	return f
}

// sequence folds all into one State, one after the other.
func sequence(h state.Handler, folds []Fold) state.State {
	s := h.New()
	for _, f := range folds {
		foldInto(s, f)
	}
	return s
}

// shuffled merges Partials of folds in a drawn grouping and order.
func shuffled(t *rapid.T, h state.Handler, folds []Fold) state.State {
	parts := []state.State{h.New()}
	for _, f := range folds {
		p, _ := partial(h, f)
		parts = append(parts, p)
	}
	for len(parts) > 1 {
		i := rapid.IntRange(0, len(parts)-1).Draw(t, "into")
		j := rapid.IntRange(0, len(parts)-2).Draw(t, "from")
		if j >= i {
			j++
		}
		parts[i].Merge(parts[j])
		parts = slices.Delete(parts, j, j+1)
	}
	return parts[0]
}
