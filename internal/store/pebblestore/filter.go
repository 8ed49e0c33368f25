package pebblestore

import (
	"bytes"
	"encoding/binary"

	"github.com/tabaproject/taba/internal/store"
)

// filter finds entries, and sections of them, that touch some names.
type filter struct {
	names   map[store.TabName]struct{} // nil: all
	needles [][]byte                   // the names as outlines have them; nil: too many to look for
}

// fewNames are worth looking for as bytes, which is tens of times as fast as
// reading an outline tab by tab.
const fewNames = 4

func newFilter(names []store.TabName) *filter {
	f := &filter{names: store.NameSet(names)}
	if names == nil || len(names) > fewNames {
		return f
	}
	f.needles = make([][]byte, 0, len(names))
	for _, n := range names {
		needle := binary.AppendUvarint(nil, uint64(len(n.Name)))
		f.needles = append(f.needles, append(needle, n.Name...))
	}
	return f
}

// may reports whether an outline, or a part of one, may have one of the names.
func (f *filter) may(outline []byte) bool {
	if f.needles == nil {
		return true
	}
	for _, needle := range f.needles {
		if bytes.Contains(outline, needle) {
			return true
		}
	}
	return false
}

// any reports whether one of the tabs has one of the names.
func (f *filter) any(outline *store.BodyReader) bool {
	if f.names == nil {
		return true
	}
	for outline.NextTab() {
		if _, ok := f.names[store.TabName{Namespace: string(outline.Tab.Namespace), Name: string(outline.Tab.Name)}]; ok {
			return true
		}
	}
	return false
}

// touches reports whether an entry touches one of the names. If its body is in
// sections it may only seem so.
func (f *filter) touches(h *head) bool {
	e := &h.entry
	if e.Kind == store.KindPartials && !f.may(e.Body) {
		return false
	}
	return len(h.sections) > 0 || e.TouchesAny(f.names)
}
