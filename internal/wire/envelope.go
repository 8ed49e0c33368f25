package wire

import (
	"crypto/sha256"

	"github.com/tabaproject/taba/internal/store"
)

// The messages of the v2 protocol. Each has an Append and a Decode function;
// taba.proto says what their fields mean. Decoded messages own their memory,
// except for the bodies of a Batch's parts.

// ContentType is that of every v2 message.
const ContentType = "application/x-protobuf"

// LevelHeader is the header of answers to agents that tells the level of
// encodings that everybody reads who reads what they send: see state.Level.
// Releases that do not know it do not send it.
const LevelHeader = "X-Taba-Encodings"

// Limits on what one message may hold.
const (
	MaxParts     = 1 << 16 // of a Batch
	MaxVBuckets  = 1 << 16 // of a Partition, and heads in an answer
	MaxNamespace = 512     // bytes
	maxErrorText = 1 << 10 // bytes of a result's error that are sent
	maxRefusals  = 1 << 10 // refusals in one answer
)

// Batch is a set of parts to append.
type Batch struct {
	Namespace string
	Partition store.Partition
	StoreID   [16]byte
	Parts     []store.Part
}

// BatchReply answers a Batch: of parts by one result each, of events by how
// many were committed and which were refused.
type BatchReply struct {
	Results []store.PartResult
	Events  uint64
	Refused []Refused
}

// Refused is how many events were refused for one reason, and some of their
// tabs.
type Refused struct {
	Reason string
	Events uint64
	Tabs   []string
}

// StreamReply is what the receiver of a stream sends back. Frames are numbered
// from 1; the outcome of those up to Acknowledged is known.
type StreamReply struct {
	Acknowledged uint64
	Events       uint64 // committed since the last reply
	Refused      []Refused
	Frames       []FrameRefusal
	Status       uint32 // not 0: the stream ends, and Error says why
	Error        string
}

// FrameRefusal says that nothing of a frame counts.
type FrameRefusal struct {
	Frame  uint64
	Status uint32
	Error  string
}

// OpenRequest asks for a new Source.
type OpenRequest struct {
	Class store.Class
	Nonce store.Nonce
}

// OpenReply names the new Source and the store it belongs to.
type OpenReply struct {
	Source    store.SourceID
	StoreID   [16]byte
	Partition store.Partition
	Epoch     store.Epoch
}

// CloseRequest ends a Source.
type CloseRequest struct {
	Source store.SourceID
	Token  store.Token
}

// CloseReply tells how far the closed Source came.
type CloseReply struct {
	store.Closed
}

// HeadsRequest asks how far a Source has come.
type HeadsRequest struct {
	Source store.SourceID
}

// HeadsReply has one head per vbucket.
type HeadsReply struct {
	Heads []store.SourceHead
}

// DigestOf is the digest of the bytes sealed for one part: the first 16 bytes
// of their SHA-256. It is strong because forks are told from duplicates by it.
func DigestOf(body []byte) store.Digest {
	sum := sha256.Sum256(body)
	return store.Digest(sum[:16])
}
