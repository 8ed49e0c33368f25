package wire

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/tabaproject/taba/internal/store"
	"google.golang.org/protobuf/encoding/protowire"
)

// DecodeBatch decodes m into b, whose memory it reuses. The parts' bodies are
// parts of m; their digests are computed.
func DecodeBatch(m []byte, b *Batch) error {
	*b = Batch{Parts: b.Parts[:0]}
	err := eachField(m, func(f field) error {
		switch f.num {
		case batchNamespace:
			return in("namespace", decodeNamespace(f, &b.Namespace))
		case batchPartition:
			return in("partition", decodePartition(f, &b.Partition))
		case batchStoreID:
			return in("store_id", f.id(&b.StoreID))
		case batchParts:
			if len(b.Parts) == MaxParts {
				return fmt.Errorf("more than %d parts", MaxParts)
			}
			b.Parts = append(b.Parts, store.Part{})
			p := &b.Parts[len(b.Parts)-1]
			return inNth("part", len(b.Parts)-1, decodePart(f, p))
		}
		return nil
	})
	return in("batch", err)
}

func decodeNamespace(f field, to *string) error {
	if err := f.is(protowire.BytesType); err != nil {
		return err
	}
	if len(f.b) > MaxNamespace {
		return fmt.Errorf("has %d bytes, want at most %d", len(f.b), MaxNamespace)
	}
	if !utf8.Valid(f.b) {
		return errors.New("is not UTF-8")
	}
	*to = string(f.b)
	return nil
}

func decodePart(f field, p *store.Part) error {
	err := f.message(func(f field) error {
		switch f.num {
		case partSource:
			return in("source", f.source(&p.Source))
		case partVBucket:
			return in("vbucket", f.index(&p.VB, MaxVBuckets))
		case partSeq:
			return in("seq", f.uint64(&p.Seq))
		case partPrev:
			return in("prev", f.uint64(&p.Prev))
		case partChain:
			return in("chain", f.id((*[16]byte)(&p.Chain)))
		case partEvents:
			return in("events", f.uint64(&p.Events))
		case partBody:
			p.Body = f.b
			return in("body", f.is(protowire.BytesType))
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case p.Source.IsZero():
		return errNoSource
	case p.Seq <= p.Prev:
		return fmt.Errorf("seq is %d, want more than prev, which is %d", p.Seq, p.Prev)
	}
	p.Digest = DigestOf(p.Body)
	return nil
}

// DecodeBatchReply decodes m into r.
func DecodeBatchReply(m []byte, r *BatchReply) error {
	*r = BatchReply{}
	err := eachField(m, func(f field) error {
		switch f.num {
		case replyResults:
			if len(r.Results) == MaxParts {
				return fmt.Errorf("more than %d results", MaxParts)
			}
			r.Results = append(r.Results, store.PartResult{})
			p := &r.Results[len(r.Results)-1]
			return inNth("result", len(r.Results)-1, decodeResult(f, p))
		case replyEvents:
			return in("events", f.uint64(&r.Events))
		case replyRefused:
			return inNth("refused", len(r.Refused), decodeRefused(f, &r.Refused))
		}
		return nil
	})
	return in("batch reply", err)
}

func decodeRefused(f field, to *[]Refused) error {
	if len(*to) == maxRefusals {
		return fmt.Errorf("more than %d refusals", maxRefusals)
	}
	var r Refused
	err := f.message(func(f field) error {
		switch f.num {
		case refusedReason:
			r.Reason = string(f.b)
			return in("reason", f.is(protowire.BytesType))
		case refusedEvents:
			return in("events", f.uint64(&r.Events))
		case refusedTabs:
			r.Tabs = append(r.Tabs, string(f.b))
			return in("tabs", f.is(protowire.BytesType))
		}
		return nil
	})
	*to = append(*to, r)
	return err
}

// DecodeStreamReply decodes m into r.
func DecodeStreamReply(m []byte, r *StreamReply) error {
	*r = StreamReply{}
	err := eachField(m, func(f field) error {
		switch f.num {
		case streamAcknowledged:
			return in("acknowledged", f.uint64(&r.Acknowledged))
		case streamEvents:
			return in("events", f.uint64(&r.Events))
		case streamRefused:
			return inNth("refused", len(r.Refused), decodeRefused(f, &r.Refused))
		case streamFrames:
			return inNth("frame", len(r.Frames), decodeFrameRefusal(f, &r.Frames))
		case streamStatus:
			return in("status", f.uint32(&r.Status))
		case streamError:
			r.Error = string(f.b)
			return in("error", f.is(protowire.BytesType))
		}
		return nil
	})
	return in("stream reply", err)
}

func decodeFrameRefusal(f field, to *[]FrameRefusal) error {
	if len(*to) == maxRefusals {
		return fmt.Errorf("more than %d frames", maxRefusals)
	}
	var r FrameRefusal
	err := f.message(func(f field) error {
		switch f.num {
		case frameNumber:
			return in("frame", f.uint64(&r.Frame))
		case frameStatus:
			return in("status", f.uint32(&r.Status))
		case frameError:
			r.Error = string(f.b)
			return in("error", f.is(protowire.BytesType))
		}
		return nil
	})
	*to = append(*to, r)
	return err
}

func decodeResult(f field, r *store.PartResult) error {
	return f.message(func(f field) error {
		switch f.num {
		case resultVerdict:
			return in("verdict", f.verdict(&r.Verdict))
		case resultHead:
			return in("head", decodeHead(f, &r.Head))
		case resultToken:
			return in("token", f.id((*[16]byte)(&r.Token)))
		case resultEpoch:
			return in("epoch", f.id((*[16]byte)(&r.Epoch)))
		case resultStable:
			return in("stable", f.uint64(&r.Stable))
		case resultPosition:
			return in("position", decodePosition(f, &r.Position))
		case resultError:
			r.Err = errors.New(string(f.b[:min(len(f.b), maxErrorText)]))
			return in("error", f.is(protowire.BytesType))
		}
		return nil
	})
}

// DecodeOpenRequest decodes m into r.
func DecodeOpenRequest(m []byte, r *OpenRequest) error {
	*r = OpenRequest{}
	err := eachField(m, func(f field) error {
		switch f.num {
		case openClass:
			return in("class", f.class(&r.Class))
		case openNonce:
			return in("nonce", f.id((*[16]byte)(&r.Nonce)))
		}
		return nil
	})
	switch {
	case err != nil:
	case r.Class == 0:
		err = errors.New("class is missing")
	case r.Nonce == store.Nonce{}:
		err = errors.New("nonce is missing")
	}
	return in("open request", err)
}

// DecodeOpenReply decodes m into r.
func DecodeOpenReply(m []byte, r *OpenReply) error {
	*r = OpenReply{}
	err := eachField(m, func(f field) error {
		switch f.num {
		case openedSource:
			return in("source", f.source(&r.Source))
		case openedStoreID:
			return in("store_id", f.id(&r.StoreID))
		case openedPartition:
			return in("partition", decodePartition(f, &r.Partition))
		case openedEpoch:
			return in("epoch", f.id((*[16]byte)(&r.Epoch)))
		}
		return nil
	})
	if err == nil && r.Source.IsZero() {
		err = errNoSource
	}
	return in("open reply", err)
}

// DecodeCloseRequest decodes m into r.
func DecodeCloseRequest(m []byte, r *CloseRequest) error {
	*r = CloseRequest{}
	err := eachField(m, func(f field) error {
		switch f.num {
		case closeSource:
			return in("source", f.source(&r.Source))
		case closeToken:
			return in("token", f.id((*[16]byte)(&r.Token)))
		}
		return nil
	})
	switch {
	case err != nil:
	case r.Source.IsZero():
		err = errNoSource
	case r.Token == store.Token{}:
		err = errors.New("token is missing")
	}
	return in("close request", err)
}

// DecodeCloseReply decodes m into r.
func DecodeCloseReply(m []byte, r *CloseReply) error {
	*r = CloseReply{}
	err := eachField(m, func(f field) error {
		switch f.num {
		case closedToken:
			return in("token", f.id((*[16]byte)(&r.Token)))
		case closedHeads:
			return decodeSourceHead(f, &r.Heads)
		}
		return nil
	})
	return in("close reply", err)
}

// DecodeHeadsRequest decodes m into r.
func DecodeHeadsRequest(m []byte, r *HeadsRequest) error {
	*r = HeadsRequest{}
	err := eachField(m, func(f field) error {
		if f.num != headsSource {
			return nil
		}
		return in("source", f.source(&r.Source))
	})
	if err == nil && r.Source.IsZero() {
		err = errNoSource
	}
	return in("heads request", err)
}

// DecodeHeadsReply decodes m into r.
func DecodeHeadsReply(m []byte, r *HeadsReply) error {
	*r = HeadsReply{}
	err := eachField(m, func(f field) error {
		if f.num != headsHeads {
			return nil
		}
		return decodeSourceHead(f, &r.Heads)
	})
	return in("heads reply", err)
}

func decodeSourceHead(f field, to *[]store.SourceHead) error {
	if len(*to) == MaxVBuckets {
		return fmt.Errorf("more than %d heads", MaxVBuckets)
	}
	var h store.SourceHead
	err := f.message(func(f field) error {
		switch f.num {
		case sourceHeadVBucket:
			return in("vbucket", f.index(&h.VB, MaxVBuckets))
		case sourceHeadHead:
			return in("head", decodeHead(f, &h.Head))
		case sourceHeadEpoch:
			return in("epoch", f.id((*[16]byte)(&h.Epoch)))
		case sourceHeadVerdict:
			return in("verdict", f.verdict(&h.Verdict))
		}
		return nil
	})
	*to = append(*to, h)
	return inNth("head", len(*to)-1, err)
}

func decodeHead(f field, h *store.Head) error {
	return f.message(func(f field) error {
		switch f.num {
		case headSeq:
			return in("seq", f.uint64(&h.Seq))
		case headChain:
			return in("chain", f.id((*[16]byte)(&h.Chain)))
		}
		return nil
	})
}

func decodePosition(f field, p *store.Position) error {
	return f.message(func(f field) error {
		switch f.num {
		case positionOffset:
			return in("offset", f.uint64(&p.Offset))
		case positionIdentity:
			return in("identity", f.fixed64(&p.Identity))
		}
		return nil
	})
}

func decodePartition(f field, p *store.Partition) error {
	return f.message(func(f field) error {
		switch f.num {
		case partitionVersion:
			return in("version", f.uint32(&p.Version))
		case partitionVBuckets:
			return in("vbuckets", f.index(&p.VBuckets, MaxVBuckets+1))
		case partitionKey:
			return in("key", f.fixed64(&p.Key))
		}
		return nil
	})
}
