package ingest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/tabaproject/taba/internal/ingest"
	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/wire"
	"github.com/tabaproject/taba/state"
	"github.com/tabaproject/taba/state/builtin"
)

const clock = 1395954300

var source = store.SourceID{Birth: 7, Class: store.ClassSpool, Nonce: store.Nonce{9}}

// fakeStore answers as it is told and remembers the parts it was given.
type fakeStore struct {
	meta     store.Meta
	err      error
	results  []store.PartResult
	appended []store.Part
}

func (s *fakeStore) Meta() store.Meta { return s.meta }

func (s *fakeStore) Open(_ context.Context, class store.Class, nonce store.Nonce, now time.Time) (store.SourceID, error) {
	return store.SourceID{Birth: now.UnixMilli(), Class: class, Nonce: nonce}, s.err
}

func (s *fakeStore) Close(_ context.Context, _ store.SourceID, token store.Token) (store.Closed, error) {
	return store.Closed{Token: token, Heads: []store.SourceHead{{VB: 1, Head: store.Head{Seq: 5}}}}, s.err
}

func (s *fakeStore) Heads(context.Context, store.SourceID) ([]store.SourceHead, error) {
	return []store.SourceHead{{VB: 0, Head: store.Head{Seq: 4}, Epoch: store.Epoch{8}}}, s.err
}

func (s *fakeStore) Append(_ context.Context, parts []store.Part) ([]store.PartResult, error) {
	for _, p := range parts {
		p.Body = bytes.Clone(p.Body)
		s.appended = append(s.appended, p)
	}
	return s.results, s.err
}

func newStore() *fakeStore {
	return &fakeStore{meta: store.Meta{ID: [16]byte{1, 2}, Partition: store.Partition{Version: 1, VBuckets: 4, Key: 99}}}
}

func newBatches(s *fakeStore, m *ingest.Metrics) *ingest.Batches {
	return ingest.NewBatches(s, s, builtin.Registry(), ingest.Options{
		Metrics: m, Now: func() time.Time { return time.Unix(clock, 0) },
	})
}

// send posts a message and returns the response with its body.
func send(h http.Handler, path string, message []byte, header ...string) (*http.Response, []byte) {
	r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(message))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result(), w.Body.Bytes()
}

// counter is the encoded State of n events at a time, with its handler's Type.
func counter(at float64, n int) []byte {
	s := builtin.CounterGroup{}.New()
	b := &state.Bundle{Tab: "t", Client: "c"}
	for range n {
		b.Events = append(b.Events, state.Event{Time: at, Value: 1, Number: true})
	}
	s.Fold(at, b, func(int, state.Reason) { panic("refused") })
	return s.Append(nil)
}

// partOf is a part of one tab and client.
func partOf(cut store.Partition, tab, typ string, events uint64, encoded []byte) store.Part {
	var w store.BodyWriter
	w.Tab(store.Tab{Name: tab, Type: typ})
	w.Partial("c", events, func(dst []byte) []byte { return append(dst, encoded...) })
	return store.Part{
		Source: source, VB: cut.Of("", tab), Seq: 1, Events: events,
		Body: bytes.Clone(w.Bytes()), Digest: wire.DigestOf(w.Bytes()),
	}
}

func batchOf(m store.Meta, parts ...store.Part) []byte {
	return wire.AppendBatch(nil, &wire.Batch{StoreID: m.ID, Partition: m.Partition, Parts: parts})
}

func wantRefused(t *testing.T, r *http.Response, body []byte, status int, text string) {
	t.Helper()
	if r.StatusCode != status || !strings.Contains(string(body), text) {
		t.Fatalf("got %d %q, want %d with %q", r.StatusCode, body, status, text)
	}
}

func TestSources(t *testing.T) {
	s := newStore()
	h := newBatches(s, nil)

	r, body := send(h, "/v2/source/open", wire.AppendOpenRequest(nil, &wire.OpenRequest{Class: store.ClassSpool, Nonce: store.Nonce{3}}))
	var opened wire.OpenReply
	if err := wire.DecodeOpenReply(body, &opened); err != nil || r.StatusCode != 200 {
		t.Fatalf("open: %d %q, %v", r.StatusCode, body, err)
	}
	want := wire.OpenReply{
		Source:  store.SourceID{Birth: clock * 1000, Class: store.ClassSpool, Nonce: store.Nonce{3}},
		StoreID: s.meta.ID, Partition: s.meta.Partition, Epoch: store.Epoch{8},
	}
	if opened != want {
		t.Fatalf("opened %+v, want %+v", opened, want)
	}
	if got := r.Header.Get("Content-Type"); got != wire.ContentType {
		t.Fatalf("Content-Type %q", got)
	}

	r, body = send(h, "/v2/source/close", wire.AppendCloseRequest(nil, &wire.CloseRequest{Source: source, Token: store.Token{4}}))
	var closed wire.CloseReply
	if err := wire.DecodeCloseReply(body, &closed); err != nil || r.StatusCode != 200 {
		t.Fatalf("close: %d %q, %v", r.StatusCode, body, err)
	}
	if closed.Token != (store.Token{4}) || len(closed.Heads) != 1 || closed.Heads[0].Head.Seq != 5 {
		t.Fatalf("closed %+v", closed)
	}

	r, body = send(h, "/v2/source/heads", wire.AppendHeadsRequest(nil, &wire.HeadsRequest{Source: source}))
	var heads wire.HeadsReply
	if err := wire.DecodeHeadsReply(body, &heads); err != nil || r.StatusCode != 200 {
		t.Fatalf("heads: %d %q, %v", r.StatusCode, body, err)
	}
	if len(heads.Heads) != 1 || heads.Heads[0].Head.Seq != 4 {
		t.Fatalf("heads %+v", heads)
	}
}

func TestV2RefusesWhatIsNoMessage(t *testing.T) {
	s := newStore()
	h := newBatches(s, nil)
	for _, path := range []string{"/v2/batch", "/v2/source/open", "/v2/source/close", "/v2/source/heads"} {
		r, body := send(h, path, []byte("\xff\xff\xff"))
		wantRefused(t, r, body, 400, "")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		wantRefused(t, w.Result(), w.Body.Bytes(), 405, "Method not allowed.")
		r, body = send(h, path, []byte("x"), "Content-Encoding", "br")
		wantRefused(t, r, body, 415, "gzip")
	}
	r, body := send(h, "/v2/nosuch", nil)
	wantRefused(t, r, body, 404, "/v2/nosuch")

	s.err = store.ErrFailed
	for path, message := range map[string][]byte{
		"/v2/batch":        batchOf(s.meta),
		"/v2/source/open":  wire.AppendOpenRequest(nil, &wire.OpenRequest{Class: store.ClassSpool, Nonce: store.Nonce{3}}),
		"/v2/source/close": wire.AppendCloseRequest(nil, &wire.CloseRequest{Source: source, Token: store.Token{4}}),
		"/v2/source/heads": wire.AppendHeadsRequest(nil, &wire.HeadsRequest{Source: source}),
	} {
		r, body := send(h, path, message)
		wantRefused(t, r, body, 503, "must be reopened")
		if r.Header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", path)
		}
	}
}

func TestBatchIsAppendedAsItIs(t *testing.T) {
	s := newStore()
	s.results = []store.PartResult{{Verdict: store.Applied, Head: store.Head{Seq: 1}}, {Verdict: store.Duplicate}}
	m := ingest.NewMetrics()
	h := newBatches(s, m)
	known := partOf(s.meta.Partition, "a", "CounterGroup", 3, counter(clock, 3))
	unknown := partOf(s.meta.Partition, "b", "Foreign", 2, []byte("any bytes"))
	message := batchOf(s.meta, known, unknown)
	zw, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	r, body := send(h, "/v2/batch", zw.EncodeAll(message, nil), "Content-Encoding", "zstd")
	var reply wire.BatchReply
	if err := wire.DecodeBatchReply(body, &reply); err != nil || r.StatusCode != 200 {
		t.Fatalf("%d %q, %v", r.StatusCode, body, err)
	}
	if len(reply.Results) != 2 || reply.Results[0].Verdict != store.Applied || reply.Results[1].Verdict != store.Duplicate {
		t.Fatalf("reply %+v", reply)
	}
	for i, want := range []store.Part{known, unknown} {
		got := s.appended[i]
		if !bytes.Equal(got.Body, want.Body) || got.Digest != want.Digest || got.VB != want.VB || got.Events != want.Events || got.Source != source {
			t.Errorf("part %d: appended %+v, want %+v", i, got, want)
		}
	}
	if got := m.Undecodable.Get(); got != 1 {
		t.Errorf("%d undecodable Partials counted, want 1", got)
	}
	if got := m.Parts.Get(); got != 2 {
		t.Errorf("%d parts counted, want 2", got)
	}
}

func TestBatchFromTheFutureIsClamped(t *testing.T) {
	s := newStore()
	s.results = make([]store.PartResult, 1)
	m := ingest.NewMetrics()
	sealed := partOf(s.meta.Partition, "a", "CounterGroup", 3, counter(clock+86400, 3))
	send(newBatches(s, m), "/v2/batch", batchOf(s.meta, sealed))
	got := s.appended[0]
	if got.Digest != sealed.Digest {
		t.Error("the digest is not that of the bytes that were sealed")
	}
	if bytes.Equal(got.Body, sealed.Body) {
		t.Fatal("nothing was clamped")
	}
	r := store.NewBodyReader(got.Body)
	if !r.NextTab() || !r.NextPartial() {
		t.Fatalf("no Partial: %v", r.Err())
	}
	st := builtin.CounterGroup{}.New()
	if err := st.Decode(r.Partial.State); err != nil {
		t.Fatal(err)
	}
	if st.N() != 3 || st.Clamp(clock+60) != 0 {
		t.Errorf("the State holds %d events, some beyond the tolerance", st.N())
	}
	if got := m.Clamped.Get(); got != 3 {
		t.Errorf("%d events counted as clamped, want 3", got)
	}
}

// TestBatchThatNotEverybodyReads: what an agent sealed in encodings that are too
// new for a server that shares the store is appended in older ones, under the
// digest of what was sealed; and the agent is told.
func TestBatchThatNotEverybodyReads(t *testing.T) {
	level := state.Newest
	s := newStore()
	h := ingest.NewBatches(s, s, builtin.Registry(), ingest.Options{
		Now: func() time.Time { return time.Unix(clock, 0) }, Level: func() state.Level { return level },
	})
	newer := counter(clock, 3)
	p := partOf(s.meta.Partition, "tab", "CounterGroup", 3, newer)
	s.results = []store.PartResult{{Verdict: store.Applied}}
	for _, level = range []state.Level{state.Newest, state.Oldest} {
		s.appended = nil
		r, body := send(h, "/v2/batch", batchOf(s.meta, p))
		if got := r.Header.Get(wire.LevelHeader); got != fmt.Sprint(level) || r.StatusCode != http.StatusOK {
			t.Fatalf("%d %q, level %q", r.StatusCode, body, got)
		}
		want := p
		if level == state.Oldest {
			c := builtin.CounterGroup{}.New()
			if err := c.Decode(newer); err != nil {
				t.Fatal(err)
			}
			want.Body = partOf(s.meta.Partition, "tab", "CounterGroup", 3, state.AppendAt(nil, c, level)).Body
		}
		got := s.appended[0]
		if !bytes.Equal(got.Body, want.Body) || got.Digest != p.Digest {
			t.Errorf("at level %d %x is appended with digest %x, want %x with %x", level, got.Body, got.Digest, want.Body, p.Digest)
		}
	}
}

func TestBatchForAnotherStore(t *testing.T) {
	s := newStore()
	h := newBatches(s, nil)
	other := s.meta
	other.ID = [16]byte{0xee}
	r, body := send(h, "/v2/batch", batchOf(other))
	wantRefused(t, r, body, 409, "ee000000000000000000000000000000")
	wantRefused(t, r, body, 409, "01020000000000000000000000000000")
	other = s.meta
	other.Partition.VBuckets = 16
	r, body = send(h, "/v2/batch", batchOf(other))
	wantRefused(t, r, body, 409, "16 vbuckets")
	wantRefused(t, r, body, 409, "4 vbuckets")
	r, body = send(h, "/v2/batch", wire.AppendBatch(nil, &wire.Batch{Namespace: "x", StoreID: s.meta.ID, Partition: s.meta.Partition}))
	wantRefused(t, r, body, 400, "namespace")
}

func TestBatchThatDoesNotAddUp(t *testing.T) {
	s := newStore()
	cut := s.meta.Partition
	h := newBatches(s, nil)
	f := func(p store.Part, want string) {
		t.Helper()
		r, body := send(h, "/v2/batch", batchOf(s.meta, p))
		wantRefused(t, r, body, 400, want)
	}
	good := partOf(cut, "a", "CounterGroup", 3, counter(clock, 3))

	p := good
	p.Body = p.Body[:len(p.Body)-1]
	f(p, "Part 0: malformed body")
	p = good
	p.Body = []byte{77}
	f(p, "version 77")
	p = good
	p.Events = 4
	f(p, "said to hold 4 events; its tabs hold 3")
	p = good
	p.VB = (p.VB + 1) % cut.VBuckets
	f(p, `"a" belongs to vbucket`)
	p = good
	p.VB = cut.VBuckets
	f(p, "vbucket 4 of 4")
	f(partOf(cut, "a", "CounterGroup", 2, counter(clock, 3)), "the State holds 3 events, not 2")
	if len(s.appended) > 0 {
		t.Error("a part that was refused was appended")
	}
}

func TestStatusOfABatch(t *testing.T) {
	s := newStore()
	h := newBatches(s, nil)
	good := partOf(s.meta.Partition, "a", "CounterGroup", 3, counter(clock, 3))
	f := func(want int, results ...store.PartResult) {
		t.Helper()
		s.results = results
		parts := make([]store.Part, len(results))
		for i := range parts {
			parts[i] = good
		}
		r, body := send(h, "/v2/batch", batchOf(s.meta, parts...))
		var reply wire.BatchReply
		if err := wire.DecodeBatchReply(body, &reply); err != nil || r.StatusCode != want || len(reply.Results) != len(results) {
			t.Errorf("%v: got %d with %d results, %v; want %d", results, r.StatusCode, len(reply.Results), err, want)
		}
		if want == 503 && r.Header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	applied := store.PartResult{Verdict: store.Applied}
	f(200)
	f(200, applied, store.PartResult{Verdict: store.Duplicate})
	f(409, applied, store.PartResult{Verdict: store.Gap})
	f(409, store.PartResult{Verdict: store.Forked}, applied)
	f(409, store.PartResult{Verdict: store.SourceClosed}, store.PartResult{Err: io.EOF})
	f(410, store.PartResult{Verdict: store.Gap}, store.PartResult{Verdict: store.SourceGone})
	f(503, applied, store.PartResult{Err: errors.New("no luck")})
}
