package pebblestore

import (
	"bytes"
	"encoding/binary"

	"github.com/tabaproject/taba/internal/store"
)

// The layout, format 3. vb is 2 bytes, offset 8, both big endian; tab is
// namespace, name and Type, each escaped and ended so that keys sort as tabs
// do; client is the rest of the key. Values are described in values.go.
//
//	M                   what was fixed at creation
//	H                   the horizons
//	W vb source         a Source's watermark, chain and closer
//	E vb offset         head of a log entry: identity, counts, what it touches
//	B vb offset         body of a log entry
//	B vb offset n       a section of a large body; n is 4 bytes, big endian
//	L vb offset         where the body of a log entry lies in the commit log
//	P                   the last record of the commit log that was applied
//	C vb                trim point and ledger: what compaction changes
//	G vb tab            tombstone of a removed record, until the log is trimmed to it
//	R vb tab            record of a tab: position, counts
//	A vb tab            its all-clients State
//	D vb tab client     directory: a client's name and count
//	S vb tab client     a client's State
//
// Heads are apart from bodies, and the directory from States, so that
// following which tabs exist, deciding how far to trim and answering names
// read only small keys. Large bodies are in sections, so that what it costs to
// read one tab does not follow what else was committed with it: see section.go.
//
// A large body lies in the commit log and its place under L; the heads tell which
// do. Under B are small ones, and those of stores of earlier formats: in format 2
// all were there, in format 1 every body was whole. What is there of them is
// read as it is.
const (
	kindMeta     = 'M'
	kindHorizons = 'H'
	kindRow      = 'W'
	kindHead     = 'E'
	kindBody     = 'B'
	kindPlace    = 'L'
	kindApplied  = 'P'
	kindLedger   = 'C'
	kindGrave    = 'G'
	kindRecord   = 'R'
	kindAll      = 'A'
	kindClient   = 'D'
	kindState    = 'S'
)

const (
	format       = 3
	firstLogged  = 3 // the first format with a commit log
	oldestFormat = 1
)

// maxVBuckets is what two bytes can number. Far fewer make sense.
const maxVBuckets = 1 << 16

func vbKey(dst []byte, kind byte, vb int) []byte {
	return append(dst, kind, byte(vb>>8), byte(vb))
}

func rowKey(dst []byte, vb int, id store.SourceID) []byte {
	dst, _ = id.AppendBinary(vbKey(dst, kindRow, vb)) // never fails
	return dst
}

func logKey(dst []byte, kind byte, vb int, offset uint64) []byte {
	return binary.BigEndian.AppendUint64(vbKey(dst, kind, vb), offset)
}

// offsetOf reads the offset back from a log key.
func offsetOf(key []byte) uint64 { return binary.BigEndian.Uint64(key[vbLen:]) }

func tabKey(dst []byte, kind byte, vb int, t store.Tab) []byte {
	dst = nameKey(dst, kind, vb, store.TabName{Namespace: t.Namespace, Name: t.Name})
	return appendEscaped(dst, t.Type)
}

// nameKey is the prefix that the tabs of one name, of whatever Type, share.
func nameKey(dst []byte, kind byte, vb int, n store.TabName) []byte {
	return appendEscaped(appendEscaped(vbKey(dst, kind, vb), n.Namespace), n.Name)
}

const vbLen = 3 // kind and vbucket

// tabOf reads the tab back from the key of a record or tombstone.
func tabOf(key []byte) (t store.Tab, ok bool) {
	rest := key[vbLen:]
	for _, s := range []*string{&t.Namespace, &t.Name, &t.Type} {
		if *s, rest, ok = cutEscaped(rest); !ok {
			return t, false
		}
	}
	return t, len(rest) == 0
}

// A string within a key: 0 bytes become 0 255, and 0 1 ends it. So no string
// is a prefix of another and the order of strings is kept.
func appendEscaped(dst []byte, s string) []byte {
	for i := range len(s) {
		dst = append(dst, s[i])
		if s[i] == 0 {
			dst = append(dst, 0xff)
		}
	}
	return append(dst, 0, 1)
}

func cutEscaped(b []byte) (s string, rest []byte, ok bool) {
	i := bytes.IndexByte(b, 0)
	if i < 0 || i+1 == len(b) {
		return "", nil, false
	}
	if b[i+1] == 1 { // the common case: nothing was escaped
		return string(b[:i]), b[i+2:], true
	}
	var out []byte
	for i = 0; i+1 < len(b); i++ {
		if b[i] == 0 {
			if b[i+1] == 1 {
				return string(out), b[i+2:], true
			}
			out = append(out, 0)
			i++
			continue
		}
		out = append(out, b[i])
	}
	return "", nil, false
}

// after returns the smallest key that is greater than every key that begins
// with prefix.
func after(prefix []byte) []byte {
	end := bytes.Clone(prefix)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}
