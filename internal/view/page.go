package view

import "github.com/tabaproject/taba/state"

// page collects rendered rows; rows are cut out of one buffer.
type page struct {
	buf  []byte
	rows []pageRow
}

type pageRow struct {
	name, client string
	end          int // of its render in buf
}

// pageBytes is how much is rendered before it is passed on: enough to make
// the hand-over cheap, little enough to stay in the cache.
const pageBytes = 128 << 10

func (p *page) add(name, client string, st state.State, r *Request) {
	p.buf = st.Render(p.buf, r.At, r.Format)
	p.rows = append(p.rows, pageRow{name: name, client: client, end: len(p.buf)})
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

// render calls f for 0 to n-1 and passes on what it adds, in order. Nothing
// is locked while emit runs.
func render(n int, f func(i int, p *page), emit func(Row) error) error {
	var p page
	for i := range n {
		f(i, &p)
		if len(p.buf) >= pageBytes {
			if err := p.flush(emit); err != nil {
				return err
			}
		}
	}
	return p.flush(emit)
}
