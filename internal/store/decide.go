package store

import (
	"crypto/sha256"
	"encoding/binary"
)

// NextChain returns the chain after one more part: a strong hash of the chain
// before it, its numbers and the digest of its bytes.
func NextChain(chain Chain, seq, prev uint64, d Digest) Chain {
	var b [len(chain) + 8 + 8 + len(d)]byte
	at := copy(b[:], chain[:])
	binary.BigEndian.PutUint64(b[at:], seq)
	binary.BigEndian.PutUint64(b[at+8:], prev)
	copy(b[at+16:], d[:])
	sum := sha256.Sum256(b[:])
	return Chain(sum[:len(Chain{})])
}

// Row is what a vbucket keeps of one Source.
type Row struct {
	Head   Head
	Closed bool
	Token  Token // of who closed it
}

// Known says whether a vbucket honours a Source: it has a row, or the id was
// born no earlier than the horizon of its class. An id that is older and has
// no row may have had one that was forgotten, so it is never guessed about.
func Known(row *Row, horizon int64, id SourceID) bool {
	return row != nil || id.Birth >= horizon
}

// Decide is the verdict on a part, inside the transaction that would append
// it. row is the stored one, nil if there is none; horizon is that of the
// Source's class. It returns the row to store if the verdict is Applied, else
// the row as it is.
func Decide(row *Row, horizon int64, p *Part) (Verdict, Row) {
	if !Known(row, horizon, p.Source) {
		return SourceGone, Row{}
	}
	var stored Row
	if row != nil {
		stored = *row
	}
	head := stored.Head
	switch {
	case head.Seq == p.Seq && head.Chain == p.Chain && p.Seq > 0:
		return Duplicate, stored
	case stored.Closed:
		return SourceClosed, stored
	case head.Seq == p.Prev && p.Seq > p.Prev && NextChain(head.Chain, p.Seq, p.Prev, p.Digest) == p.Chain:
		stored.Head = Head{Seq: p.Seq, Chain: p.Chain}
		return Applied, stored
	case head.Seq < p.Prev:
		return Gap, stored
	}
	return Forked, stored
}

// CloseRow closes a row; the first closer wins. It returns the row to store.
func CloseRow(row *Row, t Token) Row {
	var closed Row
	if row != nil {
		closed = *row
	}
	if !closed.Closed {
		closed.Closed, closed.Token = true, t
	}
	return closed
}

func (v Verdict) String() string {
	if int(v) < len(verdicts) {
		return verdicts[v]
	}
	return "invalid"
}

var verdicts = [...]string{"unknown", "applied", "duplicate", "gap", "forked", "gone", "closed"}
