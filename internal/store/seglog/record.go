package seglog

import (
	"encoding/binary"
	"hash/crc32"
)

// The layout of a record, version 1. All numbers are little-endian.
//
//	CRC32C u32 of everything up to the bodies, started from the segment's salt
//	LSN u64
//	length u32 of the meta
//	number u32 of pieces
//	length u64 of the bodies
//	for each piece: length u32, CRC32C u32
//	meta
//	bodies
//
// What follows the last record of a segment is of no interest.
const (
	headerLen = 4 + 8 + 4 + 4 + 8
	entryLen  = 4 + 4 // of the table of pieces
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Body is bulk that a record holds.
type Body struct {
	Bytes []byte
	Ends  []int // of its pieces; nil: it is one piece
}

func (b *Body) pieces() int { return max(len(b.Ends), 1) }

// piece returns the nth piece.
func (b *Body) piece(n int) []byte {
	if len(b.Ends) == 0 {
		return b.Bytes
	}
	start := 0
	if n > 0 {
		start = b.Ends[n-1]
	}
	return b.Bytes[start:b.Ends[n]]
}

// Piece says where a piece lies and what it must be.
type Piece struct {
	Segment uint64
	Offset  int64
	Length  uint32
	Sum     uint32 // CRC32C
}

// Sum is the checksum of a piece.
func Sum(piece []byte) uint32 { return crc32.Checksum(piece, castagnoli) }

// appendHead appends a record without its bodies.
func appendHead(dst []byte, salt uint32, lsn uint64, meta []byte, bodies []Body) []byte {
	at, pieces, size := len(dst), 0, 0
	for i := range bodies {
		pieces += bodies[i].pieces()
		size += len(bodies[i].Bytes)
	}
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.LittleEndian.AppendUint64(dst, lsn)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(meta)))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(pieces))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(size))
	for i := range bodies {
		for n := range bodies[i].pieces() {
			p := bodies[i].piece(n)
			dst = binary.LittleEndian.AppendUint32(dst, uint32(len(p)))
			dst = binary.LittleEndian.AppendUint32(dst, Sum(p))
		}
	}
	dst = append(dst, meta...)
	binary.LittleEndian.PutUint32(dst[at:], crc32.Update(salt, castagnoli, dst[at+4:]))
	return dst
}

// record is one as it lies in a segment.
type record struct {
	lsn    uint64
	table  []byte
	meta   []byte
	bodies []byte
}

func (r *record) size() int { return headerLen + len(r.table) + len(r.meta) + len(r.bodies) }

// lsnOf is the LSN of the record that b may begin with.
func lsnOf(b []byte) uint64 { return binary.LittleEndian.Uint64(b[4:]) }

// parse reads the record that b begins with. It points into b.
func parse(b []byte, salt uint32) (r record, ok bool) {
	if len(b) < headerLen {
		return r, false
	}
	meta := uint64(binary.LittleEndian.Uint32(b[12:]))
	table := uint64(binary.LittleEndian.Uint32(b[16:])) * entryLen
	size := binary.LittleEndian.Uint64(b[20:])
	left := uint64(len(b) - headerLen)
	if table > left || meta > left-table || size > left-table-meta {
		return r, false
	}
	head := headerLen + int(table+meta)
	if crc32.Update(salt, castagnoli, b[4:head]) != binary.LittleEndian.Uint32(b) {
		return r, false
	}
	r = record{
		lsn: lsnOf(b), table: b[headerLen : headerLen+int(table)],
		meta: b[headerLen+int(table) : head : head], bodies: b[head : head+int(size)],
	}
	return r, r.whole()
}

// whole reports whether the bodies are what the table says.
func (r *record) whole() bool {
	rest := r.bodies
	for t := r.table; len(t) > 0; t = t[entryLen:] {
		n := binary.LittleEndian.Uint32(t)
		if uint64(n) > uint64(len(rest)) || Sum(rest[:n]) != binary.LittleEndian.Uint32(t[4:]) {
			return false
		}
		rest = rest[n:]
	}
	return len(rest) == 0
}

// pieces appends where the pieces of a record lie that begins at an offset.
func (r *record) pieces(dst []Piece, segment uint64, at int64) []Piece {
	at += int64(r.size() - len(r.bodies))
	for t := r.table; len(t) > 0; t = t[entryLen:] {
		p := Piece{Segment: segment, Offset: at, Length: binary.LittleEndian.Uint32(t), Sum: binary.LittleEndian.Uint32(t[4:])}
		dst = append(dst, p)
		at += int64(p.Length)
	}
	return dst
}

// body returns all bodies as one of the same pieces.
func (r *record) body() []Body {
	if len(r.table) == 0 {
		return nil
	}
	b, end := Body{Bytes: r.bodies}, 0
	for t := r.table; len(t) > 0; t = t[entryLen:] {
		end += int(binary.LittleEndian.Uint32(t))
		b.Ends = append(b.Ends, end)
	}
	return []Body{b}
}

// findAfter looks for a readable record with an LSN after the given one, at any
// place of b. It returns false if there is none.
func findAfter(b []byte, salt uint32, lsn uint64) (at int, ok bool) {
	most := uint64(len(b)) / headerLen // records in b
	// Each candidate costs a checksum of what it claims to be. A segment has few,
	// the budget keeps a hostile one from taking for ever.
	budget := 16*len(b) + 1<<20
	for at = 0; at+headerLen <= len(b) && budget > 0; at++ {
		if found := lsnOf(b[at:]); found <= lsn || found-lsn > most {
			continue
		}
		r, ok := parse(b[at:], salt)
		if ok {
			return at, true
		}
		budget -= r.cost(b[at:])
	}
	return 0, false
}

// cost is about how much of b was read to find that it is no record.
func (r *record) cost(b []byte) int {
	claimed := uint64(binary.LittleEndian.Uint32(b[12:])) + uint64(binary.LittleEndian.Uint32(b[16:]))*entryLen
	return headerLen + int(min(claimed, uint64(len(b)))) + len(r.bodies)
}
