package redisstore

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/redis/rueidis"

	"github.com/tabaproject/taba/internal/store"
)

// Load implements store.Store.
func (s *Store) Load(ctx context.Context, vb int, req store.LoadRequest) (*store.Loaded, error) {
	if err := s.beginVB(ctx, vb); err != nil {
		return nil, err
	}
	defer s.life.RUnlock()
	o := &loadOp{s: s, vb: vb, req: req, step: look}
	if req.Records != store.NoRecords {
		if o.all = req.Names == nil; o.all {
			o.step = list
		}
		for _, n := range req.Names {
			o.names = append(o.names, nameText(n))
		}
		o.names = sorted(o.names)
	}
	if err := s.do(ctx, o); err != nil {
		return nil, err
	}
	return o.loaded, nil
}

func sorted(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}

// loadOp reads a vbucket in steps. Records, and what there is in the log, are
// read at one instant. Entries never change: they are fetched afterwards, and
// if they are gone everything is read again. Each round trip is fenced after
// it has read, so what the last one finished on is safe.
type loadOp struct {
	s     *Store
	vb    int
	req   store.LoadRequest
	names []string // of the records wanted
	all   bool     // all there are

	step   step
	guess  store.Position // of the trim point: where to look in the list of heads
	loaded *store.Loaded
	news   []head // entries that may be wanted
	last   int    // how many of them are looked at
}

type step int

const (
	list     step = iota // which records there are
	look                 // records, and what there is in the log
	outlines             // what entries touch
	bodies
)

func (o *loadOp) vbucket() int { return o.vb }
func (o *loadOp) level() level { return commit }

func (o *loadOp) commands(b *batch) {
	switch o.step {
	case list:
		b.together([][]string{{"HKEYS", o.s.key(o.vb, kindRecords)}})
	case look:
		o.guess = b.c.vb(o.vb).trim
		b.together(o.looks())
	case outlines:
		o.fetch(b, fieldOutline)
	case bodies:
		o.fetch(b, fieldBody)
	}
}

// looks are the commands of look.
func (o *loadOp) looks() [][]string {
	first := 0
	if o.req.Records == store.NoRecords && o.req.After.Offset > o.guess.Offset {
		first = int(o.req.After.Offset - o.guess.Offset - 1)
	}
	ask := [][]string{
		{"GET", o.s.key(o.vb, kindState)},
		{"GET", o.s.key(o.vb, kindLedger)},
		{"LRANGE", o.s.key(o.vb, kindHeads), strconv.Itoa(first), "-1"},
	}
	if o.req.Records == store.NoRecords {
		return ask
	}
	if o.all {
		ask = append(ask, []string{"HGETALL", o.s.key(o.vb, kindRecords)})
	} else if len(o.names) > 0 {
		ask = append(ask, append([]string{"HMGET", o.s.key(o.vb, kindRecords)}, o.names...))
	}
	for _, n := range o.names {
		for _, kind := range o.kinds() {
			ask = append(ask, []string{"HGETALL", o.s.key(o.vb, kind) + n})
		}
	}
	return ask
}

// kinds are the hashes of a name that the detail asked for wants.
func (o *loadOp) kinds() []string {
	return []string{kindClients, kindAlls, kindStates}[:o.req.Records]
}

func (o *loadOp) replies(c *session, r replies) (again bool, err error) {
	switch o.step {
	case list:
		a, err := r.together()
		if err != nil {
			return false, err
		}
		o.step = look
		o.names, err = a[0].AsStrSlice()
		o.names = sorted(o.names)
		return true, err
	case look:
		return o.looked(c, r)
	case outlines:
		return o.chose(c, r)
	}
	return o.took(c, r)
}

// looked takes the answers to look.
func (o *loadOp) looked(c *session, r replies) (again bool, err error) {
	a, err := r.together()
	if err != nil {
		return false, err
	}
	st, err := a.state(0)
	if err != nil {
		return false, err
	}
	l, err := a.ledger(1)
	if err != nil {
		return false, err
	}
	c.vb(o.vb).trim = l.trim
	if o.req.Records == store.NoRecords && l.trim != o.guess {
		return true, nil // it looked in the wrong place
	}
	if o.news, err = a.heads(2); err != nil {
		return false, err
	}
	o.loaded = &store.Loaded{End: st.end.Position, Trim: l.trim, Epoch: c.epoch(st.birth)}
	after := l.trim
	if o.req.Records == store.NoRecords {
		if after = o.req.After; !o.found(&st) {
			return false, store.ErrDiverged
		}
	} else if complete, err := o.records(a[3:]); err != nil || !complete {
		return !complete && err == nil, err
	}
	if err := o.whole(after); err != nil {
		return false, err
	}
	return o.choose()
}

// found reports whether the position to follow is in the log or the trim
// point, and drops its entry.
func (o *loadOp) found(st *state) bool {
	after := o.req.After
	if after == o.loaded.Trim {
		return true
	}
	if after.Offset <= o.loaded.Trim.Offset || after.Offset > st.end.Offset || len(o.news) == 0 || o.news[0].entry.Position != after {
		return false
	}
	o.news = o.news[1:]
	return true
}

// whole checks that the log has no hole.
func (o *loadOp) whole(after store.Position) error {
	next := after.Offset
	for i := range o.news {
		if next++; o.news[i].entry.Position.Offset != next {
			return fmt.Errorf("entry %d of the log of vbucket %d is missing: %w", next, o.vb, errValue)
		}
	}
	if next != o.loaded.End.Offset {
		return fmt.Errorf("the log of vbucket %d ends at %d, not at %d: %w", o.vb, next, o.loaded.End.Offset, errValue)
	}
	return nil
}

// choose decides how to find out which entries are wanted. If their bodies are
// small they are fetched at once, which saves a round trip.
func (o *loadOp) choose() (again bool, err error) {
	o.last = len(o.news)
	if o.last == 0 {
		return false, nil
	}
	var size uint64
	for i := range o.news {
		size += o.news[i].body
	}
	switch {
	case o.req.Names == nil:
		o.bound(nil)
		o.step = bodies
	case size <= worthATrip:
		o.step = bodies
	default:
		o.step = outlines
	}
	return true, nil
}

// worthATrip is how many bytes are fetched sooner than it is found out whether
// they are wanted: about what a network carries in the time of a round trip.
const worthATrip = 64 << 10

// bound ends what is looked at with the entry that reaches MaxBytes, going by
// what is wanted; nil: everything.
func (o *loadOp) bound(wanted []bool) {
	var size int64
	for i := range o.news {
		if wanted != nil && !wanted[i] {
			continue
		}
		if size += int64(o.news[i].body) + entryOverhead; o.req.MaxBytes > 0 && size >= o.req.MaxBytes {
			o.last = i + 1
			return
		}
	}
}

// fetch fetches a field of every entry that has it.
func (o *loadOp) fetch(b *batch, field string) {
	b.add("PING") // there may be none
	for i := range o.news[:o.last] {
		if e := &o.news[i].entry; e.Kind == store.KindPartials {
			b.add("HGET", o.s.entryKey(o.vb, e.Position.Offset), field)
		}
	}
}

// fetched gives each entry what was fetched. gone: the log was trimmed.
func (o *loadOp) fetched(r replies) (gone bool, err error) {
	if _, err := r.last(); err != nil {
		return false, err
	}
	rest := r.rs[1:]
	for i := range o.news[:o.last] {
		e := &o.news[i].entry
		if e.Kind != store.KindPartials {
			continue
		}
		e.Body, err = rest[0].AsBytes()
		if rueidis.IsRedisNil(err) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		rest = rest[1:]
	}
	return false, nil
}

// chose takes outlines, and keeps what is wanted.
func (o *loadOp) chose(_ *session, r replies) (again bool, err error) {
	if gone, err := o.fetched(r); gone || err != nil {
		return o.anew(gone, err)
	}
	wanted := store.NameSet(o.req.Names)
	is := make([]bool, len(o.news))
	some := false
	for i := range o.news {
		is[i] = o.news[i].entry.TouchesAny(wanted)
		some = some || is[i]
	}
	o.bound(is)
	o.cutShort()
	kept := o.news[:0]
	for i := range o.news[:o.last] {
		if is[i] {
			kept = append(kept, o.news[i])
		}
	}
	o.news, o.last = kept, len(kept)
	o.step = bodies
	return some, nil
}

// cutShort says that the log goes on after what is looked at.
func (o *loadOp) cutShort() {
	if at := o.news[o.last-1].entry.Position; at != o.loaded.End {
		o.loaded.End, o.loaded.More = at, true
	}
}

// took takes bodies: it is the last step.
func (o *loadOp) took(_ *session, r replies) (again bool, err error) {
	gone, err := o.fetched(r)
	if gone || err != nil {
		return o.anew(gone, err)
	}
	wanted := store.NameSet(o.req.Names)
	var size int64
	for i := range o.news[:o.last] {
		e := &o.news[i].entry
		if !e.TouchesAny(wanted) {
			continue
		}
		o.loaded.Entries = append(o.loaded.Entries, *e)
		if size += int64(len(e.Body)) + entryOverhead; o.req.MaxBytes > 0 && size >= o.req.MaxBytes && e.Position != o.loaded.End {
			o.loaded.End, o.loaded.More = e.Position, true
			break
		}
	}
	return false, nil
}

// anew reads everything again.
func (o *loadOp) anew(gone bool, err error) (bool, error) {
	o.step = look
	if o.all {
		o.step = list
	}
	return gone, err
}
