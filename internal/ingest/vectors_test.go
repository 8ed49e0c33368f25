package ingest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/vectors"
	"github.com/tabaproject/taba/state/builtin"
)

// TestPostsOfTheOriginalsSession replays every post and compares the status;
// where differences.json names another status on purpose, that one.
func TestPostsOfTheOriginalsSession(t *testing.T) {
	dir := vectors.Dir(t)
	session, err := vectors.LoadHTTP(dir)
	if err != nil {
		t.Fatal(err)
	}
	differences, err := vectors.LoadDifferences(dir, "http")
	if err != nil {
		t.Fatal(err)
	}
	want := make(map[int]int)
	for _, d := range differences {
		var status int
		if d.Check == "status" && json.Unmarshal(d.Expect, &status) == nil {
			want[d.Seq] = status
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
		var header []string
		for k, v := range st.Request.Headers {
			header = append(header, k, v)
		}
		r, text := post(h, st.Request.Path, bytes.NewReader(st.RequestBody()), header...)
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
