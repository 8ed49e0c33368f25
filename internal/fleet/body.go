package fleet

import "github.com/tabaproject/taba/internal/wire"

// encoder writes v1 bodies into memory of its own.
type encoder struct{ v1 wire.Encoder }

// encode returns the body of one client and how many events of each tab it
// holds; nil if it holds none. The body is valid until the next call.
func (e *encoder) encode(client string, r *Recorded) ([]byte, *perTab) {
	n := &perTab{}
	e.v1.Reset()
	_ = e.v1.Client(client) // our names have no line ends
	for i, events := range r {
		if len(events) == 0 {
			continue
		}
		n[i] = uint64(len(events))
		_ = e.v1.Tab(Tabs[i].Name)
		for _, ev := range events {
			e.v1.Event(Tabs[i].Type, ev.Time, []byte(ev.Payload))
		}
	}
	if n.sum() == 0 {
		return nil, n
	}
	return e.v1.Close(), n
}
