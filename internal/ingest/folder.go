package ingest

import (
	"errors"
	"io"
	"math"
	"net/http"

	"github.com/tabaproject/taba/internal/fold"
	"github.com/tabaproject/taba/internal/wire"
	"github.com/tabaproject/taba/state"
)

// Reasons for which ingestion refuses events, beside those of the decoder and
// of the Types.
const (
	refusedType      = "unknown_type"
	refusedName      = "name"
	refusedNotFinite = string(state.ReasonNotFinite)
)

// maxSeen is how many tabs a folder remembers the Types of within a body.
const maxSeen = 4096

// folder decodes bodies and folds their events. It is used by one request at
// a time, and again by others.
type folder struct {
	types     TypeTable
	tolerance float64
	alphabet  *[256]bool
	dec       *wire.Decoder
	refuse    func(event int, why state.Reason) // method value, made once
	seen      map[string]string                 // tab -> Type within this body
	peak      int                               // memory the decoder may hold

	acc     *fold.Accumulator
	now     float64
	tab     string // of the bundle being folded
	failed  int    // events of it that its Type refused
	events  uint64
	clamped uint64
	tally   tally
}

func newFolder(types TypeTable, o *Options) *folder {
	f := &folder{
		types: types, tolerance: o.FutureTolerance.Seconds(), alphabet: &looseName,
		dec: wire.NewDecoder(nil, o.Limits.Text), seen: make(map[string]string),
	}
	if o.StrictNames {
		f.alphabet = &strictName
	}
	f.refuse = f.refused
	return f
}

// run folds body, received at now, into acc.
func (f *folder) run(body *inflated, acc *fold.Accumulator, now float64) (received, error) {
	f.begin(acc, now)
	f.dec.Reset(body)
	defer f.end()
	for {
		b, err := f.dec.Next()
		if err == io.EOF {
			return f.received(), nil
		}
		if err != nil {
			return received{}, undecoded(err)
		}
		f.fold(b)
		f.peak = max(f.peak, body.bundle(acc.Size()))
	}
}

func (f *folder) begin(acc *fold.Accumulator, now float64) {
	f.acc, f.now = acc, now
	f.events, f.clamped = 0, 0
	f.tally.reset()
}

func (f *folder) end() {
	f.dec.Reset(nil)
	f.acc = nil
	if len(f.seen) > maxSeen/4 {
		f.seen = make(map[string]string)
	}
	clear(f.seen)
}

func (f *folder) received() received {
	g := received{events: f.events, clamped: f.clamped}
	if !f.tally.empty() {
		g.refused = f.tally.total()
		g.reasons = append([]reasonCount(nil), f.tally.reasons...)
		g.header = f.tally.header()
	}
	return g
}

// fold folds one bundle, or refuses what is wrong with it.
func (f *folder) fold(b *wire.Bundle) {
	for i := range b.Bad {
		f.tally.add(b.Tab, b.Bad[i].Reason, 1)
	}
	if len(b.Events) == 0 {
		return
	}
	if !within(f.alphabet, b.Tab) || !within(f.alphabet, b.Client) {
		f.tally.add(b.Tab, refusedName, uint64(len(b.Events)))
		return
	}
	if b.Events = f.times(b.Tab, b.Events); len(b.Events) == 0 {
		return
	}
	typ, known := f.typeOf(b.Tab)
	if !known {
		typ = b.Type
	}
	f.tab, f.failed = b.Tab, 0
	if !f.acc.Fold(f.now, "", typ, &b.Bundle, f.refuse) {
		f.tally.add(b.Tab, refusedType, uint64(len(b.Events)))
		return
	}
	taken := len(b.Events) - f.failed
	f.events += uint64(taken)
	if !known && taken > 0 {
		f.remember(b.Tab, typ)
	}
}

// refused is told by a Type which events do not fit.
func (f *folder) refused(_ int, why state.Reason) {
	f.failed++
	f.tally.add(f.tab, string(why), 1)
}

// typeOf returns the Type that tab has, which wins over the one an event
// names.
func (f *folder) typeOf(tab string) (typ string, known bool) {
	if typ, known = f.seen[tab]; known || f.types == nil {
		return typ, known
	}
	if typ, known = f.types.TypeOf("", tab); known {
		f.remember(tab, typ)
	}
	return typ, known
}

func (f *folder) remember(tab, typ string) {
	if len(f.seen) < maxSeen {
		f.seen[tab] = typ
	}
}

// times refuses events whose time is not finite and moves those from too far
// in the future to now. It changes events in place.
func (f *folder) times(tab string, events []state.Event) []state.Event {
	limit := f.now + f.tolerance
	kept := 0
	for i := range events {
		t := events[i].Time
		switch {
		case t <= limit && t >= -math.MaxFloat64:
		case t > limit && t <= math.MaxFloat64:
			events[i].Time = f.now
			f.clamped += events[i].Count()
		default: // NaN or infinite
			f.tally.add(tab, refusedNotFinite, 1)
			continue
		}
		if kept != i {
			events[kept] = events[i]
		}
		kept++
	}
	return events[:kept]
}

// undecoded is the answer to a body that does not decode.
func undecoded(err error) error {
	var limit *wire.LimitError
	switch {
	case !errors.As(err, &limit):
		return err // a *wire.SyntaxError, or a refusal of the reader's
	case limit.Limit == "name":
		return refuse(http.StatusRequestEntityTooLarge, reasonName, "%v", err)
	default:
		return refuse(http.StatusRequestEntityTooLarge, reasonLine, "%v", err)
	}
}
