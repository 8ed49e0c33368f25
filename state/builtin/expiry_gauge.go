package builtin

import (
	"math"

	"github.com/tabaproject/taba/state"
)

// ExpiryGauge is a Gauge whose payload says until when it holds: [value,
// expiry in UTC seconds]. Of a bundle only the newest good event is considered, of
// several bundles of a client the one that holds longest. An expiry of null is
// past; one that is no number never comes.
type ExpiryGauge struct{}

// Type implements state.Handler.
func (ExpiryGauge) Type() string { return "ExpiryGauge" }

// New implements state.Handler.
func (ExpiryGauge) New() state.State { return new(expiryGauge) }

type expiryGauge struct {
	holders // ranked by expiry
}

func (s *expiryGauge) Fold(now float64, b *state.Bundle, refuse func(int, state.Reason)) {
	s.advance(now, 0)
	last := -1 // the newest event
	for i := range b.Events {
		e := &b.Events[i]
		if finite(e.Time) && (last < 0 || e.Time > b.Events[last].Time) {
			last = i
		}
	}
	if last >= 0 {
		if value, expiry, why := s.read(&b.Events[last]); why == "" {
			s.best = append(s.best[:0], value...)
			s.supersede(b, refuse)
			s.offer(now, b.Client, expiry)
			return
		}
	}
	s.foldEach(now, b, refuse)
}

// supersede counts the events of a bundle of which the newest is good: at the
// payloads of the others nobody looks, as in the original.
func (s *expiryGauge) supersede(b *state.Bundle, refuse func(int, state.Reason)) {
	for i := range b.Events {
		e := &b.Events[i]
		if !finite(e.Time) {
			refuse(i, state.ReasonNotFinite)
			continue
		}
		s.n = addCount(s.n, e.Count())
	}
}

// foldEach folds a bundle of which the newest event is bad: the newest good
// one counts.
func (s *expiryGauge) foldEach(now float64, b *state.Bundle, refuse func(int, state.Reason)) {
	var newest, expiry float64
	found := false
	for i := range b.Events {
		e := &b.Events[i]
		value, until, why := s.read(e)
		if why != "" {
			refuse(i, why)
			continue
		}
		s.n = addCount(s.n, e.Count())
		if !found || e.Time > newest {
			newest, expiry, found = e.Time, until, true
			s.best = append(s.best[:0], value...)
		}
	}
	if found {
		s.offer(now, b.Client, expiry)
	}
}

// offer offers the value in s.best for a client.
func (s *expiryGauge) offer(now float64, client string, expiry float64) {
	if expiry > now || !finite(now) {
		s.set(client, s.best, expiry, 0)
	}
}

// read returns the canonical value and the expiry of an event. The value is
// valid until the next call.
func (s *expiryGauge) read(e *state.Event) (value []byte, expiry float64, why state.Reason) {
	if !finite(e.Time) {
		return nil, 0, state.ReasonNotFinite
	}
	payload, why := canonical(s.value[:0], e)
	if why != "" {
		return nil, 0, why
	}
	s.value = payload
	switch payload[0] {
	case '[':
		first, rest := nextElement(payload[1 : len(payload)-1])
		if rest == nil {
			return nil, 0, state.ReasonPayload
		}
		second, _ := nextElement(rest)
		expiry, why = expiryOf(second)
		return first, expiry, why
	case '"':
		// A string unpacks into its characters; the second is no number.
		inside := payload[1 : len(payload)-1]
		first := nextChar(inside)
		if first == 0 || nextChar(inside[first:]) == 0 {
			return nil, 0, state.ReasonPayload
		}
		payload[first+1] = '"'
		return payload[:first+2], math.Inf(1), ""
	}
	return nil, 0, state.ReasonPayload
}

// expiryOf returns the time that a canonical expiry stands for.
func expiryOf(v []byte) (float64, state.Reason) {
	switch {
	case len(v) == 0:
		return 0, state.ReasonPayload
	case string(v) == "null":
		return past, ""
	case v[0] == '"' || v[0] == '[' || v[0] == '{':
		return math.Inf(1), ""
	}
	t, why := numberOfValue(v)
	return t + 0, why // there is one time 0
}

// past is an expiry before any time.
const past = -math.MaxFloat64

func (s *expiryGauge) Merge(src state.State) { s.merge(&src.(*expiryGauge).holders, 0) }

func (s *expiryGauge) N() uint64 { return s.n }

// Clamp leaves expiries alone: they are meant to lie in the future.
func (s *expiryGauge) Clamp(limit float64) uint64 {
	s.foldedAt = min(s.foldedAt, max(limit, 0))
	return 0
}

func (s *expiryGauge) Expired(at float64) bool { return s.expired(at, 0) }

func (s *expiryGauge) Render(dst []byte, at float64, _ state.Format) []byte {
	return s.render(dst, at, 0)
}

func (s *expiryGauge) Append(dst []byte) []byte { return s.append(dst) }

func (s *expiryGauge) Decode(src []byte) error { return s.decode(src, "ExpiryGauge", 0) }

func (s *expiryGauge) Reset() { s.reset() }

func (s *expiryGauge) Size() int { return s.size() }
