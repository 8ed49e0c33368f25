package wire

import (
	"strings"

	"github.com/tabaproject/taba/internal/store"
	"google.golang.org/protobuf/encoding/protowire"
)

// Fields that are zero are left out, as proto3 has it.

// AppendBatch appends the encoding of b to dst. Parts' digests are not sent:
// the receiver computes them.
func AppendBatch(dst []byte, b *Batch) []byte {
	dst = appendStr(dst, batchNamespace, b.Namespace)
	dst = appendPartition(dst, batchPartition, b.Partition)
	dst = appendID(dst, batchStoreID, b.StoreID)
	for i := range b.Parts {
		dst = appendPart(dst, &b.Parts[i])
	}
	return dst
}

// appendPart appends a part as a field of a Batch. Its body is copied once.
func appendPart(dst []byte, p *store.Part) []byte {
	var scratch [128]byte
	head := appendSource(scratch[:0], partSource, p.Source)
	head = appendUint(head, partVBucket, uint64(p.VB))
	head = appendUint(head, partSeq, p.Seq)
	head = appendUint(head, partPrev, p.Prev)
	head = appendID(head, partChain, p.Chain)
	head = appendUint(head, partEvents, p.Events)
	size := len(head)
	if len(p.Body) > 0 {
		size += protowire.SizeTag(partBody) + protowire.SizeBytes(len(p.Body))
	}
	dst = protowire.AppendTag(dst, batchParts, protowire.BytesType)
	dst = protowire.AppendVarint(dst, uint64(size))
	dst = append(dst, head...)
	return appendBytes(dst, partBody, p.Body)
}

// AppendBatchReply appends the encoding of r to dst.
func AppendBatchReply(dst []byte, r *BatchReply) []byte {
	var scratch [256]byte
	for i := range r.Results {
		dst = appendMessage(dst, replyResults, appendResult(scratch[:0], &r.Results[i]))
	}
	dst = appendUint(dst, replyEvents, r.Events)
	return appendRefused(dst, replyRefused, r.Refused)
}

func appendRefused(dst []byte, num protowire.Number, refused []Refused) []byte {
	var m []byte
	for i := range refused {
		m = appendStr(m[:0], refusedReason, refused[i].Reason)
		m = appendUint(m, refusedEvents, refused[i].Events)
		for _, tab := range refused[i].Tabs {
			m = protowire.AppendString(protowire.AppendTag(m, refusedTabs, protowire.BytesType), tab)
		}
		dst = appendMessage(dst, num, m)
	}
	return dst
}

// AppendStreamReply appends the encoding of r to dst.
func AppendStreamReply(dst []byte, r *StreamReply) []byte {
	dst = appendUint(dst, streamAcknowledged, r.Acknowledged)
	dst = appendUint(dst, streamEvents, r.Events)
	dst = appendRefused(dst, streamRefused, r.Refused)
	var scratch [256]byte
	for i := range r.Frames {
		f := &r.Frames[i]
		m := appendUint(scratch[:0], frameNumber, f.Frame)
		m = appendUint(m, frameStatus, uint64(f.Status))
		dst = appendMessage(dst, streamFrames, appendStr(m, frameError, sentence(f.Error)))
	}
	dst = appendUint(dst, streamStatus, uint64(r.Status))
	return appendStr(dst, streamError, sentence(r.Error))
}

func appendResult(dst []byte, r *store.PartResult) []byte {
	dst = appendUint(dst, resultVerdict, verdictNumber(r.Verdict))
	dst = appendHead(dst, resultHead, r.Head)
	dst = appendID(dst, resultToken, r.Token)
	dst = appendID(dst, resultEpoch, r.Epoch)
	dst = appendUint(dst, resultStable, r.Stable)
	if r.Position != (store.Position{}) {
		var scratch [32]byte
		p := appendUint(scratch[:0], positionOffset, r.Position.Offset)
		dst = appendMessage(dst, resultPosition, appendFixed(p, positionIdentity, r.Position.Identity))
	}
	if r.Err != nil {
		dst = appendStr(dst, resultError, errorText(r.Err))
	}
	return dst
}

// errorText is never empty: an error without words is still one.
func errorText(err error) string {
	if text := sentence(err.Error()); text != "" {
		return text
	}
	return "unknown error"
}

// sentence is text as it may be sent: UTF-8 and not too long.
func sentence(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), maxErrorText)], "?")
}

// AppendOpenRequest appends the encoding of r to dst.
func AppendOpenRequest(dst []byte, r *OpenRequest) []byte {
	dst = appendUint(dst, openClass, classNumber(r.Class))
	return appendID(dst, openNonce, r.Nonce)
}

// AppendOpenReply appends the encoding of r to dst.
func AppendOpenReply(dst []byte, r *OpenReply) []byte {
	dst = appendSource(dst, openedSource, r.Source)
	dst = appendID(dst, openedStoreID, r.StoreID)
	dst = appendPartition(dst, openedPartition, r.Partition)
	return appendID(dst, openedEpoch, r.Epoch)
}

// AppendCloseRequest appends the encoding of r to dst.
func AppendCloseRequest(dst []byte, r *CloseRequest) []byte {
	dst = appendSource(dst, closeSource, r.Source)
	return appendID(dst, closeToken, r.Token)
}

// AppendCloseReply appends the encoding of r to dst.
func AppendCloseReply(dst []byte, r *CloseReply) []byte {
	dst = appendID(dst, closedToken, r.Token)
	return appendHeads(dst, closedHeads, r.Heads)
}

// AppendHeadsRequest appends the encoding of r to dst.
func AppendHeadsRequest(dst []byte, r *HeadsRequest) []byte {
	return appendSource(dst, headsSource, r.Source)
}

// AppendHeadsReply appends the encoding of r to dst.
func AppendHeadsReply(dst []byte, r *HeadsReply) []byte {
	return appendHeads(dst, headsHeads, r.Heads)
}

func appendHeads(dst []byte, num protowire.Number, heads []store.SourceHead) []byte {
	for i := range heads {
		h := &heads[i]
		var scratch [96]byte
		m := appendUint(scratch[:0], sourceHeadVBucket, uint64(h.VB))
		m = appendHead(m, sourceHeadHead, h.Head)
		m = appendID(m, sourceHeadEpoch, h.Epoch)
		m = appendUint(m, sourceHeadVerdict, verdictNumber(h.Verdict))
		dst = appendMessage(dst, num, m)
	}
	return dst
}

func appendHead(dst []byte, num protowire.Number, h store.Head) []byte {
	if h == (store.Head{}) {
		return dst
	}
	var scratch [32]byte
	m := appendUint(scratch[:0], headSeq, h.Seq)
	return appendMessage(dst, num, appendID(m, headChain, h.Chain))
}

func appendPartition(dst []byte, num protowire.Number, p store.Partition) []byte {
	var scratch [32]byte
	m := appendUint(scratch[:0], partitionVersion, uint64(p.Version))
	m = appendUint(m, partitionVBuckets, uint64(p.VBuckets))
	return appendMessage(dst, num, appendFixed(m, partitionKey, p.Key))
}

func appendSource(dst []byte, num protowire.Number, id store.SourceID) []byte {
	if id.IsZero() {
		return dst
	}
	var scratch [sourceLen]byte
	b, _ := id.AppendBinary(scratch[:0]) // never fails
	return appendBytes(dst, num, b)
}

func appendID(dst []byte, num protowire.Number, id [16]byte) []byte {
	if id == ([16]byte{}) {
		return dst
	}
	return appendBytes(dst, num, id[:])
}

func appendUint(dst []byte, num protowire.Number, v uint64) []byte {
	if v == 0 {
		return dst
	}
	return protowire.AppendVarint(protowire.AppendTag(dst, num, protowire.VarintType), v)
}

func appendFixed(dst []byte, num protowire.Number, v uint64) []byte {
	if v == 0 {
		return dst
	}
	return protowire.AppendFixed64(protowire.AppendTag(dst, num, protowire.Fixed64Type), v)
}

func appendStr(dst []byte, num protowire.Number, s string) []byte {
	if s == "" {
		return dst
	}
	return protowire.AppendString(protowire.AppendTag(dst, num, protowire.BytesType), s)
}

func appendBytes(dst []byte, num protowire.Number, b []byte) []byte {
	if len(b) == 0 {
		return dst
	}
	return appendMessage(dst, num, b)
}

// appendMessage appends even an empty message: its presence counts.
func appendMessage(dst []byte, num protowire.Number, m []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(dst, num, protowire.BytesType), m)
}
