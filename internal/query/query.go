// Package query is the HTTP API for reading and operating a server: the whole
// API of Taba v1, byte-compatible, and an audit that v1 did not have. It
// parses, asks package view and renders.
//
// # Concurrency and back-pressure
//
// A Handler is safe for concurrent use and keeps nothing between requests but
// the last audit. Answers are written as they are rendered, in pieces of
// 64 KiB; an answer that has to be sorted first is held in memory up to
// Options.MaxAnswer. A reader that is slow holds one such piece and no lock. If
// the store fails in the middle of an answer the connection is cut, so that
// half an answer never looks like a whole one.
package query

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/tabaproject/taba/internal/query/eval"
	"github.com/tabaproject/taba/internal/query/lang"
	"github.com/tabaproject/taba/internal/view"
)

// Options of a Handler. View and Compactor are needed.
type Options struct {
	View      *view.View
	Compactor *view.Compactor

	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Latency returns the median seconds from receipt to commit and from
	// commit to visibility; nil means none is known. Answers are rendered as
	// of that much before now.
	Latency func() (enqueue, processed float64)
	// Name and Roles are what /servers and /status say of this server.
	Name  string
	Roles []string
	// Servers returns all servers that share the store, this one among them,
	// sorted by name; nil: there is only this one, and nobody shares its store.
	Servers func() []Server
	// Compact lets all servers compact, and renew what earlier releases wrote;
	// nil: the Compactor is asked.
	Compact func(renew bool)
	// Notice is what an operator should know, which /status tells after v1's
	// figures: a sentence, or nothing. Nil: there is never anything.
	Notice func() string
	// Self is what the process tells of itself; its Known, Latency, Name, Now and
	// Log are those of the Handler.
	Self SelfOptions
	// MaxAnswer bounds answers that have to be held in memory, in bytes; 0
	// means 256 MiB.
	MaxAnswer int
	// MaxStates and MaxGroups bound what one query may read and make; 0 means
	// what package eval says.
	MaxStates, MaxGroups int
	// MaxBody bounds parameters sent in a request's body, in bytes; 0 means
	// 1 MiB.
	MaxBody int64
	// Log is told of failures and audits; nil means nobody is.
	Log *slog.Logger
}

// Scope is what a caller must be allowed to do.
type Scope string

// Scopes that routes ask for.
const (
	Open  Scope = ""      // anybody
	Read  Scope = "read"  // look
	Admin Scope = "admin" // change, delete, or make the server work hard
)

// Route is one route with the Scope it needs. Pattern is one of
// http.ServeMux; methods are checked by the Handler.
type Route struct {
	Pattern string
	Scope   Scope
	Handler http.Handler
	Endless bool // answers go on until somebody ends them
}

// Handler answers requests. Use Routes to put authentication in front of it.
type Handler struct {
	api
	o    Options
	mux  *http.ServeMux
	self *Self

	eval   *eval.Evaluator
	live   *live
	counts *counts

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	jobs   sync.WaitGroup // audits in the background

	mu       sync.Mutex // guards what follows
	auditing bool
	last     *Audit
	closed   bool
}

// New returns a Handler. Close it to end what it does in the background.
func New(o Options) *Handler {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Latency == nil {
		o.Latency = func() (float64, float64) { return 0, 0 }
	}
	if o.Compact == nil {
		o.Compact = func(renew bool) {
			if o.Compactor.AskCompact(); renew {
				o.Compactor.AskRenew()
			}
		}
	}
	if o.MaxAnswer <= 0 {
		o.MaxAnswer = 256 << 20
	}
	if o.MaxBody <= 0 {
		o.MaxBody = 1 << 20
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	h := &Handler{o: o, mux: http.NewServeMux()}
	h.eval = eval.New(eval.Options{View: o.View, Now: o.Now, Latency: func() float64 {
		enqueue, processed := o.Latency()
		return enqueue + processed
	}, MaxBytes: int64(o.MaxAnswer), MaxStates: o.MaxStates, MaxGroups: o.MaxGroups})
	h.live = newLive(func(ctx context.Context, q *lang.Query) (*eval.Answer, error) {
		h.counts.pushed.Inc()
		return h.eval.Eval(ctx, q, eval.Page{})
	}, o.Now)
	h.counts = newCounts(h.live.watching)
	h.api = api{maxBody: o.MaxBody, log: o.Log, refused: h.counts.refused}
	h.self = h.newSelf(o.Self)
	h.ctx, h.cancel = context.WithCancel(context.Background())
	for _, r := range h.Routes() {
		h.mux.Handle(r.Pattern, r.Handler)
	}
	return h
}

// newSelf returns what tells of the server that h is of.
func (h *Handler) newSelf(o SelfOptions) *Self {
	o.Kind, o.Name, o.Known, o.Latency, o.Now = "server", h.o.Name, known{h}, h.o.Latency, h.o.Now
	return newSelf(o, h.api)
}

// ServeHTTP answers without asking who is calling.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.mux.ServeHTTP(w, r) }

// Close ends background work and returns when it has ended.
func (h *Handler) Close() {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.cancel()
	h.live.close()
	h.jobs.Wait()
}

// Routes returns all routes. The last one answers everything that has none.
func (h *Handler) Routes() []Route {
	route := func(path string, scope Scope, answer endpoint, params ...string) Route {
		return Route{Pattern: path, Scope: scope, Handler: h.endpoint(answer, params)}
	}
	v1 := []Route{
		route("/tabs", Read, h.tabs, "name", "client", "re", "raw", "partial"),
		route("/projection", Read, h.projection, "name", "client", "re", "raw", "partial"),
		route("/supertabs", Read, h.superTabs, "name", "client", "re", "raw", "partial"),
		route("/clients", Read, h.clients, "client", "re", "partial"),
		route("/names", Read, h.names, "name", "client", "re", "partial"),
		route("/types", Read, h.types, "name", "re", "partial"),
		route("/ids", Read, h.ids, "partial"),
		route("/status", Read, h.status),
		route("/servers", Read, h.servers),
		route("/latency", Read, h.latency),
		route("/recompute", Admin, h.recompute),
		route("/gc", Admin, h.gc),
		route("/upgrade", Admin, h.upgrade),
		route("/flush_all", Admin, h.flushAll),
		route("/delete", Admin, h.delete, "name"),
		route("/check", Admin, h.check, "dry"),
		route("/v2/check", Admin, h.checkNow),
	}
	return append(slices.Concat(v1, h.v2Routes(), h.self.Routes(), h.pages()), Route{Pattern: "/", Scope: Open, Handler: http.HandlerFunc(NotFound)})
}

// endpoint answers one kind of request; what it returns becomes the status.
type endpoint func(o *out, p *params) error

// methods that every endpoint takes, as v1 does: old scripts post parameters
// where others get.
const methods = "GET, HEAD, POST"

func (h *Handler) endpoint(answer endpoint, names []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodPost {
			w.Header().Set("Allow", methods)
			Error(w, r, http.StatusMethodNotAllowed, "Method not allowed: use "+methods)
			return
		}
		o := &out{w: w, r: r}
		p, err := parse(w, r, names, h.o.MaxBody)
		if err == nil {
			err = answer(o, p)
		}
		if err == nil {
			err = o.end()
		}
		if err != nil {
			h.fail(o, err)
		}
	})
}

// seconds is t as States count time.
func seconds(t time.Time) float64 {
	return float64(t.Unix()) + float64(t.Nanosecond())/1e9
}

// request returns what to ask the View.
func (h *Handler) request(o *out, p *params) (view.Request, error) {
	now := seconds(h.o.Now())
	enqueue, processed := h.o.Latency()
	r := view.Request{Now: now, At: now - enqueue - processed, Format: o.accept().format()}
	var err error
	if r.Names, err = p.selector("name"); err != nil {
		return r, err
	}
	if p.flag("partial") {
		o.lacks = &view.Lacks{}
		r.Lacks = o.lacks
	}
	r.Clients, err = p.selector("client")
	return r, err
}
