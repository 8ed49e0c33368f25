package pebblestore_test

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/store"
)

// worker makes up calls, and tells what a store holds.
type worker struct {
	t       *testing.T
	rng     *rand.Rand
	ref     *store.Mem
	sources []*client
	clock   time.Time
	acked   int
	now     string // what is being done
}

// client is a sender of parts.
type client struct {
	id    store.SourceID
	heads [vbuckets]store.Head
	last  []store.Part
}

const vbuckets = 2

func newWorker(t *testing.T, rng *rand.Rand) *worker {
	return &worker{t: t, rng: rng, clock: created}
}

// begin is called when the store is new.
func (w *worker) begin(store.Store) {
	w.ref = store.NewMem(store.MemOptions{VBuckets: vbuckets, Now: func() time.Time { return created }})
}

// call is one call of a method that writes. It does the same to any store and
// returns what that answered.
type call struct {
	what string
	do   func(s store.Store) (string, error)
}

// next makes up a call; s is asked what it is to be about.
func (w *worker) next(s store.Store) (*call, error) {
	if len(w.sources) < 2 {
		return w.openSource(), nil
	}
	switch n := w.rng.IntN(100); {
	case n < 60:
		return w.append(), nil
	case n < 66:
		return w.command(), nil
	case n < 88:
		return w.compact(s)
	case n < 92:
		return w.resend(), nil
	case n < 95:
		return w.collect(), nil
	case n < 97:
		return w.closeSource(), nil
	}
	return w.openSource(), nil
}

func (w *worker) source() *client { return w.sources[w.rng.IntN(len(w.sources))] }

// openSource opens a Source in place of the oldest.
func (w *worker) openSource() *call {
	class := store.Classes[w.rng.IntN(len(store.Classes))]
	id := store.SourceID{Class: class, Nonce: store.Nonce{byte(w.rng.Uint32()), byte(w.rng.Uint32()), byte(w.rng.Uint32())}}
	now := w.clock
	return &call{"open source", func(s store.Store) (string, error) {
		got, err := s.Open(w.t.Context(), id.Class, id.Nonce, now)
		if err == nil && !slices.ContainsFunc(w.sources, func(o *client) bool { return o.id == got }) {
			w.sources = append(w.sources, &client{id: got})
			w.sources = w.sources[max(len(w.sources)-3, 0):]
		}
		return got.String(), err
	}}
}

// append sends the next parts of a Source, to one vbucket or both.
func (w *worker) append() *call {
	from := w.source()
	var parts []store.Part
	only := w.rng.IntN(2 * vbuckets)
	for vb := range vbuckets {
		if only < vbuckets && vb != only {
			continue
		}
		head := from.heads[vb]
		p := store.Part{
			Source: from.id, VB: vb, Seq: head.Seq + 1, Prev: head.Seq,
			Digest: store.Digest{byte(w.rng.Uint32()), byte(w.rng.Uint32())}, Body: w.body(),
		}
		p.Chain = store.NextChain(head.Chain, p.Seq, p.Prev, p.Digest)
		parts = append(parts, p)
	}
	from.last = parts
	return w.send("append", from, parts)
}

// resend sends parts once more.
func (w *worker) resend() *call {
	from := w.source()
	return w.send("append", from, from.last)
}

func (w *worker) send(what string, from *client, parts []store.Part) *call {
	return &call{what, func(s store.Store) (string, error) {
		results, err := s.Append(w.t.Context(), parts)
		if err != nil {
			return "", err
		}
		var b strings.Builder
		var done []store.Part
		for i, r := range results {
			if r.Err != nil {
				err = r.Err // the others may have been applied all the same
				continue
			}
			done = append(done, parts[i])
			fmt.Fprintln(&b, r.Verdict, r.Head, r.Token, r.Position)
			if s == store.Store(w.ref) {
				from.heads[parts[i].VB] = r.Head
			}
		}
		if err != nil {
			parts = done
			return "", err
		}
		return b.String(), nil
	}}
}

// body has up to three tabs. Now and then it fills a write buffer, or is cut.
func (w *worker) body() []byte {
	var b store.BodyWriter
	first := w.rng.IntN(4)
	for i := range 1 + w.rng.IntN(3) {
		b.Tab(store.Tab{Name: fmt.Sprint("t", (first+i)%4), Type: "Total"})
		size := w.rng.IntN(600)
		if w.rng.IntN(12) == 0 {
			size = w.rng.IntN(40_000)
		}
		b.Partial(fmt.Sprint("c", w.rng.IntN(2)), 1+w.rng.Uint64N(9), func(dst []byte) []byte {
			for len(dst) < size {
				dst = append(dst, byte(w.rng.Uint32()))
			}
			return dst
		})
	}
	return b.Bytes()
}

func (w *worker) command() *call {
	vb := w.rng.IntN(vbuckets)
	c := store.Command{Kind: store.KindPrune, At: float64(w.rng.IntN(100))}
	if w.rng.IntN(2) == 0 {
		c = store.Command{Kind: store.KindDelete, Names: []store.TabName{{Name: fmt.Sprint("t", w.rng.IntN(4))}}}
	}
	return &call{"command", func(s store.Store) (string, error) {
		at, err := s.Command(w.t.Context(), vb, c)
		return fmt.Sprint(at), err
	}}
}

// compact folds some tabs of a vbucket into records and trims its log. What it
// makes of deletes and prunes is of no interest here: it removes records and
// moves events, the same in both engines.
func (w *worker) compact(s store.Store) (*call, error) {
	vb := w.rng.IntN(vbuckets)
	l, err := s.Load(w.t.Context(), vb, store.LoadRequest{Records: store.WithClients})
	if err != nil {
		return nil, err
	}
	updates := folded(l)
	slices.SortFunc(updates, func(a, b store.Update) int { return store.CompareTabs(a.Tab, b.Tab) })
	if w.rng.IntN(4) == 0 { // the log cannot be trimmed to its end then
		updates = updates[:len(updates)/2]
	}
	for i := range updates {
		u := &updates[i]
		switch w.rng.IntN(8) {
		case 0:
			u.Remove, u.Clients, u.Deleted, u.Events = true, nil, u.Events, 0
		case 1:
			u.Reset = true
		}
		u.All = fmt.Appendf(nil, "all of %d", u.Events)
	}
	trim := l.End
	if w.rng.IntN(4) == 0 {
		trim = l.Trim
	}
	return &call{"compact", func(s store.Store) (string, error) {
		done, err := s.Compact(w.t.Context(), vb, updates, trim)
		return fmt.Sprint(done), err
	}}, nil
}

// collect raises the horizons, past some Sources at times.
func (w *worker) collect() *call {
	elapsed := time.Duration(w.rng.Int64N(int64(20 * time.Minute)))
	w.clock = w.clock.Add(elapsed)
	now := w.clock
	return &call{"collect", func(s store.Store) (string, error) {
		n, err := s.GC(w.t.Context(), elapsed, now)
		return fmt.Sprint(n), err
	}}
}

func (w *worker) closeSource() *call {
	id, token := w.source().id, store.Token{byte(w.rng.IntN(3))}
	return &call{"close source", func(s store.Store) (string, error) {
		c, err := s.Close(w.t.Context(), id, token)
		for i := range c.Heads {
			c.Heads[i].Epoch = store.Epoch{}
		}
		return fmt.Sprint(c), err
	}}
}

// image is all that a store tells.
func (w *worker) image(s store.Store) (string, error) {
	var b strings.Builder
	for vb := range vbuckets {
		if err := w.imageVB(&b, s, vb); err != nil {
			return "", err
		}
	}
	for _, from := range w.sources {
		heads, err := s.Heads(w.t.Context(), from.id)
		if err != nil {
			return "", err
		}
		for _, h := range heads {
			fmt.Fprintf(&b, "source %v: %v %v\n", from.id, h.Verdict, h.Head)
		}
	}
	for _, class := range store.Classes {
		id, err := s.Open(w.t.Context(), class, store.Nonce{}, time.Time{})
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "horizon %d\n", id.Birth)
	}
	return b.String(), nil
}

func (w *worker) imageVB(b *strings.Builder, s store.Store, vb int) error {
	l, err := s.Load(w.t.Context(), vb, store.LoadRequest{Records: store.WithClients})
	if err != nil {
		return err
	}
	st, err := s.Stats(w.t.Context(), vb)
	if err != nil {
		return err
	}
	fmt.Fprintf(b, "vbucket %d: %v to %v\n", vb, l.Trim, l.End)
	fmt.Fprintln(b, "appended", st.Appended, "recorded", st.Recorded, "pruned", st.Pruned, "deleted", st.Deleted, "set aside", st.SetAside)
	for _, r := range l.Records {
		fmt.Fprintf(b, "record %v %v %d since %d: %q", r.Tab, r.Position, r.Events, r.First, r.All)
		for _, c := range r.Clients {
			fmt.Fprintf(b, " %s %d %q", c.Client, c.Events, c.State)
		}
		fmt.Fprintln(b)
	}
	for _, e := range l.Entries {
		fmt.Fprintf(b, "entry %v of kind %d, %v %d: %d events, %v, body %x\n", e.Position, e.Kind, e.Source, e.Seq, e.Events, e.Command, sha256.Sum256(e.Body))
	}
	return nil
}
