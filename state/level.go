package state

// Level numbers the sets of encodings that releases write, from 1: a release
// that raises it reads all that is below. Processes that share data write the
// highest Level that each of them reads, so that releases can be mixed while
// they are replaced one by one.
//
//	1  every Type writes version 1
//	2  Types with distributions write version 2, which is shorter
//
// Whoever adds a version of an encoding raises Newest, and keeps what writes
// the one before as long as servers that read no other may still be replaced.
type Level uint8

// Levels that mean something to processes.
const (
	// Oldest is written where it is not known yet who reads.
	Oldest Level = 1
	// Unsaid is what those read that do not say what they read: the releases
	// from before Levels were told.
	Unsaid Level = 2
)

// Versioned is what a Handler is, besides, if its encoding has had several
// versions. Its States are Leveled.
type Versioned interface {
	Handler
	// Version is the version of the encoding at a Level.
	Version(l Level) byte
}

// Leveled is what a State is, besides, if it can be written as earlier
// releases did.
type Leveled interface {
	State
	// AppendAt is Append with the encoding of a Level. At Newest it writes what
	// Append does.
	AppendAt(dst []byte, l Level) []byte
}

// AppendAt appends the encoding of s that those can read who read Level l.
func AppendAt(dst []byte, s State, l Level) []byte {
	if l < Newest {
		if s, ok := s.(Leveled); ok {
			return s.AppendAt(dst, l)
		}
	}
	return s.Append(dst)
}

// Newer reports whether enc, the encoding of a State of h, is of a version that
// is newer than those of Level l.
func Newer(h Handler, enc []byte, l Level) bool {
	if l >= Newest || len(enc) == 0 {
		return false
	}
	v, ok := h.(Versioned)
	return ok && enc[0] > v.Version(l)
}
