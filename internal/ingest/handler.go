package ingest

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/tabaproject/taba/internal/fold"
	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/trail"
	"github.com/tabaproject/taba/state"
)

// Committer makes Partials durable. Commit takes the contents of acc, calls
// taken, if it is not nil, and returns when they are durable. After an error some
// of them may be. It calls taken at most once, with acc empty, and does not use
// acc afterwards; if it fails early, it may not call taken at all.
type Committer interface {
	Commit(ctx context.Context, acc *fold.Accumulator, taken func()) error
}

// TypeTable knows the Types of tabs.
type TypeTable interface {
	TypeOf(namespace, tab string) (typ string, ok bool)
}

// Handler serves POST /post and POST /post_zip.
type Handler struct {
	o         Options
	committer Committer
	inflater  *inflater
	folders   *pool[*folder]
	accs      *pool[*accumulator]
}

// accumulator is one with the memory that it may hold for reuse.
type accumulator struct {
	*fold.Accumulator
	peak int
}

// New returns a Handler that folds events of the Types in reg and gives the
// Partials to c. A nil types knows no tab.
func New(reg *state.Registry, c Committer, types TypeTable, o Options) *Handler {
	h := &Handler{o: o.withDefaults(), committer: c, inflater: newInflater()}
	h.o.door = h.o.Metrics.v1
	h.folders = &pool[*folder]{
		fresh: func() *folder { return newFolder(types, &h.o) },
		size:  func(f *folder) int { return f.peak },
	}
	h.accs = &pool[*accumulator]{
		fresh: func() *accumulator { return &accumulator{Accumulator: fold.New(reg)} },
		size:  func(a *accumulator) int { return a.peak },
	}
	return h
}

// Metrics returns what the Handler counts.
func (h *Handler) Metrics() *Metrics { return h.o.Metrics }

// Budget returns what bounds the requests in flight.
func (h *Handler) Budget() *Budget { return h.o.Budget }

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/post" && r.URL.Path != "/post_zip" {
		h.o.Metrics.refusedRequest(reasonRoute)
		NotFound(w, r)
		return
	}
	if r.Method != http.MethodPost {
		h.o.Metrics.refusedRequest(reasonMethod)
		methodNotAllowed(w, r, http.MethodPost)
		return
	}
	refused, err := h.post(r)
	if err != nil {
		e := asRefusal(err)
		h.o.Metrics.refusedRequest(e.reason)
		h.o.noteRequest(e, r.RemoteAddr)
		e.answer(w, r, h.words(e))
		return
	}
	if refused != "" {
		w.Header().Set(HeaderRefused, refused)
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusOK)
}

// words is what the client is told: an agent speaks like the original's.
func (h *Handler) words(e *refusal) string {
	if h.o.Agent && e.reason == reasonMalformed {
		return "Could not parse document body\n" + e.text
	}
	return e.text
}

// post takes one body in and commits it. It returns the value of
// HeaderRefused.
func (h *Handler) post(r *http.Request) (refused string, err error) {
	encoding, err := encodingOf(r)
	if err != nil {
		return "", err
	}
	lease := lease{of: h.o.Budget}
	defer lease.free()
	var src source
	defer src.close()
	if err := h.collect(r, &src, &lease); err != nil {
		return "", err
	}
	acc := h.accs.get()
	recycle := sync.OnceFunc(func() { h.recycle(acc) }) // others may use it while this request waits
	defer recycle()
	got, err := h.decode(&src, encoding, acc.Accumulator)
	defer got.claim.settle()
	if err != nil {
		return "", err
	}
	src.close()
	lease.leave()
	acc.peak = max(acc.Size(), acc.peak-acc.peak/8)
	if !lease.hold(int64(acc.Size())) {
		return "", errCapacity
	}
	if !acc.Empty() {
		if err := h.committer.Commit(r.Context(), acc.Accumulator, recycle); err != nil {
			return "", notStored(err)
		}
	}
	got.count(&h.o, r.RemoteAddr)
	return got.header, nil
}

func (h *Handler) recycle(acc *accumulator) {
	if !acc.Empty() { // nothing came of it
		acc.Reset()
	}
	h.accs.put(acc)
}

// encodingOf is the name of the codec of a request's body.
func encodingOf(r *http.Request) (string, error) {
	name, err := codecName(r.Header.Get("Content-Encoding"))
	if err != nil || r.URL.Path != "/post_zip" {
		return name, err
	}
	if name != "" {
		return "", refuse(http.StatusUnsupportedMediaType, reasonEncoding,
			"The body of /post_zip is zlib and takes no Content-Encoding. Use /post with %s.", encodings)
	}
	return "zlib", nil
}

// collect begins to read a body.
func (h *Handler) collect(r *http.Request, src *source, l *lease) error {
	if err := src.open(r, &h.o, l); err != nil {
		return err
	}
	return src.collect(r.Context())
}

// decode reads, decompresses, decodes and folds the body into acc.
func (h *Handler) decode(src *source, encoding string, acc *fold.Accumulator) (received, error) {
	if src.eof && len(src.first) == 0 {
		return received{}, h.nothing()
	}
	var body inflated
	defer h.inflater.close(&body)
	if err := h.inflater.open(&body, src, encoding, &h.o.Limits); err != nil {
		return received{}, err
	}
	f := h.folders.get()
	defer h.folders.put(f)
	got, err := f.run(&body, acc, unix(h.o.Now()))
	if err == nil && got.events+got.refused == 0 {
		err = h.nothing()
	}
	return got, err
}

// nothing is what a document without events gets: a server takes it.
func (h *Handler) nothing() error {
	if h.o.Agent {
		return refuse(http.StatusBadRequest, reasonEmpty, "No events in POST document")
	}
	return nil
}

// received is what became of one body's events.
type received struct {
	events  uint64 // folded
	refused uint64
	clamped uint64
	copied  uint64 // bytes
	reasons []reasonCount
	header  string
	notes   []trail.Note
	claim   claim // to be settled after the commit
}

// count counts them, once they are durable: a request that fails is sent
// again, and its events are then counted.
func (g *received) count(o *Options, sender string) {
	o.Metrics.Requests.Inc()
	g.countEvents(o, sender)
}

func (g *received) countEvents(o *Options, sender string) {
	m := o.Metrics
	m.Events.Add(int(g.events))
	o.door.Events.Add(int(g.events))
	m.Clamped.Add(int(g.clamped))
	m.Copied.Add(int(g.copied))
	for _, r := range g.reasons {
		m.refusedEvents(r.reason, r.n)
	}
	o.note(g.notes, sender)
}

// notStored is the answer when a commit fails. Whatever failed may be mended,
// so the client is asked to try again.
func notStored(err error) error {
	text := "The events were not stored: "
	switch {
	case errors.Is(err, syscall.ENOSPC):
		text += "the disk is full. Free some space; then retry. "
	case errors.Is(err, store.ErrFailed):
		text += "the store has failed and must be restarted. "
	case errors.Is(err, store.ErrClosed):
		text += "the process is stopping. Retry later. "
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		text = "The outcome is not known: the client left before the commit. "
	}
	return refuse(http.StatusServiceUnavailable, reasonCommit, "%s(%v)", text, err)
}

func unix(t time.Time) float64 { return float64(t.UnixNano()) / 1e9 }
