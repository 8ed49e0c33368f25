package forward

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"github.com/tabaproject/taba/internal/spool"
	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/wire"
	"github.com/tabaproject/taba/state"
)

// serve is a server over a store.Mem.
func serve(t *testing.T, st *store.Mem) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method != http.MethodPost || r.Header.Get("Content-Type") != wire.ContentType || r.Header.Get("Authorization") != "Bearer secret" {
			t.Errorf("%s %s %v", r.Method, r.URL, r.Header)
		}
		status, reply := handle(t, st, r, body)
		w.Header().Set("Content-Type", wire.ContentType)
		w.WriteHeader(status)
		_, _ = w.Write(reply)
	}))
	t.Cleanup(s.Close)
	return s
}

func handle(t *testing.T, st *store.Mem, r *http.Request, body []byte) (status int, reply []byte) {
	check := func(err error) {
		if err != nil {
			t.Errorf("%s: %v", r.URL.Path, err)
		}
	}
	switch r.URL.Path {
	case openPath:
		var q wire.OpenRequest
		check(wire.DecodeOpenRequest(body, &q))
		id, err := st.Open(r.Context(), q.Class, q.Nonce, time.Now())
		check(err)
		return 200, wire.AppendOpenReply(nil, &wire.OpenReply{Source: id, StoreID: st.Meta().ID, Partition: st.Meta().Partition})
	case closePath:
		var q wire.CloseRequest
		check(wire.DecodeCloseRequest(body, &q))
		c, err := st.Close(r.Context(), q.Source, q.Token)
		check(err)
		return 200, wire.AppendCloseReply(nil, &wire.CloseReply{Closed: c})
	case headsPath:
		var q wire.HeadsRequest
		check(wire.DecodeHeadsRequest(body, &q))
		heads, err := st.Heads(r.Context(), q.Source)
		check(err)
		return 200, wire.AppendHeadsReply(nil, &wire.HeadsReply{Heads: heads})
	case batchPath:
		var q wire.Batch
		check(wire.DecodeBatch(body, &q))
		results, err := st.Append(r.Context(), q.Parts)
		check(err)
		status = 200
		for _, res := range results {
			if res.Verdict == store.Forked {
				status = 409
			}
		}
		return status, wire.AppendBatchReply(nil, &wire.BatchReply{Results: results})
	}
	t.Errorf("path %s", r.URL.Path)
	return 404, nil
}

// The whole way on a real disk and network, with a restart and a clone.
func TestOverHTTP(t *testing.T) {
	defer goleak.VerifyNone(t)
	st := store.NewMem(store.MemOptions{VBuckets: 4})
	srv := serve(t, st)
	defer srv.Close()
	start := func(dir string) (*Forwarder, *HTTP) {
		h := NewHTTP(HTTPOptions{Token: "secret"})
		f, err := Open(vfs.Default, dir, spool.Options{}, Options{Servers: []string{"http://127.0.0.1:1", srv.URL + "/"}, Transport: h, Fold: &sumFold{}})
		if err != nil {
			t.Fatal(err)
		}
		return f, h
	}
	dir := t.TempDir() + "/a"
	f, h := start(dir)
	appendSome(t, f, 1, 200)
	mustClose(t, f)
	clone := t.TempDir() + "/b"
	if _, err := vfs.Clone(vfs.Default, vfs.Default, dir, clone); err != nil {
		t.Fatal(err)
	}
	g, gh := start(clone)
	f, fh := start(dir)
	appendSome(t, f, 201, 300)
	appendSome(t, g, 301, 400)
	mustClose(t, f)
	mustClose(t, g)
	for _, h := range []*HTTP{h, fh, gh} {
		h.CloseIdle()
	}

	counts := map[string]uint64{}
	for vb := range 4 {
		l, err := st.Load(context.Background(), vb, store.LoadRequest{})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range l.Entries {
			r := store.NewBodyReader(e.Body)
			for r.NextTab() {
				counts[string(r.Tab.Name)] += r.Tab.Events
			}
		}
	}
	for name, n := range counts {
		if n != 1 {
			t.Errorf("%s was counted %d times", name, n)
		}
	}
	missing := 0
	for i := 1; i <= 400; i++ {
		if counts[nameOf(i)] == 0 {
			missing++
		}
	}
	st1, st2 := f.Status(), g.Status()
	if missing > 0 && st1.Spool.QuarantineBytes+st2.Spool.QuarantineBytes == 0 {
		t.Errorf("%d records are missing and nothing is in quarantine", missing)
	}
}

func TestHTTPAnswers(t *testing.T) {
	var answer func(w http.ResponseWriter)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(w) }))
	defer srv.Close()
	var level state.Level
	h := NewHTTP(HTTPOptions{Timeout: 5 * time.Second, Level: func(l state.Level) { level = l }})
	defer h.CloseIdle()
	send := func() (wire.BatchReply, error) {
		return h.Send(context.Background(), srv.URL, &wire.Batch{})
	}
	refused := func(status int, header, value, body string, want StatusError) {
		t.Helper()
		answer = func(w http.ResponseWriter) {
			w.Header().Set(header, value)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
		_, err := send()
		var got *StatusError
		if !errors.As(err, &got) || *got != want {
			t.Errorf("got %+v, want %+v", err, want)
		}
	}
	refused(503, "Retry-After", "7", "busy\n", StatusError{503, 7 * time.Second, "busy"})
	refused(503, "Retry-After", "soon", "", StatusError{503, 0, "no explanation"})
	refused(503, "Retry-After", "Mon, 02 Jan 2006 15:04:05 GMT", "x", StatusError{503, 0, "x"})
	refused(409, "Content-Type", "text/plain", "another store", StatusError{409, 0, "another store"})
	refused(200, "Content-Type", "text/html", "<p>hi", StatusError{200, 0, "<p>hi"})
	refused(302, "Location", "/elsewhere", "", StatusError{302, 0, "no explanation"})
	refused(413, "X", "", strings.Repeat("x", 600), StatusError{413, 0, strings.Repeat("x", 512)})

	decided := func(status int) {
		t.Helper()
		want := wire.BatchReply{Results: []store.PartResult{{Verdict: store.Gap}}}
		answer = func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", wire.ContentType)
			w.WriteHeader(status)
			_, _ = w.Write(wire.AppendBatchReply(nil, &want))
		}
		if got, err := send(); err != nil || len(got.Results) != 1 || got.Results[0].Verdict != store.Gap {
			t.Errorf("status %d: %+v, %v", status, got, err)
		}
	}
	decided(200)
	decided(409)
	decided(410)
	decided(503)
	for said, want := range map[string]state.Level{"": state.Unsaid, "1": 1, "2": 2, "7": 7, "0": state.Unsaid, "-1": state.Unsaid, "300": state.Unsaid, "x": state.Unsaid} {
		answer = func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", wire.ContentType)
			w.Header().Set(wire.LevelHeader, said)
		}
		if _, err := send(); err != nil || level != want {
			t.Errorf("a server that says %q is taken to read level %d, want %d: %v", said, level, want, err)
		}
	}
	answer = func(w http.ResponseWriter) { // a part was not taken
		w.Header().Set("Content-Type", wire.ContentType)
		w.Header().Set("Retry-After", "3")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write(wire.AppendBatchReply(nil, &wire.BatchReply{Results: []store.PartResult{{Verdict: store.Applied}, {Err: errors.New("no")}}}))
	}
	got, err := send()
	var status *StatusError
	if err != nil || got.Results[0].Err != nil || !errors.As(got.Results[1].Err, &status) || status.RetryAfter != 3*time.Second {
		t.Errorf("got %+v, %v", got, err)
	}
	answer = func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", wire.ContentType)
		_, _ = io.WriteString(w, "\xff\xff\xff")
	}
	if _, err := send(); err == nil {
		t.Error("an answer that is no message was accepted")
	}
	for _, code := range []int{400, 401, 403, 404, 413} {
		if msg := (&StatusError{Code: code}).Error(); !strings.Contains(msg, "(") {
			t.Errorf("status %d gives no hint: %s", code, msg)
		}
	}
}
