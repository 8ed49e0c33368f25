package forward

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tabaproject/taba/internal/spool"
	"github.com/tabaproject/taba/internal/store"
)

func sampleSource() *source {
	s := &source{n: 3, seq: 9, cover: 100, moved: 7, heir: 4, closed: true, dropped: true, why: "because"}
	s.opened = sampleOpened()
	s.final = []store.Head{{Seq: 1, Chain: store.Chain{1}}, {}}
	s.setHeads([]store.Head{{}, {Seq: 9, Chain: store.Chain{9}}})
	return s
}

func sampleOpened() opened {
	return opened{
		ID:        store.SourceID{Birth: 12345, Class: store.ClassSpool, Nonce: store.Nonce{1, 2, 3}},
		StoreID:   [16]byte{4, 5},
		Partition: store.Partition{Version: 1, VBuckets: 16, Key: 0xfeedface},
	}
}

func sampleSealed() *sealed {
	return &sealed{Seq: 9, Origin: 2, Cover: 77, Count: tally{3, 300, 30}, Parts: []sealedPart{
		{VB: 1, Prev: 8, Chain: store.Chain{1}, Digest: store.Digest{2}, Events: 10, Body: []byte("one")},
		{VB: 4, Prev: 0, Chain: store.Chain{3}, Digest: store.Digest{4}, Events: 20, Body: []byte("two")},
	}}
}

// The payloads of format version 1, as the first release wrote them. They are
// read by every release to come.
const (
	goldenSealed = "09024d03ac021e02010801000000000000000000000000000000" + "020000000000000000000000000000000a036f6e65" +
		"0400030000000000000000000000000000000400000000000000000000000000000014" + "0374776f"
	goldenOpened = "00000000000030390101020300000000000000000000000000" + "04050000000000000000000000000000" + "0110cefaedfe00000000"
	goldenAcked  = "020105030409" + "09"
	// Later ones end with how many events were sealed, and lost.
	goldenCheckpoint = "010b02030300000000000030390101020300000000000000000000000000040500000000000000000000000000000110cefaedfe0000000009640704" +
		"020101000000000000000000000000000000000000000000000000000000000000000002000000000000000000000000000000000009090000000000" +
		"000000000000000000000762656361757365050000000000000000000000000000000000000000000000000000000000000000000000000000000000" +
		"000000000000000000000000000000000000"
	goldenClosed = "040201010000000000000000000000000000000000000000000000000000000000000000"
)

func TestGoldenPayloads(t *testing.T) {
	f := func(name string, got []byte, want string) {
		t.Helper()
		if hex.EncodeToString(got) != want {
			t.Errorf("%s is written as\n%x, want\n%s", name, got, want)
		}
	}
	s, o := sampleSealed(), sampleOpened()
	as := []acked{{1, 5, 3}, {4, 9, 9}}
	c := closed{Heir: 4, Final: []store.Head{{Seq: 1, Chain: store.Chain{1}}, {}}}
	f("seal", appendSealed(nil, s), goldenSealed)
	f("source", appendOpened(nil, &o), goldenOpened)
	f("acknowledgement", appendAcked(nil, as), goldenAcked)
	f("close", appendClosed(nil, &c), goldenClosed)

	unhex := func(s string) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	same := func(got, want any, err error) {
		t.Helper()
		if d := cmp.Diff(got, want); d != "" || err != nil {
			t.Errorf("%v, %s", err, d)
		}
	}
	gotSealed, err := decodeSealed(unhex(goldenSealed))
	same(gotSealed, *s, err)
	d := decoder{b: unhex(goldenOpened)}
	same(d.opened(), o, d.err)
	gotAcked, err := decodeAcked(unhex(goldenAcked))
	same(gotAcked, as, err)
	gotClosed, err := decodeClosed(unhex(goldenClosed))
	same(gotClosed, c, err)
}

// TestFirstCheckpoint: a checkpoint of a release that counted no losses is read.
func TestFirstCheckpoint(t *testing.T) {
	b, err := hex.DecodeString(goldenCheckpoint)
	if err != nil {
		t.Fatal(err)
	}
	next, sources, losses, err := decodeCheckpoint(b)
	if err != nil || next != 11 || len(sources) != 2 || losses.Total() > 0 {
		t.Fatalf("next %d, %d sources, %+v, %v", next, len(sources), losses, err)
	}
	if d := cmp.Diff(sources[0].heads(), sampleSource().heads()); d != "" {
		t.Error(d)
	}
	if again := appendCheckpoint(nil, next, sources, &losses); !bytes.HasPrefix(again, b) {
		t.Errorf("it is written as\n%x, want it to begin with\n%x", again, b)
	}
}

func TestCheckpointRoundTrip(t *testing.T) {
	losses := Losses{Lost: map[int]uint64{3: 40, 7: 1}, InDoubt: 5}
	s := sampleSource()
	s.history[1][0].events = 300
	want := appendCheckpoint(nil, 11, []*source{s, {n: 5}}, &losses)
	next, sources, got, err := decodeCheckpoint(want)
	if err != nil || next != 11 || len(sources) != 2 || sources[0].last(1).events != 300 {
		t.Fatalf("next %d, %d sources, %v", next, len(sources), err)
	}
	if d := cmp.Diff(got, losses); d != "" {
		t.Error(d)
	}
	if got := appendCheckpoint(nil, next, sources, &losses); !bytes.Equal(got, want) {
		t.Errorf("got  %x\nwant %x", got, want)
	}
	for n := 1; n < len(want); n++ {
		_, _, got, err := decodeCheckpoint(want[:n])
		if old := n == len(appendCheckpoint(nil, 11, []*source{s, {n: 5}}, &Losses{})) || n == len(goldenCheckpoint)/2; old != (err == nil) || got.Total() > 0 {
			t.Errorf("cut at %d: %v, %+v", n, err, got)
		}
	}
	if _, _, _, err := decodeCheckpoint([]byte{2}); err == nil {
		t.Error("a checkpoint of another version was read")
	}
}

// FuzzReplay replays two records with arbitrary payloads.
func FuzzReplay(f *testing.F) {
	o := sampleOpened()
	add := func(kind spool.Kind, payload []byte) {
		f.Add(byte(kind), payload, byte(spool.KindPartials), []byte("\x03body"))
	}
	add(spool.KindSource, appendOpened(nil, &o))
	add(spool.KindSeal, appendSealed(nil, sampleSealed()))
	add(spool.KindAck, appendAcked(nil, []acked{{1, 5, 3}}))
	add(spool.KindClose, appendClosed(nil, &closed{Heir: 4}))
	add(spool.KindClose, appendClosed(nil, &closed{Heir: 3})) // its own heir
	add(spool.KindDrop, []byte("why"))
	add(spool.KindCheckpoint, appendCheckpoint(nil, 11, []*source{sampleSource()}, &Losses{Lost: map[int]uint64{3: 40}, InDoubt: 5}))
	f.Fuzz(func(t *testing.T, kind1 byte, payload1 []byte, kind2 byte, payload2 []byte) {
		m := NewMachine(Config{}, store.Token{})
		for i, r := range []spool.Record{
			{LSN: 1, Source: 1, Kind: spool.KindSource, Payload: appendOpened(nil, &o)},
			{LSN: 2, Source: 3, Kind: spool.Kind(kind1), Payload: payload1},
			{LSN: 3, Source: 3, Kind: spool.Kind(kind2), Payload: payload2},
		} {
			if err := m.Replay(r); err != nil && i == 0 {
				t.Fatal(err)
			}
		}
		m.Start(0)
		for range 10 { // whatever it holds, it must find something to do or rest
			a := m.Next(0)
			switch a.Kind {
			case DoWrite:
				m.Written(10)
			case DoQuarantine:
				m.Quarantined(a.Source, 1)
			case DoOpen, DoSend, DoHeads, DoClose:
				m.Failed(a.Attempt, 1, 0)
			}
		}
		m.Checkpoint(nil)
	})
}
