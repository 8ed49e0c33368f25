package query

import (
	"errors"
	"net/http"
	"strings"

	"github.com/tabaproject/taba/internal/view"
	"github.com/tabaproject/taba/state"
)

const (
	typeText = "text/plain; charset=utf-8"
	typeJSON = "application/json"
)

// flushBytes is how much of an answer is collected before it is sent.
const flushBytes = 64 << 10

// out is the answer to one request. Append to buf, then call spill or flush.
type out struct {
	w    http.ResponseWriter
	r    *http.Request
	buf  []byte
	json bool // what buf holds is JSON
	sent bool // some of the answer, and with it the status

	lacks *view.Lacks // what the answer lacks; nil: it must not lack anything
	said  bool        // that it lacks something
}

// missingHeader of an answer names the vbuckets that it lacks.
const missingHeader = "X-Taba-Missing"

// spill sends what was collected once it is enough.
func (o *out) spill() error {
	if len(o.buf) < flushBytes {
		return nil
	}
	return o.flush()
}

// flush sends what was collected.
func (o *out) flush() error {
	if !o.sent {
		head := o.w.Header()
		head.Set("Content-Type", typeText)
		if o.json {
			head.Set("Content-Type", typeJSON)
		}
		head.Set("X-Content-Type-Options", "nosniff")
		if err := o.lacks.Err(); err != nil {
			head.Set(missingHeader, which(err))
			o.said = true
		}
		o.sent = true
	}
	_, err := o.w.Write(o.buf)
	o.buf = o.buf[:0]
	return err
}

// end sends the rest. An answer that turned out to lack something after it was
// begun without saying so is none.
func (o *out) end() error {
	if err := o.lacks.Err(); err != nil && o.sent && !o.said {
		return err
	}
	return o.flush()
}

// which names the vbuckets of an UnreadError.
func which(err error) string {
	if e, ok := errors.AsType[*view.UnreadError](err); ok {
		return e.Which()
	}
	return ""
}

func (o *out) text(s string) { o.buf = append(o.buf, s...) }

// started is the answer to commands that go on after it.
func (o *out) started() error {
	o.text("Started\n")
	return nil
}

// accept is what a request wants, in lower case. v1 compares the whole header:
// a list of types asks for none of them.
type accept string

func acceptOf(r *http.Request) accept {
	a := r.Header.Get("Accept")
	if a == "" || a == "*/*" {
		return "text/plain"
	}
	return accept(strings.ToLower(a))
}

func (o *out) accept() accept { return acceptOf(o.r) }

// json reports whether answers about tabs are JSON.
func (a accept) json() bool { return a == "application/json" || a == "application/json-detailed" }

// onlyJSON reports whether lists of names are JSON: v1 takes one spelling.
func (a accept) onlyJSON() bool { return a == "application/json" }

// notText reports whether answers about the server are JSON, which there is
// what v1 answers to anything it does not know.
func (a accept) notText() bool { return a != "text/plain" }

func (a accept) format() state.Format {
	switch a {
	case "application/json":
		return state.JSON
	case "application/json-detailed":
		return state.Detailed
	}
	return state.Text
}
