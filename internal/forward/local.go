package forward

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/tabaproject/taba/internal/spool"
	"github.com/tabaproject/taba/internal/store"
)

// local does what needs no server.
func (f *Forwarder) local(a Action) {
	var err error
	switch a.Kind {
	case DoWrite:
		err = f.write(a)
	case DoQuarantine:
		err = f.quarantine(a)
	case DoRelease:
		if err := f.log.Release(a.LSN); err != nil { // only disk space is at stake
			f.complain(fmt.Errorf("release spool segments: %w", err))
		}
		return
	case DoSeal:
		err = f.seal(a)
	}
	if err != nil {
		f.stall(a.Kind.String(), err)
		return
	}
	f.failures = 0
}

func (f *Forwarder) write(a Action) error {
	recs := append([]spool.Record(nil), a.Write.Records...)
	if err := f.log.Write(a.Write.Checkpoint, recs...); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.m.Written(recs[0].LSN)
	return nil
}

// quarantine saves what is held of a source that was given up.
func (f *Forwarder) quarantine(a Action) error {
	name := fmt.Sprintf("source-%d-%v", a.Source, a.ID)
	note := fmt.Sprintf("source %v: %s", a.ID, a.Note)
	f.mu.Lock()
	from := f.m.HeldFrom(a.Source)
	f.mu.Unlock()
	last, events := f.log.NextLSN()-1, uint64(0)
	err := f.log.Quarantine(name, note, func(yield func(spool.Record) error) error {
		var bad error
		events = 0
		err := f.log.Scan(from, last, func(r spool.Record) bool {
			f.mu.Lock()
			held := f.m.Held(a.Source, r)
			if held {
				events += f.m.HeldEvents(a.Source, r)
			}
			f.mu.Unlock()
			if held {
				bad = yield(r)
			}
			return bad == nil
		})
		return errors.Join(err, bad)
	})
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.m.Quarantined(a.Source, events)
	return nil
}

// seal merges records into the next Batch.
func (f *Forwarder) seal(a Action) error {
	g := gatherer{f: f, a: a, cover: a.Last}
	f.o.Fold.Reset()
	defer f.o.Fold.Reset()
	if err := f.log.Scan(a.LSN, a.Last, g.record); err != nil {
		return err
	}
	if err := errors.Join(g.err, g.saveBad()); err != nil {
		return err
	}
	var bodies []Body
	f.o.Fold.Encode(a.Opened.Partition, func(vb int, body []byte, events uint64) {
		bodies = append(bodies, Body{VB: vb, Bytes: bytes.Clone(body), Events: events})
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	parts := f.m.Seal(a, g.cover, g.count, bodies, f.now())
	f.m.doubt(g.doubt)
	clear(f.bodies)
	for i, d := range parts {
		f.bodies[d] = bodies[i].Bytes
	}
	return nil
}

// mergedBytes is how many times BatchBytes of records go into one Batch at most.
const mergedBytes = 8

// gatherer adds records to the Batch being merged.
type gatherer struct {
	f     *Forwarder
	a     Action
	cover uint64 // the last record added or passed over
	count tally
	bad   store.BodyWriter // Partials that cannot be decoded
	raw   []spool.Record   // records that cannot be read at all
	doubt uint64           // events of both
	err   error
}

func (g *gatherer) record(r spool.Record) bool {
	g.f.mu.Lock()
	var bodies [][]byte
	some := g.f.m.Inputs(g.a, r, func(body []byte) { bodies = append(bodies, body) })
	g.f.mu.Unlock()
	if !some {
		return true
	}
	for _, body := range bodies {
		if err := g.f.o.Fold.AddBody(body, g.onBad); err != nil {
			// It was written by this program and its checksum is right.
			if r.Kind == spool.KindPartials { // a seal does not say it of one part's body
				g.doubt += spool.EventsOf(r.Payload)
			}
			g.raw = append(g.raw, spool.Record{Source: r.Source, Kind: r.Kind, Payload: bytes.Clone(body)})
			g.f.complain(fmt.Errorf("record %d cannot be read and goes to quarantine: %w", r.LSN, err))
		}
		g.count.Bytes += uint64(len(body))
	}
	g.count.Records++
	if r.Kind == spool.KindPartials {
		g.count.Events += spool.EventsOf(r.Payload)
	}
	if g.f.o.Fold.Size() >= g.f.o.BatchBytes || g.count.Bytes >= mergedBytes*uint64(g.f.o.BatchBytes) {
		g.cover = r.LSN
		return false
	}
	return true
}

func (g *gatherer) onBad(tab store.Tab, client string, events uint64, state []byte, err error) {
	g.doubt += events
	g.bad.Tab(tab)
	g.bad.Partial(client, events, func(dst []byte) []byte { return append(dst, state...) })
	g.f.complain(fmt.Errorf("a State of tab %q cannot be decoded and goes to quarantine: %w", tab.Name, err))
}

// saveBad puts into quarantine what cannot be merged: it must not block what
// is behind it. The name is that of the Batch, so that a second attempt saves
// it only once.
func (g *gatherer) saveBad() error {
	recs := g.raw
	if events := g.bad.Events(); g.bad.Len() > 0 {
		payload := spool.PayloadOf(g.bad.Bytes(), events)
		recs = append(recs, spool.Record{Source: g.a.Source, Kind: spool.KindPartials, Payload: payload})
	}
	if len(recs) == 0 {
		return nil
	}
	name := fmt.Sprintf("undecodable-%d-%016x", g.a.Source, g.a.LSN)
	return g.f.log.Quarantine(name, "records that could not be merged", func(yield func(spool.Record) error) error {
		for _, r := range recs {
			if err := yield(r); err != nil {
				return err
			}
		}
		return nil
	})
}

// load fills in the bytes of parts that are to be sent.
func (f *Forwarder) load(parts []*Part) ([]store.Part, error) {
	out := make([]store.Part, len(parts))
	wanted := make(map[store.Digest]bool, len(parts))
	for _, p := range parts {
		wanted[p.Digest] = true
	}
	for i, p := range parts {
		out[i] = p.Part
		body, ok := f.bodies[p.Digest]
		if !ok {
			if err := f.loadSeal(p.LSN, wanted); err != nil {
				return nil, err
			}
			if body, ok = f.bodies[p.Digest]; !ok {
				return nil, fmt.Errorf("the seal at record %d does not hold part %d of vbucket %d", p.LSN, p.Seq, p.VB)
			}
		}
		out[i].Body = body
	}
	return out, nil
}

// loadSeal reads the bytes of one seal that are wanted. They are kept while they
// are sent.
func (f *Forwarder) loadSeal(lsn uint64, wanted map[store.Digest]bool) error {
	found := false
	var bad error
	err := f.log.Scan(lsn, lsn, func(r spool.Record) bool {
		found = true
		s, err := decodeSealed(r.Payload)
		bad = err
		for _, p := range s.Parts {
			if wanted[p.Digest] {
				f.bodies[p.Digest] = bytes.Clone(p.Body)
			}
		}
		return false
	})
	if err == nil && bad == nil && !found {
		bad = fmt.Errorf("the seal at record %d is not in the spool", lsn)
	}
	return errors.Join(err, bad)
}
