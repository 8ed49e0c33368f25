package query

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/tabaproject/taba/internal/query/eval"
	"github.com/tabaproject/taba/internal/query/lang"
	"github.com/tabaproject/taba/internal/store"
)

// Codes of problems: what answers of v2 call them, and counters.
const (
	codeSyntax      = "syntax"            // the query cannot be read
	codeParameter   = "invalid_parameter" // a parameter is not known or has a value that it cannot have
	codeUnsupported = "unsupported"       // what is kept does not tell it
	codeLimit       = "limit"             // it asks for too much
	codeMethod      = "method_not_allowed"
	codeTooLarge    = "too_large" // the request
	codeUnavailable = "unavailable"
	codeElsewhere   = "elsewhere" // another server has to be asked
	codeInternal    = "internal"
)

var codes = []string{codeSyntax, codeParameter, codeUnsupported, codeLimit, codeMethod, codeTooLarge, codeUnavailable, codeElsewhere, codeInternal}

// problem is an error as v2 answers it.
type problem struct {
	status int

	Code    string `json:"code"`
	Message string `json:"message"`
	Column  int    `json:"column,omitempty"` // in the query, from 1
}

func (p *problem) Error() string { return p.Message }

func badParameter(message string) *problem {
	return &problem{status: http.StatusBadRequest, Code: codeParameter, Message: message}
}

// problemOf returns err as v2 answers it. Its second result says that the
// server is to blame.
func problemOf(err error) (p *problem, ours bool) {
	var (
		syntax *lang.Error
		limit  *eval.LimitError
		cannot *eval.CannotError
		f      *failure
	)
	switch {
	case errors.As(err, &p):
		return p, false
	case errors.As(err, &syntax):
		p = &problem{status: http.StatusBadRequest, Code: codeSyntax, Message: syntax.Message, Column: syntax.Column}
		if syntax.Limit {
			p.Code = codeLimit
		}
	case errors.As(err, &limit):
		p = &problem{status: http.StatusBadRequest, Code: codeLimit, Message: limit.Message}
	case errors.As(err, &cannot):
		p = &problem{status: http.StatusBadRequest, Code: codeUnsupported, Message: cannot.Message}
	case errors.As(err, &f) && f.status == http.StatusRequestEntityTooLarge:
		p = &problem{status: f.status, Code: codeTooLarge, Message: f.message}
	case errors.As(err, &f):
		p = &problem{status: f.status, Code: codeParameter, Message: f.message}
	case errors.Is(err, store.ErrClosed):
		p = &problem{status: http.StatusServiceUnavailable, Code: codeUnavailable, Message: "the server is shutting down; retry later"}
	case errors.Is(err, store.ErrFailed):
		p = &problem{status: http.StatusServiceUnavailable, Code: codeUnavailable, Message: "the store has failed and must be reopened; retry later"}
	case which(err) != "":
		p = &problem{status: http.StatusServiceUnavailable, Code: codeUnavailable, Message: which(err) + " cannot be read now, the server's log says why; retry later"}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		p = &problem{status: http.StatusServiceUnavailable, Code: codeUnavailable, Message: "the answer took too long; ask for fewer tabs, or retry later"}
	default:
		return &problem{status: http.StatusInternalServerError, Code: codeInternal, Message: "internal error; the server's log says more"}, true
	}
	return p, false
}

// refuse answers a request of v2 with an error.
func (h *api) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p, ours := problemOf(err)
	if ours {
		h.log.Error("a request failed", "path", r.URL.Path, "err", err)
	}
	h.refused[p.Code].Inc()
	if p.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	body, _ := json.Marshal(map[string]*problem{"error": p}) // strings and a number
	writeJSON(w, p.status, body)
}

// writeJSON answers with a JSON text.
func writeJSON(w http.ResponseWriter, status int, body []byte) {
	head := w.Header()
	head.Set("Content-Type", typeJSON)
	head.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body) // who hung up needs no answer
	_, _ = w.Write([]byte("\n"))
}
