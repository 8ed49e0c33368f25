package ingest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tabaproject/taba/state/builtin"
)

// step is one request of the recorded session with the original's server.
type step struct {
	Seq     int
	At      float64
	Request struct {
		Method, Path string
		Headers      map[string]string
		Body         string
		BodyB64      string `json:"body_b64"`
	}
	Response struct{ Status int }
	Note     string
}

func readVectors(t *testing.T, name string, to any) {
	t.Helper()
	dir := os.Getenv("TABA_VECTORS")
	if dir == "" {
		dir = filepath.Join("..", "..", "testdata", "vectors")
	}
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, to); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// TestPostsOfTheOriginalsSession replays every post and compares the status;
// where differences.json names another status on purpose, that one.
func TestPostsOfTheOriginalsSession(t *testing.T) {
	var session struct{ Steps []step }
	readVectors(t, "http.json", &session)
	var differences []struct {
		File, Check string
		Seq         int
		Expect      any
	}
	readVectors(t, "differences.json", &differences)
	want := make(map[int]int)
	for _, d := range differences {
		if n, ok := d.Expect.(float64); ok && d.File == "http" && d.Check == "status" {
			want[d.Seq] = int(n)
		}
	}

	var now float64
	s := newSink()
	full := lease{of: NewBudget(1 << 30)}
	h := New(builtin.Registry(), s, nil, Options{Budget: full.of, Now: func() time.Time { return time.UnixMicro(int64(now * 1e6)) }})
	replayed := 0
	for _, st := range session.Steps {
		if st.Request.Method != http.MethodPost || st.Request.Path != "/post" && st.Request.Path != "/post_zip" {
			continue
		}
		now = st.At
		status := st.Response.Status
		if n, ok := want[st.Seq]; ok {
			status = n
		}
		full.free()
		if status == http.StatusServiceUnavailable { // recorded over capacity
			full.hold(full.of.Max())
		}
		body := []byte(st.Request.Body)
		if st.Request.BodyB64 != "" {
			var err error
			if body, err = base64.StdEncoding.DecodeString(st.Request.BodyB64); err != nil {
				t.Fatal(err)
			}
		}
		var header []string
		for k, v := range st.Request.Headers {
			header = append(header, k, v)
		}
		r, text := post(h, st.Request.Path, bytes.NewReader(body), header...)
		if r.StatusCode != status {
			t.Errorf("step %d (%s): status %d %q, want %d", st.Seq, st.Note, r.StatusCode, text, status)
		}
		if status == http.StatusOK && text != "" {
			t.Errorf("step %d: body %q, want none", st.Seq, text)
		}
		replayed++
	}
	if replayed == 0 {
		t.Error("the session has no posts")
	}
}
