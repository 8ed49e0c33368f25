package pebblestore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/tabaproject/taba/internal/store"
)

// A large body is cut into sections between its tabs, and its outline likewise:
// who wants some tabs reads the sections whose outlines have them. All sections
// together are the body.

// sectionBytes is how large a section is at least, except the last: a section
// is read in one go, and smaller ones would cost more to find than to read.
const sectionBytes = 16 << 10

// cut decides how a body is cut and notes it in h.
func (w *writer) cut(h *head, body []byte) {
	h.size, h.sections = 0, nil
	w.sections, w.cuts = w.sections[:0], w.cuts[:0]
	if len(body) < 2*sectionBytes {
		return
	}
	r, o := store.NewBodyReader(body), store.NewBodyReader(h.entry.Body)
	start, outlined := 0, o.Len()
	for r.NextTab() && o.NextTab() {
		if at := len(body) - r.Len(); at-start >= sectionBytes || r.Len() == 0 {
			w.sections, w.cuts = append(w.sections, outlined-o.Len()), append(w.cuts, at)
			start, outlined = at, o.Len()
		}
	}
	if len(w.sections) > 1 {
		h.size, h.sections = uint64(len(body)), w.sections
	}
}

func (h *head) appendSections(dst []byte) []byte {
	if len(h.sections) == 0 {
		return dst
	}
	dst = binary.AppendUvarint(dst, h.size)
	dst = binary.AppendUvarint(dst, uint64(len(h.sections)))
	for _, outlined := range h.sections {
		dst = binary.AppendUvarint(dst, uint64(outlined))
	}
	return dst
}

func (h *head) decodeSections(d *decoder) {
	h.size = d.uvarint()
	for n := d.uvarint(); n > 0 && !d.bad; n-- {
		outlined := d.uvarint()
		d.bad = d.bad || outlined > uint64(len(d.rest)) // the outline is still to come
		h.sections = append(h.sections, int(outlined))
	}
	d.bad = d.bad || len(h.sections) == 0
}

func sectionKey(dst []byte, vb int, offset uint64, section int) []byte {
	return binary.BigEndian.AppendUint32(logKey(dst, kindBody, vb, offset), uint32(section))
}

// ends returns where the sections end that the body was cut into.
func (w *writer) ends() []int {
	if len(w.sections) < 2 {
		return nil
	}
	return slices.Clone(w.cuts)
}

// body writes a body, in the sections it was cut into.
func (w *writer) body(vb int, offset uint64, body []byte) {
	if len(w.sections) < 2 {
		w.key = logKey(w.key[:0], kindBody, vb, offset)
		w.set(w.key, body)
		return
	}
	start := 0
	for i, end := range w.cuts {
		w.key = sectionKey(w.key[:0], vb, offset, i)
		w.set(w.key, body[start:end])
		start = end
	}
}

// body copies the body of an entry for the reader: all of it if everything is
// wanted, else at least the tabs that are. ok is false if there are none.
func (r *reader) body(h *head, f *filter) (body []byte, ok bool, err error) {
	e := &h.entry
	if e.Kind != store.KindPartials {
		return nil, true, nil
	}
	if err := r.locate(h); err != nil {
		return nil, false, err
	}
	if len(h.sections) == 0 {
		body, err := r.whole(h)
		return body, true, err
	}
	if f.names == nil && h.logged {
		body, err := r.all()
		return body, true, err
	}
	if f.names == nil {
		body = make([]byte, 0, h.size)
	}
	outline := store.NewBodyReader(e.Body)
	for i, outlined := range h.sections {
		at := len(e.Body) - outline.Len()
		part := outline.Cut(outlined)
		if err := outline.Err(); err != nil {
			return nil, false, err
		}
		if !f.may(e.Body[at:at+outlined]) || !f.any(&part) {
			continue
		}
		if i > 0 && len(body) == 0 {
			body = append(body, e.Body[0]) // the version, which all have
		}
		if body, err = r.section(body, h, i); err != nil {
			return nil, false, err
		}
	}
	return body, len(body) > 0, nil
}

// locate reads where a body lies that is in the log.
func (r *reader) locate(h *head) error {
	if !h.logged {
		return nil
	}
	offset := h.entry.Position.Offset
	r.key = logKey(r.key[:0], kindPlace, r.vb, offset)
	v, err := r.value(&r.places, offset)
	if err == nil {
		r.pieces, err = decodePlace(r.pieces[:0], v)
	}
	if err == nil && len(r.pieces) != max(len(h.sections), 1) {
		err = fmt.Errorf("place of entry %d: %w", offset, errValue)
	}
	return err
}

// whole reads a body that is not in sections.
func (r *reader) whole(h *head) ([]byte, error) {
	if h.logged {
		return r.all()
	}
	offset := h.entry.Position.Offset
	r.key = logKey(r.key[:0], kindBody, r.vb, offset)
	v, err := r.value(&r.bodies, offset)
	return bytes.Clone(v), err
}

// all reads all pieces of the body that was located.
func (r *reader) all() ([]byte, error) {
	last := r.pieces[len(r.pieces)-1]
	body := make([]byte, last.Offset+int64(last.Length)-r.pieces[0].Offset)
	err := r.pin.Read(last.Segment, r.pieces[0].Offset, body)
	rest := body
	for _, p := range r.pieces {
		if err != nil {
			return nil, err
		}
		err = r.pin.Check(p, rest[:p.Length])
		rest = rest[p.Length:]
	}
	return body, err
}

// section appends a section of a body to dst.
func (r *reader) section(dst []byte, h *head, n int) ([]byte, error) {
	if !h.logged {
		offset := h.entry.Position.Offset
		r.key = sectionKey(r.key[:0], r.vb, offset, n)
		v, err := r.value(&r.bodies, offset)
		return append(dst, v...), err
	}
	p, at := r.pieces[n], len(dst)
	dst = slices.Grow(dst, int(p.Length))[:at+int(p.Length)]
	err := r.pin.Read(p.Segment, p.Offset, dst[at:])
	if err == nil {
		err = r.pin.Check(p, dst[at:])
	}
	return dst, err
}

// value returns what an entry must have under r.key, valid until it moves.
func (r *reader) value(from *entryIter, offset uint64) ([]byte, error) {
	it, err := from.open(r)
	if err != nil {
		return nil, err
	}
	if !move(it, r.key) || !bytes.Equal(it.Key(), r.key) {
		return nil, errors.Join(missing(offset), it.Error())
	}
	return it.ValueAndErr()
}
