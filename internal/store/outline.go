package store

import (
	"encoding/binary"
	"fmt"
)

// AppendOutline appends the outline of a body to dst: a body of the same tabs
// and event counts without any Partials. Engines keep it apart from the body,
// to find out what an entry touches without reading it.
//
// It checks all of body on the way, so that what is appended to a log can be
// read by everybody, and its counts add up: the events of a tab are those of
// its Partials. It returns the events of all tabs.
func AppendOutline(dst, body []byte) (outline []byte, events uint64, err error) {
	r := NewBodyReader(body)
	outline = dst
	if len(body) > 0 {
		outline = append(outline, bodyVersion)
	}
	for r.NextTab() {
		t := &r.Tab
		var sum uint64
		for r.NextPartial() {
			sum += r.Partial.Events
		}
		if r.Err() == nil && sum != t.Events {
			return dst, 0, fmt.Errorf("%w: tab %q says %d events, its Partials have %d", errBody, t.Name, t.Events, sum)
		}
		size := bytesLen(t.Namespace) + bytesLen(t.Name) + bytesLen(t.Type) + uvarintLen(t.Events)
		outline = binary.AppendUvarint(outline, uint64(size))
		outline = appendBytes(outline, t.Namespace)
		outline = appendBytes(outline, t.Name)
		outline = appendBytes(outline, t.Type)
		outline = binary.AppendUvarint(outline, t.Events)
		events += t.Events
	}
	if err := r.Err(); err != nil {
		return dst, 0, err
	}
	return outline, events, nil
}

func appendBytes(dst, b []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

func bytesLen(b []byte) int { return uvarintLen(uint64(len(b))) + len(b) }
