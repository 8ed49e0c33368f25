package ingest

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// compressed returns text under each encoding, by Content-Encoding.
func compressed(t testing.TB, text string) map[string][]byte {
	t.Helper()
	out := make(map[string][]byte)
	add := func(name string, make func(io.Writer) (io.WriteCloser, error)) {
		var b bytes.Buffer
		w, err := make(&b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		out[name] = b.Bytes()
	}
	add("gzip", func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil })
	add("zlib", func(w io.Writer) (io.WriteCloser, error) { return zlib.NewWriter(w), nil })
	add("deflate", func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, 6) })
	add("zstd", func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1)) })
	add("s2", func(w io.Writer) (io.WriteCloser, error) { return s2.NewWriter(w), nil })
	return out
}

func TestContentEncodings(t *testing.T) {
	s := newSink()
	h := newTestHandler(s, nil, Options{})
	n := 0
	for range 3 { // decompressors are used again
		for name, body := range compressed(t, manyEvents(5000)) {
			r, text := post(h, "/post", bytes.NewReader(body), "Content-Encoding", name)
			wantStatus(t, r, name+": "+text, 200)
			n += 5000
		}
	}
	wantEqual(t, "committed", s.String(), fmt.Sprintf("a CounterGroup c %d", n))
	wantEqual(t, "budget held", h.Budget().Used(), 0)

	r, text := post(h, "/post", strings.NewReader("x"), "Content-Encoding", "br")
	wantStatus(t, r, text, 415)
	wantText(t, text, "gzip, deflate")
}

func TestDamagedBodies(t *testing.T) {
	s := newSink()
	h := newTestHandler(s, nil, Options{})
	for name, body := range compressed(t, manyEvents(5000)) {
		f := func(what string, body io.Reader, status int) {
			t.Helper()
			r, text := post(h, "/post", body, "Content-Encoding", name)
			wantStatus(t, r, name+" "+what+": "+text, status)
		}
		f("cut off", bytes.NewReader(body[:len(body)/2]), 400)
		f("trailing bytes", io.MultiReader(bytes.NewReader(body), strings.NewReader("\x00junk")), 400)
		f("other bytes", strings.NewReader("1\n\nthis is not compressed\n\n"), 400)
		f("one byte at a time", iotest.OneByteReader(bytes.NewReader(body)), 200)
		f("broken connection", io.MultiReader(bytes.NewReader(body[:40]), iotest.ErrReader(io.ErrUnexpectedEOF)), 400)
	}
	wantEqual(t, "commits", s.commits, 5)
	wantEqual(t, "budget held", h.Budget().Used(), 0)
	wantEqual(t, "aborted", h.Metrics().RefusedRequests(reasonAborted), 5)
}

// manyEvents is a document of n events.
func manyEvents(n int) string {
	var b strings.Builder
	b.WriteString("1\n\nc\n\na\n")
	for i := range n {
		fmt.Fprintf(&b, "[\"CounterGroup\", %d.%03d, \"%d\"]\n", clock-i%30, i%1000, i%97)
	}
	b.WriteString("\n\n")
	return b.String()
}

func TestBodyLimit(t *testing.T) {
	s := newSink()
	h := newTestHandler(s, nil, Options{Limits: Limits{Body: 100_000}})
	body := manyEvents(5000)
	r, text := post(h, "/post", strings.NewReader(body)) // length known: not read
	wantStatus(t, r, text, 413)
	wantText(t, text, "limit of 100000 bytes")
	r, text = post(h, "/post", io.MultiReader(strings.NewReader(body))) // chunked
	wantStatus(t, r, text, 413)
	wantEqual(t, "commits", s.commits, 0)
	wantEqual(t, "counted", h.Metrics().RefusedRequests(reasonTooLarge), 2)
}

func TestDecompressedLimit(t *testing.T) {
	s := newSink()
	h := newTestHandler(s, nil, Options{Limits: Limits{Decompressed: 100_000}})
	for name, body := range compressed(t, manyEvents(5000)) {
		r, text := post(h, "/post", bytes.NewReader(body), "Content-Encoding", name)
		wantStatus(t, r, name+": "+text, 413)
		wantText(t, text, "limit of 100000 bytes")
	}
	wantEqual(t, "commits", s.commits, 0)
}

func TestZipBombCostsBoundedMemory(t *testing.T) {
	s := newSink()
	h := newTestHandler(s, nil, Options{Budget: NewBudget(32 << 20), Limits: Limits{RatioFree: 1 << 20}})
	for name, body := range compressed(t, "1\n\nc\n\na\n"+strings.Repeat(counterEvent(1)+"\n", 1<<16)) {
		r, text := post(h, "/post", bytes.NewReader(body), "Content-Encoding", name)
		if name == "s2" { // which compresses no more than 20 times here
			continue
		}
		wantStatus(t, r, name+": "+text, 413)
		wantText(t, text, "200 times its size")
	}
	wantEqual(t, "budget held", h.Budget().Used(), 0)

	h = newTestHandler(s, nil, Options{Budget: NewBudget(32 << 20)})
	for name, body := range compressed(t, "1\n\n"+strings.Repeat("\x00", 2<<20)) { // one endless line
		r, text := post(h, "/post", bytes.NewReader(body), "Content-Encoding", name)
		wantStatus(t, r, name+": "+text, 413)
		wantText(t, text, "line 3")
	}
	wantEqual(t, "budget held", h.Budget().Used(), 0)
}

func TestZstdWindowIsBounded(t *testing.T) {
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, zstd.WithWindowSize(16<<20), zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	for range 40 {
		_, _ = io.WriteString(w, strings.Repeat("x", 1<<20))
		_ = w.Flush()
	}
	_ = w.Close()
	r, text := post(newTestHandler(newSink(), nil, Options{}), "/post", &b, "Content-Encoding", "zstd")
	wantStatus(t, r, text, 413)
	wantText(t, text, "zstd window of 16777216 bytes")
}
