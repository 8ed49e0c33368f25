package ingest

import (
	"net/http"
	"sync"

	"github.com/tabaproject/taba/internal/fold"
	"github.com/tabaproject/taba/internal/wire"
	"github.com/tabaproject/taba/state"
)

// Events serves those who send events by the v2 protocol: POST /v2/batch and
// GET /v2/stream, of agents and servers alike. Like the Handler of v1 it folds
// in the goroutine that reads, and answers after the commit.
type Events struct {
	o         Options
	committer Committer
	parts     *Batches // nil: parts are not taken
	inflater  *inflater
	folders   *pool[*unbundler]
	accs      *pool[*accumulator]

	mu      sync.Mutex     // held when open grows and when stopped is closed
	open    sync.WaitGroup // of streams
	stop    sync.Once
	stopped chan struct{} // closed by Stop
}

// NewEvents returns the Handler of /v2/batch and /v2/stream. Batches that hold
// parts are handed to parts; nil refuses them. A nil types knows no tab.
func NewEvents(reg *state.Registry, c Committer, types TypeTable, parts *Batches, o Options) *Events {
	e := &Events{o: o.withDefaults(), committer: c, parts: parts, inflater: newInflater(), stopped: make(chan struct{})}
	e.o.door = e.o.Metrics.v2
	e.folders = &pool[*unbundler]{
		fresh: func() *unbundler { return newUnbundler(types, &e.o) },
		size:  (*unbundler).size,
	}
	e.accs = &pool[*accumulator]{
		fresh: func() *accumulator { return &accumulator{Accumulator: fold.New(reg)} },
		size:  func(a *accumulator) int { return a.peak },
	}
	return e
}

// Metrics returns what the Events count.
func (e *Events) Metrics() *Metrics { return e.o.Metrics }

// ServeHTTP implements http.Handler.
func (e *Events) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method, serve := http.MethodPost, e.serveBatch
	switch r.URL.Path {
	case "/v2/batch":
	case "/v2/stream":
		method, serve = http.MethodGet, e.serveStream
	default:
		e.o.Metrics.refusedRequest(reasonRoute)
		NotFound(w, r)
		return
	}
	if r.Method != method {
		e.o.Metrics.refusedRequest(reasonMethod)
		methodNotAllowed(w, r, method)
		return
	}
	if err := serve(w, r); err != nil {
		refused := asRefusal(err)
		e.o.Metrics.refusedRequest(refused.reason)
		e.o.noteRequest(refused, r.RemoteAddr)
		refused.answer(w, r, refused.text)
	}
}

// serveBatch takes in one Batch. An error means that nothing was answered.
func (e *Events) serveBatch(w http.ResponseWriter, r *http.Request) error {
	lease := lease{of: e.o.Budget}
	defer lease.free()
	body, err := readAll(r, &e.o, e.inflater, &lease)
	if err != nil {
		return err
	}
	if wire.HasParts(body) {
		return e.serveParts(w, r, body)
	}
	acc := e.accs.get()
	recycle := sync.OnceFunc(func() { e.recycle(acc) }) // others may use it while this request waits
	defer recycle()
	u := e.folders.get()
	defer e.folders.put(u)
	defer u.reset()
	defer u.end()
	if err := u.check(body); err != nil {
		return err
	}
	u.begin(acc.Accumulator, unix(e.o.Now()))
	held := lease.held
	room := func() bool { return lease.hold(held + int64(acc.Size()+u.size())) }
	if err := u.fold(room); err != nil {
		return err
	}
	acc.peak = max(acc.Size(), acc.peak-acc.peak/8)
	if !room() {
		return errCapacity
	}
	lease.leave()
	if !acc.Empty() {
		if err := e.committer.Commit(r.Context(), acc.Accumulator, recycle); err != nil {
			return notStored(err)
		}
	}
	got := u.received()
	got.count(&e.o, r.RemoteAddr)
	if got.header != "" {
		w.Header().Set(HeaderRefused, got.header)
	}
	answer := reply{http.StatusOK, wire.AppendBatchReply(nil, &wire.BatchReply{Events: got.events, Refused: u.tally.wire()})}
	answer.write(w)
	return nil
}

// serveParts hands a Batch of parts on.
func (e *Events) serveParts(w http.ResponseWriter, r *http.Request, body []byte) error {
	if e.parts == nil {
		return refuse(http.StatusBadRequest, reasonOtherHome, "Only servers take parts. Send them there, or events here.")
	}
	answer, err := e.parts.batch(r.Context(), body)
	if err != nil {
		return err
	}
	e.parts.tellLevel(w)
	answer.write(w)
	return nil
}

func (e *Events) recycle(acc *accumulator) {
	if !acc.Empty() { // nothing came of it
		acc.Reset()
	}
	e.accs.put(acc)
}
