package store

import (
	"encoding/hex"
	"fmt"
	"time"
)

// Class is how long a Source may live: it decides which horizon applies.
type Class uint8

// Classes of Sources. They are stored: never renumber them.
const (
	ClassSpool  Class = 1 // has a spool: 30 days
	ClassDirect Class = 2 // none: 10 minutes
)

// Age is how long an id of this class is honoured.
func (c Class) Age() time.Duration {
	if c == ClassSpool {
		return 30 * 24 * time.Hour
	}
	return 10 * time.Minute
}

// Nonce makes a SourceID unique.
type Nonce [16]byte

// Token identifies who closed a Source.
type Token [16]byte

// SourceID identifies a sender of Batches. It is given by Store.Open. It is
// comparable; its text form is hexadecimal.
type SourceID struct {
	Birth int64 // store time, milliseconds since 1970
	Class Class
	Nonce Nonce
}

// IsZero reports whether id is no id.
func (id SourceID) IsZero() bool { return id == SourceID{} }

// sourceIDLen is the length of the binary form: birth, class, nonce.
const sourceIDLen = 8 + 1 + 16

// AppendBinary appends the 25-byte binary form.
func (id SourceID) AppendBinary(dst []byte) ([]byte, error) {
	b := uint64(id.Birth)
	dst = append(dst, byte(b>>56), byte(b>>48), byte(b>>40), byte(b>>32), byte(b>>24), byte(b>>16), byte(b>>8), byte(b), byte(id.Class))
	return append(dst, id.Nonce[:]...), nil
}

// UnmarshalBinary reads what AppendBinary wrote.
func (id *SourceID) UnmarshalBinary(src []byte) error {
	if len(src) != sourceIDLen {
		return fmt.Errorf("source id has %d bytes, want %d", len(src), sourceIDLen)
	}
	var b uint64
	for _, c := range src[:8] {
		b = b<<8 | uint64(c)
	}
	id.Birth, id.Class = int64(b), Class(src[8])
	copy(id.Nonce[:], src[9:])
	return nil
}

func (id SourceID) String() string {
	b, _ := id.AppendBinary(nil)
	return hex.EncodeToString(b)
}

// ParseSourceID reads the text form.
func ParseSourceID(s string) (SourceID, error) {
	var id SourceID
	b, err := hex.DecodeString(s)
	if err != nil {
		return id, fmt.Errorf("source id %q: %w", s, err)
	}
	return id, id.UnmarshalBinary(b)
}
