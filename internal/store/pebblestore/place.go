package pebblestore

import (
	"encoding/binary"

	"github.com/tabaproject/taba/internal/store/seglog"
)

// The value of L: segment and offset of the first piece; for each piece, which
// follow one another, its length and checksum.

func appendPlace(dst []byte, pieces []seglog.Piece) []byte {
	dst = binary.AppendUvarint(dst, pieces[0].Segment)
	dst = binary.AppendUvarint(dst, uint64(pieces[0].Offset))
	for _, p := range pieces {
		dst = binary.AppendUvarint(dst, uint64(p.Length))
		dst = binary.LittleEndian.AppendUint32(dst, p.Sum)
	}
	return dst
}

// decodePlace appends the pieces to dst; there is at least one.
func decodePlace(dst []seglog.Piece, v []byte) ([]seglog.Piece, error) {
	d := decoder{rest: v}
	p := seglog.Piece{Segment: d.uvarint(), Offset: int64(d.uvarint())}
	for {
		length := d.uvarint()
		sum := d.take(4)
		if d.bad = d.bad || length > maxPiece || p.Offset < 0 || p.Offset > maxPlace; d.bad {
			return dst, d.err("place of a body")
		}
		p.Length, p.Sum = uint32(length), binary.LittleEndian.Uint32(sum)
		dst = append(dst, p)
		p.Offset += int64(length)
		if len(d.rest) == 0 {
			return dst, nil
		}
	}
}

// What cannot be: it keeps sums of damaged values from overflowing.
const (
	maxPiece = 1<<32 - 1
	maxPlace = 1 << 48
)

// segmentOf reads only the segment.
func segmentOf(v []byte) (uint64, error) {
	d := decoder{rest: v}
	return d.uvarint(), d.err("place of a body")
}
