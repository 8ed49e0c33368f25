package pebblestore

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tabaproject/taba/internal/store"
)

// A large body is cut into sections between its tabs. The head tells how many
// tabs are in each, and its outline which: who wants some tabs reads the sections
// that have them. All sections together are the body.

// sectionBytes is how large a section is at least, except the last: a section
// is read in one go, and smaller ones would cost more to find than to read.
const sectionBytes = 16 << 10

// cut decides how a body is cut and notes it in h. dst is memory to use.
func cut(h *head, body []byte, dst []int) []int {
	h.size, h.sections = 0, nil
	if len(body) < 2*sectionBytes {
		return dst
	}
	r := store.NewBodyReader(body)
	tabs, start := 0, 0
	for r.NextTab() {
		tabs++
		if at := len(body) - r.Len(); at-start >= sectionBytes {
			dst, tabs, start = append(dst, tabs), 0, at
		}
	}
	if tabs > 0 {
		dst = append(dst, tabs)
	}
	if len(dst) > 1 {
		h.size, h.sections = uint64(len(body)), dst
	}
	return dst
}

func (h *head) appendSections(dst []byte) []byte {
	if len(h.sections) == 0 {
		return dst
	}
	dst = binary.AppendUvarint(dst, h.size)
	dst = binary.AppendUvarint(dst, uint64(len(h.sections)))
	for _, tabs := range h.sections {
		dst = binary.AppendUvarint(dst, uint64(tabs))
	}
	return dst
}

func (h *head) decodeSections(d *decoder) {
	h.size = d.uvarint()
	for n := d.uvarint(); n > 0 && !d.bad; n-- {
		h.sections = append(h.sections, int(d.uvarint()))
	}
	d.bad = d.bad || len(h.sections) == 0
}

func sectionKey(dst []byte, vb int, offset uint64, section int) []byte {
	return binary.BigEndian.AppendUint32(logKey(dst, kindBody, vb, offset), uint32(section))
}

// body writes the body of an entry, in the sections that h says.
func (w *writer) body(vb int, h *head, body []byte) {
	offset := h.entry.Position.Offset
	if len(h.sections) == 0 {
		w.key = logKey(w.key[:0], kindBody, vb, offset)
		w.set(w.key, body)
		return
	}
	r := store.NewBodyReader(body)
	start := 0
	for i, tabs := range h.sections {
		for range tabs {
			r.NextTab()
		}
		end := len(body) - r.Len()
		w.key = sectionKey(w.key[:0], vb, offset, i)
		w.set(w.key, body[start:end])
		start = end
	}
}

// body copies the body of an entry for the reader: all of it if wanted is nil,
// else at least the tabs that are wanted.
func (r *reader) body(it *pebble.Iterator, h *head, wanted map[store.TabName]struct{}) ([]byte, error) {
	e := &h.entry
	if e.Kind != store.KindPartials {
		return nil, nil
	}
	if len(h.sections) == 0 {
		r.key = logKey(r.key[:0], kindBody, r.vb, e.Position.Offset)
		v, err := r.piece(it, e)
		return bytes.Clone(v), err
	}
	var body []byte
	if wanted == nil {
		body = make([]byte, 0, h.size)
	}
	outline := store.NewBodyReader(e.Body)
	for i, tabs := range h.sections {
		if !anyOf(&outline, tabs, wanted) {
			continue
		}
		r.key = sectionKey(r.key[:0], r.vb, e.Position.Offset, i)
		v, err := r.piece(it, e)
		if err != nil {
			return nil, err
		}
		if i > 0 && len(body) == 0 {
			body = append(body, e.Body[0]) // the version, which all have
		}
		body = append(body, v...)
	}
	return body, nil
}

// anyOf moves over so many tabs and reports whether one is wanted.
func anyOf(outline *store.BodyReader, tabs int, wanted map[store.TabName]struct{}) bool {
	found := wanted == nil
	for range tabs {
		if outline.NextTab(); !found {
			_, found = wanted[store.TabName{Namespace: string(outline.Tab.Namespace), Name: string(outline.Tab.Name)}]
		}
	}
	return found
}

// piece returns what is under r.key, valid until it moves.
func (r *reader) piece(it *pebble.Iterator, e *store.Entry) ([]byte, error) {
	if !move(it, r.key) || !bytes.Equal(it.Key(), r.key) {
		return nil, errors.Join(missing(e.Position.Offset), it.Error())
	}
	return it.ValueAndErr()
}
