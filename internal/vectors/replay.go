package vectors

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Server is a server under test: empty, its latency 0, and pruning nothing by
// itself, because the clock of the vectors jumps.
type Server struct {
	URL string
	// SetNow sets its clock.
	SetNow func(time.Time)
	// SetCapacity makes it refuse what is posted as over its capacity, or
	// not. Called only around steps that were recorded that way.
	SetCapacity func(over bool)
	// Name is what it calls itself.
	Name string
	// Client sends the requests; nil means http.DefaultClient.
	Client *http.Client
}

// recordedName returns what the server of the recording called itself; empty
// if it never said so.
func (h *HTTP) recordedName() string {
	for i := range h.Steps {
		if path, _, _ := strings.Cut(h.Steps[i].Request.Path, "?"); path != "/servers" {
			continue
		}
		var servers map[string]any
		if json.Unmarshal([]byte(h.Steps[i].Response.Body), &servers) == nil {
			for name := range servers {
				return name
			}
		}
	}
	return ""
}

// ReplayHTTP replays http.json of a directory and compares every answer.
func ReplayHTTP(t *testing.T, dir string, s Server) {
	t.Helper()
	session, err := LoadHTTP(dir)
	if err != nil {
		t.Fatal(err)
	}
	differences, err := LoadDifferences(dir, "http")
	if err != nil {
		t.Fatal(err)
	}
	recorded := session.recordedName()
	bySeq := map[int]*Difference{}
	for i := range differences {
		bySeq[differences[i].Seq] = &differences[i]
	}
	if s.Client == nil {
		s.Client = http.DefaultClient
	}
	for i := range session.Steps {
		step := &session.Steps[i]
		status, body, err := s.send(t, step)
		if err != nil {
			t.Fatalf("step %d: %v", step.Seq, err)
		}
		if s.Name != "" && recorded != "" {
			body = strings.ReplaceAll(body, s.Name, recorded)
		}
		if err := step.check(bySeq[step.Seq], status, body); err != nil {
			t.Errorf("step %d, %s %s (%s), at %v: %v", step.Seq, step.Request.Method, step.Request.Path, step.Note, step.At, err)
		}
	}
}

func (s *Server) send(t *testing.T, step *Step) (status int, body string, err error) {
	sec, frac := math.Modf(step.At)
	s.SetNow(time.Unix(int64(sec), int64(frac*1e9)))
	if step.Response.Status == http.StatusServiceUnavailable {
		s.SetCapacity(true)
		defer s.SetCapacity(false)
	}
	r, err := http.NewRequestWithContext(t.Context(), step.Request.Method, s.URL+step.Request.Path, bytes.NewReader(step.RequestBody()))
	if err != nil {
		return 0, "", err
	}
	for name, value := range step.Request.Headers {
		r.Header.Set(name, value)
	}
	answer, err := s.Client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(b), err
}

// check compares an answer with the recorded one, or with the one that
// differs from it on purpose.
func (s *Step) check(d *Difference, status int, body string) error {
	want := s.Response.Body
	compare := s.Compare
	if d != nil {
		if d.Check == "status" {
			var code int
			if err := json.Unmarshal(d.Expect, &code); err != nil {
				return fmt.Errorf("difference %q: %w", d.Row, err)
			}
			return checkStatus(status, code, body)
		}
		var err error
		if compare, want, err = d.override(want); err != nil {
			return err
		}
	}
	if err := checkStatus(status, s.Response.Status, body); err != nil {
		return err
	}
	return checkBody(compare, body, want)
}

// override returns how to compare with what, for checks of bodies.
func (d *Difference) override(recorded string) (compare, want string, err error) {
	switch d.Check {
	case "json":
		return "lines", recorded, nil
	case "body", "exact":
		want, err = d.Text()
		return "trimmed", want, err
	case "note":
		return "informational", recorded, nil
	}
	return "", "", fmt.Errorf("difference %q has an unknown check %q", d.Row, d.Check)
}

func checkStatus(got, want int, body string) error {
	if got != want {
		return fmt.Errorf("status %d, want %d; body %.200q", got, want, body)
	}
	return nil
}

func checkBody(compare, got, want string) error {
	equal := false
	switch compare {
	case "status", "informational":
		return nil
	case "exact":
		equal = got == want || equalButFor(got, want)
	case "trimmed":
		equal = strings.TrimSuffix(got, "\n") == strings.TrimSuffix(want, "\n")
	case "json":
		equal = equalJSON(got, want) || nearJSON(got, want)
	case "lines":
		equal = equalLines(got, want)
	case "json_set":
		equal = equalSets(got, want)
	case "json_keys":
		equal = sameShape(got, want)
	default:
		return fmt.Errorf("unknown comparison %q", compare)
	}
	if !equal {
		return fmt.Errorf("body differs (%s)\n got %s\nwant %s", compare, got, want)
	}
	return nil
}
