package wire

import (
	"bytes"
	"errors"
	"testing"

	"github.com/tabaproject/taba/internal/store"
)

// again requires that what decodes is encoded in one way: decoding, encoding
// and doing both again ends where it was.
func again[M any](t *testing.T, m []byte, app func([]byte, *M) []byte, dec func([]byte, *M) error) {
	t.Helper()
	var v, w M
	if dec(m, &v) != nil {
		return
	}
	once := app(nil, &v)
	if err := dec(once, &w); err != nil {
		t.Fatalf("what was encoded does not decode: %v", err)
	}
	if twice := app(nil, &w); !bytes.Equal(once, twice) {
		t.Fatalf("encoded %x, then %x", once, twice)
	}
}

// FuzzEnvelope reads the input as every message of the v2 protocol.
func FuzzEnvelope(f *testing.F) {
	src := store.SourceID{Birth: 1, Class: 1, Nonce: store.Nonce{2}}
	head := store.Head{Seq: 1, Chain: store.Chain{3}}
	heads := []store.SourceHead{{VB: 1, Head: head, Epoch: store.Epoch{4}, Verdict: store.Applied}}
	f.Add([]byte(nil))
	f.Add(AppendBatch(nil, &Batch{Namespace: "n", Partition: store.Partition{Version: 1, VBuckets: 4, Key: 5}, StoreID: [16]byte{6},
		Parts: []store.Part{{Source: src, VB: 1, Seq: 2, Prev: 1, Chain: store.Chain{7}, Events: 8, Body: []byte("body")}}}))
	f.Add(AppendBatchReply(nil, &BatchReply{Results: []store.PartResult{{Verdict: store.Gap, Head: head, Position: store.Position{Offset: 1, Identity: 2}},
		{Err: errors.New("why"), Token: store.Token{1}, Stable: 3}}}))
	refused := []Refused{{Reason: "payload", Events: 3, Tabs: []string{"a", ""}}}
	f.Add(AppendBatchReply(nil, &BatchReply{Events: 5, Refused: refused}))
	f.Add(AppendStreamReply(nil, &StreamReply{Acknowledged: 1, Events: 2, Refused: refused, Frames: []FrameRefusal{{1, 400, "why"}}, Status: 503, Error: "because"}))
	f.Add(AppendOpenRequest(nil, &OpenRequest{1, src.Nonce}))
	f.Add(AppendOpenReply(nil, &OpenReply{src, [16]byte{1}, store.Partition{Version: 1}, store.Epoch{2}}))
	f.Add(AppendCloseRequest(nil, &CloseRequest{src, store.Token{1}}))
	f.Add(AppendCloseReply(nil, &CloseReply{store.Closed{Token: store.Token{1}, Heads: heads}}))
	f.Add(AppendAgentReport(nil, &AgentReport{Name: "n", LastError: "e", Refused: 1, Traces: []AgentTrace{{Kind: "refused", Name: "\xff", Last: 1.5}}}))
	f.Fuzz(func(t *testing.T, m []byte) {
		again(t, m, AppendBatch, DecodeBatch)
		again(t, m, AppendBatchReply, DecodeBatchReply)
		again(t, m, AppendStreamReply, DecodeStreamReply)
		again(t, m, AppendOpenRequest, DecodeOpenRequest)
		again(t, m, AppendOpenReply, DecodeOpenReply)
		again(t, m, AppendCloseRequest, DecodeCloseRequest)
		again(t, m, AppendCloseReply, DecodeCloseReply)
		again(t, m, AppendHeadsRequest, DecodeHeadsRequest)
		again(t, m, AppendHeadsReply, DecodeHeadsReply)
		again(t, m, AppendAgentReport, DecodeAgentReport)
	})
}
