package wire

import (
	"errors"
	"fmt"
	"math"

	"github.com/tabaproject/taba/internal/store"
	"google.golang.org/protobuf/encoding/protowire"
)

// Field numbers of taba.proto.
const (
	batchNamespace, batchPartition, batchStoreID, batchParts = 1, 2, 3, 4

	batchForget, batchNames, batchSeries, batchSecond, batchBundles, batchPartials = 5, 6, 7, 8, 9, 10

	partitionVersion, partitionVBuckets, partitionKey = 1, 2, 3

	partSource, partVBucket, partSeq, partPrev, partChain, partEvents, partBody = 1, 2, 3, 4, 5, 6, 7

	replyResults, replyEvents, replyRefused = 1, 2, 3

	refusedReason, refusedEvents, refusedTabs = 1, 2, 3

	streamAcknowledged, streamEvents, streamRefused, streamFrames, streamStatus, streamError = 1, 2, 3, 4, 5, 6

	frameNumber, frameStatus, frameError = 1, 2, 3

	resultVerdict, resultHead, resultToken, resultEpoch, resultStable, resultPosition, resultError = 1, 2, 3, 4, 5, 6, 7

	headSeq, headChain = 1, 2

	positionOffset, positionIdentity = 1, 2

	openClass, openNonce = 1, 2

	openedSource, openedStoreID, openedPartition, openedEpoch = 1, 2, 3, 4

	closeSource, closeToken  = 1, 2
	closedToken, closedHeads = 1, 2

	headsSource = 1
	headsHeads  = 1

	sourceHeadVBucket, sourceHeadHead, sourceHeadEpoch, sourceHeadVerdict = 1, 2, 3, 4
)

// sourceLen is the length of a SourceID's binary form.
const sourceLen = 25

// verdicts has the Verdict of each number in taba.proto. It is spelled out so
// that neither side's constants depend on the other's.
var verdicts = [...]store.Verdict{
	0: store.Unknown,
	1: store.Applied,
	2: store.Duplicate,
	3: store.Gap,
	4: store.Forked,
	5: store.SourceGone,
	6: store.SourceClosed,
}

func verdictNumber(v store.Verdict) uint64 {
	for n, w := range verdicts {
		if v == w {
			return uint64(n)
		}
	}
	return 0
}

// classes has the Class of each number in taba.proto; 0 is none.
var classes = [...]store.Class{1: store.ClassSpool, 2: store.ClassDirect}

func classNumber(c store.Class) uint64 {
	for n, w := range classes {
		if c == w {
			return uint64(n)
		}
	}
	return 0
}

// field is one field of a message as it was read.
type field struct {
	num  protowire.Number
	kind protowire.Type
	u    uint64 // of a varint or fixed
	b    []byte // of bytes; part of the input
}

// eachField calls f for each field of message m in turn. Fields of a kind no
// field of ours has (groups) are skipped; f skips numbers it does not know.
func eachField(m []byte, f func(field) error) error {
	for len(m) > 0 {
		num, kind, n := protowire.ConsumeTag(m)
		if n < 0 {
			return protowire.ParseError(n)
		}
		m = m[n:]
		v := field{num: num, kind: kind}
		switch kind {
		case protowire.VarintType:
			v.u, n = protowire.ConsumeVarint(m)
		case protowire.Fixed64Type:
			v.u, n = protowire.ConsumeFixed64(m)
		case protowire.BytesType:
			v.b, n = protowire.ConsumeBytes(m)
		default:
			n = protowire.ConsumeFieldValue(num, kind, m)
			kind = -1
		}
		if n < 0 {
			return fmt.Errorf("field %d: %w", num, protowire.ParseError(n))
		}
		m = m[n:]
		if kind < 0 {
			continue
		}
		if err := f(v); err != nil {
			return err
		}
	}
	return nil
}

func (f field) is(kind protowire.Type) error {
	if f.kind != kind {
		return fmt.Errorf("has wire type %d, want %d", f.kind, kind)
	}
	return nil
}

func (f field) uint64(to *uint64) error {
	*to = f.u
	return f.is(protowire.VarintType)
}

func (f field) fixed64(to *uint64) error {
	*to = f.u
	return f.is(protowire.Fixed64Type)
}

func (f field) uint32(to *uint32) error {
	if f.u > math.MaxUint32 {
		return fmt.Errorf("is %d, want at most %d", f.u, uint32(math.MaxUint32))
	}
	*to = uint32(f.u)
	return f.is(protowire.VarintType)
}

// index reads a number below limit.
func (f field) index(to *int, limit int) error {
	if f.u >= uint64(limit) {
		return fmt.Errorf("is %d, want less than %d", f.u, limit)
	}
	*to = int(f.u)
	return f.is(protowire.VarintType)
}

func (f field) id(to *[16]byte) error {
	if err := f.is(protowire.BytesType); err != nil {
		return err
	}
	if len(f.b) != len(to) {
		return fmt.Errorf("has %d bytes, want %d", len(f.b), len(to))
	}
	copy(to[:], f.b)
	return nil
}

func (f field) source(to *store.SourceID) error {
	if err := f.is(protowire.BytesType); err != nil {
		return err
	}
	return to.UnmarshalBinary(f.b)
}

func (f field) verdict(to *store.Verdict) error {
	if f.u >= uint64(len(verdicts)) {
		*to = store.Unknown // of a later version: releases nothing
	} else {
		*to = verdicts[f.u]
	}
	return f.is(protowire.VarintType)
}

func (f field) class(to *store.Class) error {
	if f.u == 0 || f.u >= uint64(len(classes)) {
		return fmt.Errorf("is %d, which is no class", f.u)
	}
	*to = classes[f.u]
	return f.is(protowire.VarintType)
}

// message reads a message with g.
func (f field) message(g func(field) error) error {
	if err := f.is(protowire.BytesType); err != nil {
		return err
	}
	return eachField(f.b, g)
}

// in says where err was met: "part 3: chain: has 2 bytes, want 16".
func in(where string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", where, err)
}

// inNth is in for one of several.
func inNth(what string, n int, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %d: %w", what, n, err)
}

var errNoSource = errors.New("source is missing")
