package query

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/tabaproject/taba/internal/pyjson"
	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/view"
)

// failure is an error with the status it is answered with.
type failure struct {
	status  int
	message string
}

func (f *failure) Error() string { return f.message }

func badRequest(message string) error {
	return &failure{status: http.StatusBadRequest, message: message}
}

// fail answers with err. If part of an answer was sent already it cuts the
// connection: half an answer must not look like a whole one.
func (h *Handler) fail(o *out, err error) {
	if o.sent {
		h.o.Log.Error("an answer could not be finished", "path", o.r.URL.Path, "err", err)
		panic(http.ErrAbortHandler)
	}
	var f *failure
	switch {
	case errors.As(err, &f):
	case errors.Is(err, view.ErrTypes):
		f = &failure{http.StatusBadRequest, err.Error()}
	case errors.Is(err, store.ErrClosed):
		f = &failure{http.StatusServiceUnavailable, "The server is shutting down. Retry later."}
	case errors.Is(err, store.ErrFailed):
		f = &failure{http.StatusServiceUnavailable, "The store has failed and must be reopened. Retry later."}
	case which(err) != "":
		f = &failure{http.StatusServiceUnavailable, capital(which(err)) + " cannot be read now, the server's log says why. Ask with partial=1 for what there is without them, or retry later."}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		f = &failure{http.StatusServiceUnavailable, "The answer took too long. Ask for fewer tabs, or retry later."}
	default:
		h.o.Log.Error("a request failed", "path", o.r.URL.Path, "err", err)
		f = &failure{http.StatusInternalServerError, "Internal error. The server's log says more."}
	}
	if f.status == http.StatusServiceUnavailable {
		o.w.Header().Set("Retry-After", "1")
	}
	Error(o.w, o.r, f.status, f.message)
}

// capital begins a sentence.
func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// Error answers with a status and a sentence, as text or, to those who ask
// for it, as JSON.
func Error(w http.ResponseWriter, r *http.Request, status int, message string) {
	head := w.Header()
	head.Set("X-Content-Type-Options", "nosniff")
	var body []byte
	if acceptOf(r).json() {
		head.Set("Content-Type", typeJSON)
		body = append(pyjson.AppendString(append(body, `{"error": `...), message), '}')
	} else {
		head.Set("Content-Type", typeText)
		body = append(append(body, message...), '\n')
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // who hung up needs no answer
}

// NotFound answers requests that no route takes.
func NotFound(w http.ResponseWriter, r *http.Request) {
	Error(w, r, http.StatusNotFound, "Not found: '"+r.URL.Path+"'")
}
