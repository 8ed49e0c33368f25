package ingest

import (
	"bytes"
	"net/http"
	"testing"
)

// No body, under any encoding, may panic the handler, leave a charge on the
// budget or be committed in part.
func FuzzPost(f *testing.F) {
	text := doc("web-1", "req.count", counterEvent(1), `["Gauge", 1395954295, "\"x\""]`)
	f.Add(uint8(0), []byte(text))
	f.Add(uint8(0), []byte("1\n\nc\n\n"))
	for i, name := range fuzzEncodings {
		f.Add(uint8(i), compressed(f, text)[name])
	}
	s := newSink()
	h := newTestHandler(s, nil, Options{Budget: NewBudget(64 << 20)})
	f.Fuzz(func(t *testing.T, encoding uint8, body []byte) {
		before := s.commits
		name := fuzzEncodings[int(encoding)%len(fuzzEncodings)]
		r, text := post(h, "/post", bytes.NewReader(body), "Content-Encoding", name)
		if r.StatusCode != http.StatusOK && s.commits != before {
			t.Errorf("committed although %d %q", r.StatusCode, text)
		}
		if r.StatusCode >= 500 {
			t.Errorf("status %d %q", r.StatusCode, text)
		}
		if used := h.Budget().Used(); used != 0 {
			t.Errorf("%d bytes of the budget are held", used)
		}
	})
}

var fuzzEncodings = []string{"", "gzip", "zlib", "deflate", "zstd", "s2"}

func FuzzTokens(f *testing.F) {
	_, line := GenerateToken("ci", Write|Admin)
	f.Add([]byte(line))
	f.Add([]byte("# a comment\n" + line + " # another\n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if ts, err := parseTokens(text); err == nil && len(ts) == 0 {
			t.Error("neither a token nor an error")
		}
	})
}
