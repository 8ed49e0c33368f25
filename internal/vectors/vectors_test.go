package vectors

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

func TestDirectoryHoldsWhatIsLoaded(t *testing.T) {
	dir := Dir(t)
	handlers, err := LoadHandlers(dir)
	if err != nil || len(handlers.Cases) == 0 || len(handlers.Cases[0].Ops) == 0 {
		t.Errorf("handlers: %v", err)
	}
	transport, err := LoadTransport(dir)
	if err != nil || len(transport.Encode) == 0 || len(transport.Decode) == 0 || len(transport.Decode[0].Body) == 0 {
		t.Errorf("transport: %v", err)
	}
	for _, file := range []string{"handlers", "transport", "http"} {
		if _, err := LoadDifferences(dir, file); err != nil {
			t.Errorf("differences of %s: %v", file, err)
		}
	}
	session, err := LoadHTTP(dir)
	if err != nil || len(session.Steps) == 0 {
		t.Errorf("http: %v", err)
	}
}

func TestBodiesAreCompared(t *testing.T) {
	equal := func(compare, got, want string) {
		t.Helper()
		if err := checkBody(compare, got, want); err != nil {
			t.Error(err)
		}
	}
	differ := func(compare, got, want string) {
		t.Helper()
		if checkBody(compare, got, want) == nil {
			t.Errorf("%s: %q passed for %q", compare, got, want)
		}
	}
	equal("exact", "a\n", "a\n")
	differ("exact", "a", "a\n")
	equal("exact", "a: {\"x\": 1, \"y\": 2}\n", "a: {\"y\": 2, \"x\": 1}\n")
	differ("exact", "a: {\"x\": 1,\"y\": 2}\n", "a: {\"y\": 2, \"x\": 1}\n")
	differ("exact", "a: {\"x\": 1, \"y\": 3}\n", "a: {\"y\": 2, \"x\": 1}\n")
	const window = `{"1m": {"count": 2, "total": 926.35, "average": 463.18}}`
	equal("exact", strings.Replace(window, "926.35", "926.36", 1)+"\n", window+"\n")
	equal("json", strings.Replace(window, "926.35", "926.36", 1), window)
	differ("exact", strings.Replace(window, "926.35", "926.45", 1), window)
	differ("exact", strings.Replace(window, `"count": 2`, `"count": 3`, 1), window)
	differ("exact", `{"count": 2, "total": 1.000000}`, `{"count": 2, "total": 1.000001}`)
	equal("json", `{"a": [[[1395954241.0, 1, 0.1]]]}`, `{"a": [[[1395954241.0, 1, 0.10000000149]]]}`)
	differ("json", `{"a": [[[1395954242.0, 1, 0.1]]]}`, `{"a": [[[1395954241.0, 1, 0.1]]]}`)
	equal("trimmed", "a\n", "a")
	differ("trimmed", "a\n\n", "a")
	equal("json", `{"a": 1, "b": [2]}`, `{"b":[2],"a":1}`)
	equal("json", "", "")
	differ("json", "", "{}")
	differ("json", `{"a": 1}`, `{"a": 2}`)
	differ("json", `{"a": 1} x`, `{"a": 1}`)
	equal("lines", "a: {\"x\": 1, \"y\": 2}\nb: 1\n", "a: {\"y\": 2, \"x\": 1}\nb: 1\n")
	differ("lines", "a: {\"x\": 1}\n", "b: {\"x\": 1}\n")
	differ("lines", "a: 1\nb: 1\n", "a: 1\n")
	equal("json_set", `["a", "b"]`, `["b", "a"]`)
	differ("json_set", `["a", "a"]`, `["a"]`)
	equal("json_keys", `{"a": 1, "b": {"c": ["x", "y"]}}`, `{"a": 2, "b": {"c": ["z"]}}`)
	differ("json_keys", `{"a": 1}`, `{"a": "1"}`)
	differ("json_keys", `{"a": 1, "b": 1}`, `{"a": 1}`)
	equal("status", "x", "y")
	differ("something else", "x", "x")
}

func TestDifferencesReplaceWhatIsExpected(t *testing.T) {
	var s Step
	s.Response.Status, s.Response.Body, s.Compare = http.StatusOK, "{}", "exact"
	d := &Difference{Check: "body", Expect: json.RawMessage(`"[]"`)}
	if err := s.check(d, http.StatusOK, "[]"); err != nil {
		t.Error(err)
	}
	if s.check(d, http.StatusOK, "{}") == nil {
		t.Error("the original's answer passed though another is expected")
	}
	if s.check(d, http.StatusNotFound, "[]") == nil {
		t.Error("another status passed")
	}
	d = &Difference{Check: "status", Expect: json.RawMessage("400")}
	if err := s.check(d, http.StatusBadRequest, "whatever"); err != nil {
		t.Error(err)
	}
	if s.check(&Difference{Check: "guess"}, http.StatusOK, "{}") == nil {
		t.Error("an unknown check passed")
	}
}
