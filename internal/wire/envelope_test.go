package wire

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tabaproject/taba/internal/store"
	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"
)

// errorsByText compares errors by what they say: that is what is sent.
var errorsByText = cmp.Comparer(func(a, b error) bool { return fmt.Sprint(a) == fmt.Sprint(b) })

func id16(t *rapid.T, label string) (id [16]byte) {
	copy(id[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, label))
	return id
}

func drawSource(t *rapid.T) store.SourceID {
	return store.SourceID{
		Birth: rapid.Int64().Draw(t, "birth"),
		Class: rapid.SampledFrom([]store.Class{store.ClassSpool, store.ClassDirect}).Draw(t, "class"),
		Nonce: id16(t, "nonce"),
	}
}

func drawPartition(t *rapid.T) store.Partition {
	return store.Partition{
		Version:  rapid.Uint32().Draw(t, "version"),
		VBuckets: rapid.IntRange(0, MaxVBuckets).Draw(t, "vbuckets"),
		Key:      rapid.Uint64().Draw(t, "key"),
	}
}

func drawHead(t *rapid.T) store.Head {
	return store.Head{Seq: rapid.Uint64().Draw(t, "seq"), Chain: id16(t, "chain")}
}

func drawVerdict(t *rapid.T) store.Verdict {
	return rapid.SampledFrom(verdicts[:]).Draw(t, "verdict")
}

func drawPart(t *rapid.T) store.Part {
	p := store.Part{
		Source: drawSource(t),
		VB:     rapid.IntRange(0, MaxVBuckets-1).Draw(t, "vb"),
		Seq:    rapid.Uint64Min(1).Draw(t, "seq"),
		Chain:  id16(t, "chain"),
		Events: rapid.Uint64().Draw(t, "events"),
		Body:   rapid.SliceOf(rapid.Byte()).Draw(t, "body"),
	}
	p.Prev = rapid.Uint64Max(p.Seq-1).Draw(t, "prev")
	p.Digest = DigestOf(p.Body)
	if len(p.Body) == 0 {
		p.Body = nil
	}
	return p
}

func drawResult(t *rapid.T) store.PartResult {
	r := store.PartResult{
		Verdict:  drawVerdict(t),
		Head:     drawHead(t),
		Token:    id16(t, "token"),
		Epoch:    id16(t, "epoch"),
		Stable:   rapid.Uint64().Draw(t, "stable"),
		Position: store.Position{Offset: rapid.Uint64().Draw(t, "offset"), Identity: rapid.Uint64().Draw(t, "identity")},
	}
	if r.Verdict == store.Unknown {
		r.Err = errors.New(rapid.StringMatching(`[a-zé]{1,20}`).Draw(t, "error"))
	}
	return r
}

func drawSourceHeads(t *rapid.T) []store.SourceHead {
	return rapid.SliceOf(rapid.Custom(func(t *rapid.T) store.SourceHead {
		return store.SourceHead{
			VB: rapid.IntRange(0, MaxVBuckets-1).Draw(t, "vb"), Head: drawHead(t), Epoch: id16(t, "epoch"), Verdict: drawVerdict(t),
		}
	})).Draw(t, "heads")
}

// roundTrip requires that decoding gives back v, also if fields of a later
// version are mixed in and the target held something else before.
func roundTrip[M any](t *rapid.T, v M, app func([]byte, *M) []byte, dec func([]byte, *M) error) {
	m := app([]byte("prefix"), &v)
	if !bytes.HasPrefix(m, []byte("prefix")) {
		t.Fatal("the encoding is not appended")
	}
	m = m[len("prefix"):]
	later := protowire.AppendTag(nil, 1000, protowire.StartGroupType)
	later = protowire.AppendTag(later, 1000, protowire.EndGroupType)
	later = protowire.AppendVarint(protowire.AppendTag(later, 1001, protowire.VarintType), 7)
	later = protowire.AppendFixed32(protowire.AppendTag(later, 1002, protowire.Fixed32Type), 7)
	later = protowire.AppendString(protowire.AppendTag(later, 1003, protowire.BytesType), "later")
	var got M
	for _, m := range [][]byte{m, append(later, m...)} {
		if err := dec(m, &got); err != nil {
			t.Fatalf("decode: %v", err)
		}
		if diff := cmp.Diff(v, got, errorsByText, cmp.Transformer("nil", func(b []store.Part) []store.Part {
			if len(b) == 0 {
				return nil
			}
			return b
		})); diff != "" {
			t.Fatalf("decoded differs (-want +got):\n%s", diff)
		}
	}
}

func TestBatchRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		roundTrip(t, Batch{
			Namespace: rapid.StringMatching(`[a-zé]{0,9}`).Draw(t, "namespace"),
			Partition: drawPartition(t),
			StoreID:   id16(t, "store"),
			Parts:     rapid.SliceOf(rapid.Custom(drawPart)).Draw(t, "parts"),
		}, AppendBatch, DecodeBatch)
	})
}

func TestReplyRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		results := rapid.SliceOfN(rapid.Custom(drawResult), 1, 5).Draw(t, "results")
		roundTrip(t, BatchReply{Results: results}, AppendBatchReply, DecodeBatchReply)
	})
}

func drawRefused(t *rapid.T) []Refused {
	list := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Refused {
		return Refused{
			Reason: rapid.StringMatching(`[a-z_]{0,9}`).Draw(t, "reason"),
			Events: rapid.Uint64().Draw(t, "events"),
			Tabs:   rapid.SliceOfN(rapid.String(), 1, 3).Draw(t, "tabs"),
		}
	}), 0, 3).Draw(t, "refused")
	if len(list) == 0 {
		return nil
	}
	return list
}

func TestReplyToEventsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		roundTrip(t, BatchReply{Events: rapid.Uint64().Draw(t, "events"), Refused: drawRefused(t)}, AppendBatchReply, DecodeBatchReply)
		r := StreamReply{
			Acknowledged: rapid.Uint64().Draw(t, "acknowledged"), Events: rapid.Uint64().Draw(t, "events"), Refused: drawRefused(t),
			Status: rapid.Uint32().Draw(t, "status"), Error: rapid.StringMatching(`[a-zé]{0,20}`).Draw(t, "error"),
		}
		if rapid.Bool().Draw(t, "frames") {
			r.Frames = []FrameRefusal{{rapid.Uint64().Draw(t, "frame"), rapid.Uint32().Draw(t, "code"), "why"}, {}}
		}
		roundTrip(t, r, AppendStreamReply, DecodeStreamReply)
	})
}

func TestSourceMessagesRoundTrip(t *testing.T) {
	nonZero := func(id [16]byte) [16]byte { id[0] |= 1; return id }
	heads := func(t *rapid.T) []store.SourceHead {
		if h := drawSourceHeads(t); len(h) > 0 {
			return h
		}
		return nil
	}
	rapid.Check(t, func(t *rapid.T) {
		src := drawSource(t)
		roundTrip(t, OpenRequest{src.Class, nonZero(id16(t, "nonce"))}, AppendOpenRequest, DecodeOpenRequest)
		roundTrip(t, OpenReply{src, id16(t, "store"), drawPartition(t), id16(t, "epoch")}, AppendOpenReply, DecodeOpenReply)
		roundTrip(t, CloseRequest{src, nonZero(id16(t, "token"))}, AppendCloseRequest, DecodeCloseRequest)
		roundTrip(t, CloseReply{store.Closed{Token: id16(t, "token"), Heads: heads(t)}}, AppendCloseReply, DecodeCloseReply)
		roundTrip(t, HeadsRequest{src}, AppendHeadsRequest, DecodeHeadsRequest)
		roundTrip(t, HeadsReply{heads(t)}, AppendHeadsReply, DecodeHeadsReply)
	})
}

func TestDecodeBatchRefuses(t *testing.T) {
	good := func() *Batch {
		return &Batch{Parts: []store.Part{{Source: store.SourceID{Birth: 1, Class: 1}, Seq: 2, Prev: 1, Body: []byte("body")}}}
	}
	f := func(want string, m []byte) {
		t.Helper()
		var b Batch
		if err := DecodeBatch(m, &b); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one that says %q", err, want)
		}
	}
	edit := func(change func(*Batch)) []byte {
		b := good()
		change(b)
		return AppendBatch(nil, b)
	}
	var b Batch
	if err := DecodeBatch(AppendBatch(nil, good()), &b); err != nil {
		t.Fatal(err)
	}
	m := AppendBatch(nil, good())
	f("field 4", m[:len(m)-1])
	f("part 0: source is missing", edit(func(b *Batch) { b.Parts[0].Source = store.SourceID{} }))
	f("part 0: seq is 1, want more than prev, which is 1", edit(func(b *Batch) { b.Parts[0].Seq = 1 }))
	f("part 0: vbucket: is 65536, want less than 65536", edit(func(b *Batch) { b.Parts[0].VB = MaxVBuckets }))
	f("partition: vbuckets: is 65537", edit(func(b *Batch) { b.Partition.VBuckets = MaxVBuckets + 1 }))
	f("namespace: has 513 bytes, want at most 512", edit(func(b *Batch) { b.Namespace = strings.Repeat("n", 513) }))
	f("namespace: is not UTF-8", edit(func(b *Batch) { b.Namespace = "\xff" }))
	f("batch: store_id: has 3 bytes, want 16", appendBytes(nil, batchStoreID, []byte("abc")))
	f("part 0: chain: has wire type 0, want 2", appendMessage(nil, batchParts, appendUint(nil, partChain, 1)))
	f("more than 65536 parts", bytes.Repeat(m[len(appendPartition(nil, batchPartition, store.Partition{})):], MaxParts+1))
}

func TestDecodeSourceMessagesRefuse(t *testing.T) {
	var open OpenRequest
	if err := DecodeOpenRequest(appendUint(nil, openClass, 3), &open); err == nil || !strings.Contains(err.Error(), "class: is 3, which is no class") {
		t.Errorf("an unknown class: %v", err)
	}
	if err := DecodeOpenRequest(appendUint(nil, openClass, 1), &open); err == nil || !strings.Contains(err.Error(), "nonce is missing") {
		t.Errorf("no nonce: %v", err)
	}
	var closing CloseRequest
	if err := DecodeCloseRequest(nil, &closing); !errors.Is(err, errNoSource) {
		t.Errorf("no source: %v", err)
	}
	var heads HeadsRequest
	if err := DecodeHeadsRequest(appendBytes(nil, headsSource, []byte("short")), &heads); err == nil || !strings.Contains(err.Error(), "heads request: source") {
		t.Errorf("a short source: %v", err)
	}
}

func TestVerdictOfLaterVersionReleasesNothing(t *testing.T) {
	var r BatchReply
	m := appendMessage(nil, replyResults, appendUint(nil, resultVerdict, 99))
	if err := DecodeBatchReply(m, &r); err != nil || r.Results[0].Verdict != store.Unknown {
		t.Errorf("got %v, %v; want Unknown", r.Results, err)
	}
}

func TestErrorTextIsBounded(t *testing.T) {
	for _, text := range []string{strings.Repeat("é", 5000), "\xff", ""} {
		m := AppendBatchReply(nil, &BatchReply{Results: []store.PartResult{{Err: errors.New(text)}}})
		var r BatchReply
		if err := DecodeBatchReply(m, &r); err != nil || r.Results[0].Err == nil || len(r.Results[0].Err.Error()) > maxErrorText {
			t.Errorf("an error of %d bytes: %v, %v", len(text), r.Results, err)
		}
	}
}

func TestDigestOf(t *testing.T) {
	want := sha256.Sum256([]byte("body"))
	if got := DigestOf([]byte("body")); !bytes.Equal(got[:], want[:16]) {
		t.Errorf("got %x, want the first half of %x", got, want)
	}
}

func BenchmarkBatch(b *testing.B) {
	batch := &Batch{Parts: []store.Part{{Source: store.SourceID{Birth: 1, Class: 1}, Seq: 2, Prev: 1, Body: make([]byte, 64<<10)}}}
	m := AppendBatch(nil, batch)
	b.Run("append", func(b *testing.B) {
		b.SetBytes(int64(len(m)))
		b.ReportAllocs()
		for b.Loop() {
			m = AppendBatch(m[:0], batch)
		}
	})
	b.Run("decode", func(b *testing.B) { // nearly all of it is SHA-256
		b.SetBytes(int64(len(m)))
		b.ReportAllocs()
		for b.Loop() {
			if err := DecodeBatch(m, batch); err != nil {
				b.Fatal(err)
			}
		}
	})
}
