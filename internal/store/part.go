package store

// Digest is a hash of the bytes a Source sealed for one part.
type Digest [16]byte

// Chain is the cumulative hash of a Source's parts in one vbucket:
// H(previous chain, seq, prev, digest of the bytes). The zero Chain is the
// empty one.
type Chain [16]byte

// Part is a Batch's Partials for one vbucket.
type Part struct {
	Source SourceID
	VB     int
	Seq    uint64 // the Batch's number: starts at 1, grows
	Prev   uint64 // the Source's previous part in this vbucket, 0 if none
	Chain  Chain  // the sender's chain after this part
	Digest Digest // of the bytes that were sealed, which Body may differ from (clamped)
	Events uint64
	Body   []byte // see BodyWriter
}

// Head is how far a Source has come in one vbucket.
type Head struct {
	Seq   uint64
	Chain Chain
}

// SourceHead is a Head with its vbucket and the shard's epoch.
type SourceHead struct {
	VB    int
	Head  Head
	Epoch Epoch
	// Verdict is SourceGone if the id is behind the horizon, SourceClosed if
	// closed, else Applied.
	Verdict Verdict
}

// Closed is the answer to Close.
type Closed struct {
	Token Token // of the first closer
	Heads []SourceHead
}

// Verdict on a part. Stored nowhere; sent by name.
type Verdict uint8

// Verdicts.
const (
	Unknown      Verdict = iota // the outcome is not known; see Err
	Applied                     // appended by this call
	Duplicate                   // was appended before, same chain
	Gap                         // the Source's previous part is missing here
	Forked                      // another history under the same id
	SourceGone                  // born before the horizon: 410, never applied
	SourceClosed                // closed; Head and Token tell
)

// PartResult is the verdict on one part with what the sender needs to verify
// it against its own history.
type PartResult struct {
	Verdict  Verdict
	Head     Head // stored (watermark, chain) after the decision
	Token    Token
	Epoch    Epoch
	Stable   uint64   // highest seq that can no longer be lost; 0: unknown
	Position Position // of the entry, if Applied
	Err      error
}
