package ingest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// refusal is an error with what the client is told: an HTTP status and a
// sentence.
type refusal struct {
	status int
	reason string // metric label
	text   string
	retry  time.Duration // when to try again; 0: nothing is said

	tab, client string // that it is about, if it is about some
}

func (e *refusal) Error() string { return e.text }

func refuse(status int, reason, format string, args ...any) *refusal {
	return &refusal{status: status, reason: reason, text: fmt.Sprintf(format, args...)}
}

// asRefusal returns the refusal within err, or one that says that the request
// was malformed.
func asRefusal(err error) *refusal {
	var r *refusal
	if errors.As(err, &r) {
		return r
	}
	return refuse(http.StatusBadRequest, reasonMalformed, "%v", err)
}

// Labels of the counter of refused requests.
const (
	reasonMalformed = "malformed"
	reasonEmpty     = "empty"
	reasonEncoding  = "encoding"
	reasonTooLarge  = "too_large"
	reasonRatio     = "ratio"
	reasonName      = "name"
	reasonLine      = "line"
	reasonSeries    = "series"
	reasonTabs      = "tabs"
	reasonStates    = "states"
	reasonNewTabs   = "new_tabs"
	reasonForget    = "forget"
	reasonFraming   = "framing"
	reasonUpgrade   = "upgrade"
	reasonIdle      = "idle"
	reasonCapacity  = "capacity"
	reasonSlow      = "slow"
	reasonAborted   = "aborted"
	reasonCommit    = "commit"
	reasonMethod    = "method"
	reasonRoute     = "route"
	reasonOtherHome = "other_store"
	reasonToken     = "token"
	reasonScope     = "scope"
	reasonSite      = "cross_site"
)

var requestReasons = []string{
	reasonMalformed, reasonEmpty, reasonEncoding, reasonTooLarge, reasonRatio, reasonName, reasonLine, reasonSeries, reasonTabs, reasonStates, reasonNewTabs, reasonForget, reasonFraming, reasonUpgrade, reasonIdle, reasonCapacity,
	reasonSlow, reasonAborted, reasonCommit, reasonMethod, reasonRoute, reasonOtherHome, reasonToken, reasonScope, reasonSite,
}

// errCapacity is the answer over the byte budget, in the original's words.
var errCapacity = refuse(http.StatusServiceUnavailable, reasonCapacity,
	"Service is temporarily at capacity. Retry later.")

// answer tells the client, in these words.
func (e *refusal) answer(w http.ResponseWriter, r *http.Request, text string) {
	if e.retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(seconds(e.retry)))
	}
	WriteError(w, r, e.status, text)
}

// WriteError answers with status and a sentence: as text, or as
// {"error": "…"} if the request asks for application/json. A 503 carries
// Retry-After.
func WriteError(w http.ResponseWriter, r *http.Request, status int, text string) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	if status == http.StatusServiceUnavailable && h.Get("Retry-After") == "" {
		h.Set("Retry-After", "1")
	}
	if strings.HasPrefix(strings.ToLower(r.Header.Get("Accept")), "application/json") {
		body, _ := json.Marshal(map[string]string{"error": text}) // a map of strings always encodes
		h.Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write(body)
		return
	}
	h.Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = fmt.Fprintln(w, text)
}

// methodNotAllowed answers 405 as the original does, with Allow.
func methodNotAllowed(w http.ResponseWriter, r *http.Request, allow string) {
	w.Header().Set("Allow", allow)
	WriteError(w, r, http.StatusMethodNotAllowed, "Method not allowed. Use "+allow+".")
}

// NotFound answers 404 naming the path. It is an http.HandlerFunc.
func NotFound(w http.ResponseWriter, r *http.Request) {
	WriteError(w, r, http.StatusNotFound, fmt.Sprintf("Not found: '%s'", r.URL.Path))
}
