// Package vectors reads the golden vectors of the original Taba and replays
// those of its HTTP API against a server. Only tests import it.
//
// The vectors are a directory of JSON files: handlers.json (folds, merges and
// renders per Type), transport.json (the wire format), http.json (a session
// with a server) and differences.json (where this Taba answers otherwise on
// purpose). Nothing is exempt that differences.json does not list.
package vectors

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Dir is where the vectors are: $TABA_VECTORS, else testdata/vectors. Both are
// relative to the root of the module.
func Dir(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("TABA_VECTORS")
	if filepath.IsAbs(dir) {
		return dir
	}
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	if dir == "" {
		dir = filepath.Join("testdata", "vectors")
	}
	return filepath.Join(root, dir)
}

func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod above the working directory: set TABA_VECTORS to the absolute path of the vectors")
		}
		dir = parent
	}
}

// Difference is one answer that differs from the original's on purpose.
type Difference struct {
	File   string          `json:"file"` // handlers, transport or http
	ID     string          `json:"id"`   // of a handlers or transport case
	Op     int             `json:"op"`   // index of the operation within the case
	Seq    int             `json:"seq"`  // of an http step
	Row    string          `json:"row"`  // which row of the compatibility table it follows
	Check  string          `json:"check"`
	Expect json.RawMessage `json:"expect"`
}

// Text is Expect as a string.
func (d *Difference) Text() (string, error) {
	var s string
	if err := json.Unmarshal(d.Expect, &s); err != nil {
		return "", fmt.Errorf("difference %q: expect is no string: %w", d.Row, err)
	}
	return s, nil
}

// Handlers is handlers.json.
type Handlers struct {
	Schema string        `json:"schema"`
	Cases  []HandlerCase `json:"cases"`
}

// HandlerCase is a sequence of operations on States of one Type.
type HandlerCase struct {
	ID      string      `json:"id"`
	TabType string      `json:"tab_type"`
	Desc    string      `json:"desc"`
	Latency float64     `json:"latency"`
	Ops     []HandlerOp `json:"ops"`
}

// HandlerOp is one operation; which fields are set depends on Op: new, fold,
// reduce, render, prune.
type HandlerOp struct {
	Op     string               `json:"op"`
	At     float64              `json:"at"`
	State  string               `json:"state"`
	Client string               `json:"client"`
	Name   string               `json:"name"`
	Events [][2]json.RawMessage `json:"events"` // time, payload
	Out    string               `json:"out"`
	States []string             `json:"states"`
	Accept string               `json:"accept"`
	Result json.RawMessage      `json:"result"`
	Error  json.RawMessage      `json:"error"` // set: the original raised
}

// Transport is transport.json.
type Transport struct {
	Schema string       `json:"schema"`
	Encode []EncodeCase `json:"encode"`
	Decode []DecodeCase `json:"decode"`
}

// EncodeCase is what a client encodes: clients with their tabs with their
// events, each a pair of a name and a list, in order.
type EncodeCase struct {
	ID      string          `json:"id"`
	Desc    string          `json:"desc"`
	Clients json.RawMessage `json:"clients"`
	Body    []byte          `json:"body_b64"`
}

// DecodeCase is a body and what the original's decoders made of it.
type DecodeCase struct {
	ID      string          `json:"id"`
	Desc    string          `json:"desc"`
	Body    []byte          `json:"body_b64"`
	Decoded json.RawMessage `json:"decoded"`
	Raw     json.RawMessage `json:"raw"`
}

// HTTP is http.json: one session, in order, starting with an empty server.
type HTTP struct {
	Schema  string  `json:"schema"`
	Dataset string  `json:"dataset"`
	Now     float64 `json:"now"`
	Steps   []Step  `json:"steps"`
}

// Step is one request with the original's response.
type Step struct {
	Seq     int     `json:"seq"`
	At      float64 `json:"at"` // the server's clock
	Request struct {
		Method  string            `json:"method"`
		Path    string            `json:"path"`
		Headers map[string]string `json:"headers"`
		Text    string            `json:"body"`     // of a body that is text, mostly
		Body    []byte            `json:"body_b64"` // of any body
	} `json:"request"`
	Response struct {
		Status int    `json:"status"`
		Body   string `json:"body"`
	} `json:"response"`
	Compare string `json:"compare"` // exact, json, json_set, json_keys, status, informational
	Note    string `json:"note"`
}

// RequestBody is the body of the request, empty if it has none.
func (s *Step) RequestBody() []byte {
	if s.Request.Body == nil {
		return []byte(s.Request.Text)
	}
	return s.Request.Body
}

// LoadHandlers reads handlers.json.
func LoadHandlers(dir string) (*Handlers, error) { return load[Handlers](dir, "handlers.json") }

// LoadTransport reads transport.json.
func LoadTransport(dir string) (*Transport, error) { return load[Transport](dir, "transport.json") }

// LoadHTTP reads http.json.
func LoadHTTP(dir string) (*HTTP, error) { return load[HTTP](dir, "http.json") }

// LoadDifferences reads the part of differences.json that is about one file:
// handlers, transport or http. Without differences.json there are none.
func LoadDifferences(dir, file string) ([]Difference, error) {
	all, err := load[[]Difference](dir, "differences.json")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var some []Difference
	for _, d := range *all {
		if strings.TrimSuffix(d.File, ".json") == file {
			some = append(some, d)
		}
	}
	return some, nil
}

func load[T any](dir, name string) (*T, error) {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	into := new(T)
	if err := json.Unmarshal(b, into); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return into, nil
}
