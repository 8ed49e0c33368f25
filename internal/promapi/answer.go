package promapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/tabaproject/taba/internal/store"
)

// answer is what a request is answered, if nothing is wrong.
type answer struct {
	text  []byte // the data, as JSON
	query string // that notes point into
	notes annotations.Annotations
}

// reply answers with a value that encoding/json knows.
func reply(v any) (*answer, error) {
	text, err := json.Marshal(v)
	return &answer{text: text}, err
}

var errTruncated = errors.New("results truncated due to limit")

// notes says what a query probably means otherwise.
func (s shape) notes() annotations.Annotations {
	notes := annotations.New()
	for _, selector := range s.lonely {
		notes.Add(fmt.Errorf(`%w: %s is over all clients; add client=~".+" to it to tell them apart`, annotations.PromQLInfo, selector))
	}
	return *notes
}

// maxNotes is how many warnings, and how many other notes, an answer has.
const maxNotes = 10

// endpoint answers requests of one kind.
func (a *API) endpoint(f func(context.Context, params) (*answer, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.requests.Add(1)
		x, err := a.ask(w, r, f)
		if err != nil {
			a.refuse(w, r, err)
			return
		}
		body := append([]byte(`{"status":"success","data":`), x.text...)
		warnings, infos := x.notes.AsStrings(x.query, maxNotes, maxNotes)
		body = appendList(body, "warnings", warnings)
		body = appendList(body, "infos", infos)
		write(w, http.StatusOK, append(body, '}'))
	})
}

func appendList(body []byte, name string, list []string) []byte {
	if len(list) == 0 {
		return body
	}
	text, _ := json.Marshal(list) // strings
	return append(append(append(body, `,"`...), name+`":`...), text...)
}

const methods = "GET, HEAD, POST"

// errMethod: the request's method is none of methods.
var errMethod = errors.New("method not allowed; use " + methods)

func (a *API) ask(w http.ResponseWriter, r *http.Request, f func(context.Context, params) (*answer, error)) (*answer, error) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodPost {
		w.Header().Set("Allow", methods)
		return nil, errMethod
	}
	p, err := a.params(w, r)
	if err != nil {
		return nil, err
	}
	return f(r.Context(), p)
}

// problem is how an error is answered.
type problem struct {
	status int
	kind   string // as Prometheus calls it
	text   string
}

func problemOf(err error) problem {
	var (
		data    *badData
		limit   *limitError
		timeout promql.ErrQueryTimeout
		stopped promql.ErrQueryCanceled
		many    promql.ErrTooManySamples
		ours    *storeError
	)
	switch {
	case errors.As(err, &data):
		return problem{http.StatusBadRequest, "bad_data", data.message}
	case errors.Is(err, errNotFound):
		return problem{http.StatusNotFound, "not_found", err.Error()}
	case errors.Is(err, errMethod):
		return problem{http.StatusMethodNotAllowed, "bad_data", err.Error()}
	case errors.Is(err, errTooLarge):
		return problem{http.StatusRequestEntityTooLarge, "bad_data", err.Error()}
	case errors.As(err, &limit):
		return problem{http.StatusUnprocessableEntity, "execution", limit.message}
	case errors.As(err, &many):
		return problem{http.StatusUnprocessableEntity, "execution", err.Error() + "; ask for larger steps or a shorter time, or name more labels"}
	case errors.As(err, &timeout), errors.Is(err, context.DeadlineExceeded):
		return problem{http.StatusServiceUnavailable, "timeout", "the query took too long; name more labels, or ask for larger steps or a shorter time"}
	case errors.As(err, &stopped), errors.Is(err, context.Canceled):
		return problem{http.StatusServiceUnavailable, "canceled", "the query was canceled"}
	case errors.Is(err, store.ErrClosed):
		return problem{http.StatusServiceUnavailable, "unavailable", "the server is shutting down; retry later"}
	case errors.Is(err, store.ErrFailed):
		return problem{http.StatusServiceUnavailable, "unavailable", "the store has failed and must be reopened; retry later"}
	case errors.As(err, &ours):
		return problem{http.StatusInternalServerError, "internal", "internal error; the server's log says more"}
	}
	return problem{http.StatusUnprocessableEntity, "execution", err.Error()}
}

// A storeError is that of a view or a store, and not a query's.
type storeError struct{ error }

func (e *storeError) Unwrap() error { return e.error }

// refuse answers with an error, as Prometheus does.
func (a *API) refuse(w http.ResponseWriter, r *http.Request, err error) {
	a.refused.Add(1)
	p := problemOf(err)
	if p.status == http.StatusInternalServerError {
		a.o.Log.Error("a request failed", "path", r.URL.Path, "err", err)
	}
	if p.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	body, _ := json.Marshal(struct { // strings
		Status string `json:"status"`
		Kind   string `json:"errorType"`
		Text   string `json:"error"`
	}{"error", p.kind, p.text})
	write(w, p.status, body)
}

func write(w http.ResponseWriter, status int, body []byte) {
	head := w.Header()
	head.Set("Content-Type", "application/json")
	head.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body) // who hung up needs no answer
}
