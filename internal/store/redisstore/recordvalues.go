package redisstore

import (
	"encoding/binary"

	"github.com/tabaproject/taba/internal/store"
)

// record is what r holds of one tab.
type record struct {
	position store.Position
	events   uint64
	first    uint64
	all      uint64 // length of the all-clients State and one more; 0: there is none
	bytes    uint64 // of its clients: names and States
}

// recordOverhead is what a record takes besides its States, about.
const recordOverhead = 64

// size is what the record takes, about.
func (r *record) size() uint64 { return recordOverhead + r.all + r.bytes }

// records is the value of a field of r: the records of one name by Type.
type records map[string]record

func (rs records) encode() string {
	v := binary.AppendUvarint(nil, uint64(len(rs)))
	for typ, r := range rs {
		v = appendPosition(appendString(v, typ), r.position)
		for _, n := range []uint64{r.events, r.first, r.all, r.bytes} {
			v = binary.AppendUvarint(v, n)
		}
	}
	return string(v)
}

func decodeRecords(v string) (records, error) {
	d := decoder{rest: v}
	rs := records{}
	for n := d.uvarint(); n > 0 && !d.bad; n-- {
		typ := d.string()
		rs[typ] = record{position: d.position(), events: d.uvarint(), first: d.uvarint(), all: d.uvarint(), bytes: d.uvarint()}
	}
	return rs, d.err("records of a name")
}

// clientEntry is a value of d: events, and the length of the State and one
// more; 0: there is no State, the client was pruned.
type clientEntry struct{ events, state uint64 }

func (c clientEntry) encode() string {
	return string(binary.AppendUvarint(binary.AppendUvarint(nil, c.events), c.state))
}

func decodeClient(v string) (c clientEntry, err error) {
	d := decoder{rest: v}
	c.events, c.state = d.uvarint(), d.uvarint()
	return c, d.err("directory entry of a client")
}

// clientSize is what a client takes in a record, about.
func clientSize(name int, state uint64) uint64 { return 32 + uint64(name) + state }

// The values of g: the offset of the tombstone.

func encodeGrave(offset uint64) string { return string(binary.AppendUvarint(nil, offset)) }

func decodeGrave(v string) (uint64, error) {
	d := decoder{rest: v}
	offset := d.uvarint()
	return offset, d.err("tombstone of a tab")
}
