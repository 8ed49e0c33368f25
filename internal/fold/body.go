package fold

import (
	"errors"
	"fmt"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/state"
)

// Errors about single Partials of a body.
var (
	// ErrUnknownType: the Partial's Type is not registered here.
	ErrUnknownType = errors.New("unknown Type")
	// ErrBadState: the State does not decode, or does not hold the number of
	// events its Partial declares.
	ErrBadState = errors.New("bad State")
)

// maxEvents bounds what one tab of a body may declare: up to here counts are
// exact wherever they go.
const maxEvents = 1 << 53

// AddBody merges the Partials of an encoded body. A body that is malformed as
// a whole is an error. A Partial of an unknown Type or whose State does not
// decode is passed to onBad, which decides what becomes of it, and the others
// are merged all the same; if onBad is nil, it is an error as well. On error
// nothing was merged, but onBad may have been called. What onBad receives as
// state points into body.
func (a *Accumulator) AddBody(body []byte, onBad func(tab store.Tab, client string, events uint64, state []byte, err error)) error {
	if err := checkBody(body); err != nil {
		return err
	}
	defer a.unstage()
	if err := a.stage(body, onBad); err != nil {
		return err
	}
	a.merge(body)
	return nil
}

// stage decodes the Partials of body, nil for bad ones, and leaves a alone.
func (a *Accumulator) stage(body []byte, onBad func(store.Tab, string, uint64, []byte, error)) error {
	for r := store.NewBodyReader(body); r.NextTab(); {
		k := a.kind(string(r.Tab.Type))
		for r.NextPartial() {
			s, err := k.decode(&r)
			a.staged = append(a.staged, s)
			if err == nil {
				continue
			}
			if onBad == nil {
				return fmt.Errorf("tab %q, client %q: %w", r.Tab.Name, r.Partial.Client, err)
			}
			onBad(r.Tab.Tab(), string(r.Partial.Client), r.Partial.Events, r.Partial.State, err)
		}
	}
	return nil
}

// unstage lets go of what stage decoded.
func (a *Accumulator) unstage() {
	clear(a.staged)
	if n := len(a.staged); cap(a.staged) > 4*n && n < 1<<10 {
		a.staged = nil // of a body that was much larger
		return
	}
	a.staged = a.staged[:0]
}

// decode returns the State of the reader's current Partial. k is nil for an
// unknown Type.
func (k *kind) decode(r *store.BodyReader) (state.State, error) {
	if k == nil {
		return nil, fmt.Errorf("%w %q", ErrUnknownType, r.Tab.Type)
	}
	return k.decodeState(r.Partial.State, r.Partial.Events)
}

// decodeState returns an encoded State, which is declared to hold a number of
// events.
func (k *kind) decodeState(enc []byte, events uint64) (state.State, error) {
	s := k.get()
	err := s.Decode(enc)
	if err == nil && s.N() != events {
		err = fmt.Errorf("it holds %d events, its Partial declares %d", s.N(), events)
	}
	if err != nil {
		k.put(s)
		return nil, fmt.Errorf("%w: %w", ErrBadState, err)
	}
	return s, nil
}

// merge files the staged States under their names in body. Names that are
// there already are not copied.
func (a *Accumulator) merge(body []byte) {
	next := 0
	for r := store.NewBodyReader(body); r.NextTab(); {
		t := a.tabs[store.Tab{Namespace: string(r.Tab.Namespace), Name: string(r.Tab.Name), Type: string(r.Tab.Type)}]
		for r.NextPartial() {
			s := a.staged[next]
			next++
			if s == nil {
				continue
			}
			if t == nil {
				t = a.addTab(r.Tab.Tab(), a.kinds[string(r.Tab.Type)])
			}
			if have, exists := t.clients[string(r.Partial.Client)]; exists {
				a.absorb(have, s, t.kind)
			} else {
				a.keep(t, string(r.Partial.Client), s)
			}
		}
	}
}

// checkBody reads the frame of a body: what it declares must be there and add
// up.
func checkBody(body []byte) error {
	r := store.NewBodyReader(body)
	for r.NextTab() {
		var sum uint64
		for r.NextPartial() {
			if r.Partial.Events > maxEvents-sum {
				return fmt.Errorf("tab %q declares more than %d events", r.Tab.Name, uint64(maxEvents))
			}
			sum += r.Partial.Events
		}
		if r.Err() == nil && sum != r.Tab.Events {
			return fmt.Errorf("tab %q declares %d events, its Partials %d", r.Tab.Name, r.Tab.Events, sum)
		}
	}
	return r.Err()
}
