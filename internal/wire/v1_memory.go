package wire

import "github.com/tabaproject/taba/state"

// names makes strings of names, the same one for the same name, so that a
// name that occurs again allocates nothing. When it is full it starts anew.
type names struct {
	known map[string]string
	bytes int
}

const (
	maxNames     = 8 << 10
	maxNameBytes = 1 << 20
)

func (n *names) of(b []byte) string {
	if s, ok := n.known[string(b)]; ok {
		return s
	}
	if n.known == nil {
		n.known = make(map[string]string)
	}
	if len(n.known) >= maxNames || n.bytes+len(b) > maxNameBytes {
		clear(n.known)
		n.bytes = 0
	}
	s := string(b)
	n.known[s] = s
	n.bytes += len(b)
	return s
}

// texts keeps the payloads of a bundle. Its chunks never move, so what keep
// returns stays where it is until reset.
type texts struct {
	chunks [][]byte
	used   int // chunks in use; the last of them is being filled
	fill   int // bytes of it
	peak   int // chunks used by recent bundles
}

const textChunk = 16 << 10

func (t *texts) keep(b []byte) []byte {
	if t.used == 0 || t.fill+len(b) > textChunk {
		if len(b) > textChunk/4 {
			return append([]byte(nil), b...) // too large to be reused
		}
		if t.used == len(t.chunks) {
			t.chunks = append(t.chunks, make([]byte, textChunk))
		}
		t.used++
		t.fill = 0
	}
	to := t.chunks[t.used-1][t.fill : t.fill+len(b) : t.fill+len(b)]
	copy(to, b)
	t.fill += len(b)
	return to
}

// reset ends the bundle and forgets chunks that were not needed lately.
func (t *texts) reset() {
	t.peak = max(t.used, t.peak-(t.peak+7)/8)
	if keep := max(1, 2*t.peak); len(t.chunks) > keep {
		clear(t.chunks[keep:])
		t.chunks = t.chunks[:keep]
	}
	t.used, t.fill = 0, 0
}

// minEvents is how many events' memory a Decoder keeps in any case.
const minEvents = 1 << 10

// shrink returns events with less memory if most of it was not used.
func shrink(events []state.Event, used int) []state.Event {
	if cap(events) > minEvents && used < cap(events)/4 {
		return make([]state.Event, 0, cap(events)/2)
	}
	return events[:0]
}
