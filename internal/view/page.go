package view

import (
	"runtime"
	"sync"

	"github.com/tabaproject/taba/state"
)

// page collects rendered rows; rows are cut out of one buffer. It belongs to
// one goroutine at a time.
type page struct {
	buf  []byte
	rows []pageRow
	sums map[state.Handler]state.State // to reduce into, reused
}

type pageRow struct {
	name, client string
	end          int // of its render in buf
}

func (p *page) add(name, client string, st state.State, r *Request) {
	p.buf = st.Render(p.buf, r.At, r.Format)
	p.rows = append(p.rows, pageRow{name: name, client: client, end: len(p.buf)})
}

// zero returns a zero State, valid until the next call.
func (p *page) zero(h state.Handler) state.State {
	st, ok := p.sums[h]
	if !ok {
		if p.sums == nil {
			p.sums = map[state.Handler]state.State{}
		}
		st = h.New()
		p.sums[h] = st
		return st
	}
	st.Reset()
	return st
}

// flush passes the rows on and empties the page.
func (p *page) flush(emit func(Row) error) error {
	start := 0
	for _, r := range p.rows {
		if err := emit(Row{Name: r.name, Client: r.client, Render: p.buf[start:r.end:r.end]}); err != nil {
			return err
		}
		start = r.end
	}
	p.buf, p.rows = p.buf[:0], p.rows[:0]
	return nil
}

// stretch is how many tabs a goroutine renders at once: enough to be worth
// one, few enough to stay in the cache until they are sent.
const stretch = 64

// render calls f for 0 to n-1 and passes on what it adds, in order. Several
// goroutines call f, each with a page of its own; nothing is locked while
// emit runs.
func render(n int, f func(i int, p *page), emit func(Row) error) error {
	workers := min(runtime.GOMAXPROCS(0), (n+stretch-1)/stretch)
	pages := make([]page, max(workers, 1))
	for start := 0; start < n; start += len(pages) * stretch {
		side(len(pages), func(w int) {
			first := start + w*stretch
			for i := first; i < min(first+stretch, n); i++ {
				f(i, &pages[w])
			}
		})
		for w := range pages {
			if err := pages[w].flush(emit); err != nil {
				return err
			}
		}
	}
	return nil
}

// side calls f for 0 to n-1 side by side. If one panics, so does side, in the
// caller's goroutine, where it can be recovered.
func side(n int, f func(w int)) {
	panics := make([]any, n)
	call := func(w int) {
		defer func() { panics[w] = recover() }()
		f(w)
	}
	var wg sync.WaitGroup
	for w := 1; w < n; w++ {
		wg.Go(func() { call(w) })
	}
	call(0)
	wg.Wait()
	for _, p := range panics {
		if p != nil {
			panic(p)
		}
	}
}
