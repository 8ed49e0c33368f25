package ingest

import (
	"strconv"
	"strings"

	"github.com/tabaproject/taba/internal/wire"
)

// HeaderRefused is the response header that names refused events: how many by
// reason, then the first few as tab:reason. Bytes of tabs outside the
// original's name alphabet are percent-encoded.
//
//	X-Taba-Refused: payload=2 unknown_type=1; req.errors:payload newtype:unknown_type
const HeaderRefused = "X-Taba-Refused"

const (
	maxNamed     = 8   // tabs named in the header
	maxNamedByte = 100 // of each name, encoded
	maxCounted   = 16  // reasons counted one by one
)

// tally counts what one request had refused. Its zero value is ready to use.
type tally struct {
	reasons []reasonCount
	named   []refusedTab
	more    bool // others than those named were refused
}

type reasonCount struct {
	reason string
	n      uint64
}

type refusedTab struct{ tab, reason string }

// add counts n events of tab.
func (t *tally) add(tab, reason string, n uint64) {
	t.count(reason, n)
	for _, r := range t.named {
		if r.tab == tab && r.reason == reason {
			return
		}
	}
	if len(t.named) >= maxNamed {
		t.more = true
		return
	}
	t.named = append(t.named, refusedTab{strings.Clone(tab), reason})
}

func (t *tally) count(reason string, n uint64) {
	if len(t.reasons) == maxCounted {
		reason = "other"
	}
	for i := range t.reasons {
		if t.reasons[i].reason == reason {
			t.reasons[i].n += n
			return
		}
	}
	t.reasons = append(t.reasons, reasonCount{reason, n})
}

func (t *tally) empty() bool { return len(t.reasons) == 0 }

func (t *tally) total() (n uint64) {
	for _, r := range t.reasons {
		n += r.n
	}
	return n
}

func (t *tally) reset() {
	clear(t.named)
	*t = tally{reasons: t.reasons[:0], named: t.named[:0]}
}

// header is the value of HeaderRefused.
func (t *tally) header() string {
	var b []byte
	for i, r := range t.reasons {
		if i > 0 {
			b = append(b, ' ')
		}
		b = append(append(b, label(r.reason)...), '=')
		b = strconv.AppendUint(b, r.n, 10)
	}
	b = append(b, ';')
	for _, r := range t.named {
		b = appendEscaped(append(b, ' '), r.tab)
		b = append(append(b, ':'), label(r.reason)...)
	}
	if t.more {
		b = append(b, " ..."...)
	}
	return string(b)
}

// wire returns what was refused as v2 replies have it.
func (t *tally) wire() []wire.Refused {
	var list []wire.Refused
	for _, r := range t.reasons {
		w := wire.Refused{Reason: label(r.reason), Events: r.n}
		for _, n := range t.named {
			if n.reason == r.reason {
				w.Tabs = append(w.Tabs, n.tab)
			}
		}
		list = append(list, w)
	}
	return list
}

// appendEscaped appends name, cut to a bounded length, as header-safe text.
func appendEscaped(dst []byte, name string) []byte {
	const hex = "0123456789ABCDEF"
	start := len(dst)
	for i := range len(name) {
		if len(dst)-start >= maxNamedByte {
			return append(dst, "..."...)
		}
		c := name[i]
		if strictName[c] && c != ':' && c != ';' {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		}
	}
	return dst
}
