package spool

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// Format version 1. All numbers are little-endian.
//
// A segment begins with
//
//	magic "TABASPL1", salt u32, first LSN u64, source in force u32,
//	flags u8 (1: suspended), checkpoint length u32, checkpoint,
//	CRC32C of everything before u32
//
// and continues with frames, one per record:
//
//	CRC32C u32 of everything after it, started from the segment's salt
//	length u32 of the payload
//	LSN u64
//	source u32
//	unsynced u32: how many records before this one were not known to be
//	  synced when it was written
//	kind u8
//	payload
//
// The salt keeps payload bytes, which applications choose, from being taken for
// a frame while replay looks for the first good frame after damage.
const (
	magic         = "TABASPL1"
	segmentPrefix = len(magic) + 4 + 8 + 4 + 1 + 4
	frameHeader   = 4 + 4 + 8 + 4 + 4 + 1

	flagSuspended = 1

	maxCheckpoint = 16 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errHeader = errors.New("malformed segment header")

// frame is a record as it lies in a segment.
type frame struct {
	Record
	unsynced uint32
	size     int64 // with its header
}

// appendFrame appends rec as a frame.
func appendFrame(dst []byte, salt uint32, rec Record, unsynced uint32) []byte {
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(rec.prefix)+len(rec.Payload)))
	dst = binary.LittleEndian.AppendUint64(dst, rec.LSN)
	dst = binary.LittleEndian.AppendUint32(dst, rec.Source)
	dst = binary.LittleEndian.AppendUint32(dst, unsynced)
	dst = append(dst, byte(rec.Kind))
	dst = append(dst, rec.prefix...)
	dst = append(dst, rec.Payload...)
	binary.LittleEndian.PutUint32(dst[at:], crc32.Update(salt, castagnoli, dst[at+4:]))
	return dst
}

// frameLength returns the length of the payload of the frame that b begins
// with, and its LSN. b holds at least frameHeader bytes.
func frameLength(b []byte) (payload uint32, lsn uint64) {
	return binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint64(b[8:])
}

// parseFrame checks the frame that fills b and returns it. Its payload points
// into b.
func parseFrame(b []byte, salt uint32) (frame, bool) {
	if crc32.Update(salt, castagnoli, b[4:]) != binary.LittleEndian.Uint32(b) {
		return frame{}, false
	}
	_, lsn := frameLength(b)
	return frame{
		Record: Record{
			LSN:     lsn,
			Source:  binary.LittleEndian.Uint32(b[16:]),
			Kind:    Kind(b[24]),
			Payload: b[frameHeader:len(b):len(b)],
		},
		unsynced: binary.LittleEndian.Uint32(b[20:]),
		size:     int64(len(b)),
	}, true
}

// header is the head of a segment.
type header struct {
	salt       uint32
	first      uint64 // LSN
	source     uint32 // in force at first
	suspended  bool
	checkpoint []byte
}

func appendHeader(dst []byte, h header) []byte {
	at := len(dst)
	dst = append(dst, magic...)
	dst = binary.LittleEndian.AppendUint32(dst, h.salt)
	dst = binary.LittleEndian.AppendUint64(dst, h.first)
	dst = binary.LittleEndian.AppendUint32(dst, h.source)
	var flags byte
	if h.suspended {
		flags |= flagSuspended
	}
	dst = append(dst, flags)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(h.checkpoint)))
	dst = append(dst, h.checkpoint...)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[at:], castagnoli))
}

// headerLength returns how long the header is that begins with prefix.
func headerLength(prefix []byte) (int, error) {
	if len(prefix) < segmentPrefix {
		return 0, fmt.Errorf("%w: %d bytes, want at least %d", errHeader, len(prefix), segmentPrefix)
	}
	if string(prefix[:len(magic)]) != magic {
		return 0, fmt.Errorf("%w: it begins with %q, this release reads %q", errHeader, prefix[:len(magic)], magic)
	}
	n := binary.LittleEndian.Uint32(prefix[segmentPrefix-4:])
	if n > maxCheckpoint {
		return 0, fmt.Errorf("%w: a checkpoint of %d bytes", errHeader, n)
	}
	return segmentPrefix + int(n) + 4, nil
}

// parseHeader reads the header that fills b.
func parseHeader(b []byte) (header, error) {
	body, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	if crc32.Checksum(body, castagnoli) != sum {
		return header{}, fmt.Errorf("%w: checksum", errHeader)
	}
	b = body[len(magic):]
	return header{
		salt:       binary.LittleEndian.Uint32(b),
		first:      binary.LittleEndian.Uint64(b[4:]),
		source:     binary.LittleEndian.Uint32(b[12:]),
		suspended:  b[16]&flagSuspended != 0,
		checkpoint: body[segmentPrefix:],
	}, nil
}

func splitPartials(payload []byte) (events uint64, body []byte) {
	events, n := binary.Uvarint(payload)
	if n <= 0 {
		return 0, nil
	}
	return events, payload[n:]
}

// PayloadOf returns the payload of KindPartials for a body.
func PayloadOf(body []byte, events uint64) []byte {
	return append(binary.AppendUvarint(nil, events), body...)
}

func randomSalt() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.LittleEndian.Uint32(b[:])
}
