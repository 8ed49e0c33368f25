package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tabaproject/taba/internal/ingest"
)

// Options are what a process needs besides its configuration.
type Options struct {
	Version string
	Logger  *slog.Logger      // nil: slog.Default
	Ready   func(addr string) // called once, when requests are served; may be nil
	Now     func() time.Time  // nil: time.Now
	// Reload reads the tokens file again whenever something arrives: a token
	// can be added or revoked without a restart. Nil: never.
	Reload <-chan os.Signal
	// FS holds the spool or the store. Nil: the operating system's.
	FS vfs.FS

	instant bool // in tests that set the clock: nothing takes any time
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Ready == nil {
		o.Ready = func(string) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.FS == nil {
		o.FS = vfs.Default
	}
	return o
}

// front is the HTTP side that agents and servers have in common: listener,
// TLS, who may, health, metrics, draining.
type front struct {
	opts    Options
	auth    *ingest.Auth
	mux     *http.ServeMux
	metrics []func(io.Writer)
	health  func() error // nil while the process can do its work
	drains  atomic.Bool
	streams *ingest.Events
	slow    slow
	writes  map[string]bool // the routes that take bodies
	// draining ends answers that would go on for ever; nil: there are none.
	draining func()
}

func newFront(opts Options, auth *ingest.Auth, health func() error) *front {
	f := &front{opts: opts, auth: auth, mux: http.NewServeMux(), health: health, writes: map[string]bool{}}
	f.metrics = append(f.metrics, func(w io.Writer) { f.slow.writeMetrics(w) })
	f.open("/healthz", f.healthz)
	f.open("/-/healthy", f.healthz)
	f.open("/readyz", f.readyz)
	f.open("/-/ready", f.readyz)
	f.open("/version", f.version)
	f.handle("/metrics", ingest.Read, getOnly(f.serveMetrics))
	return f
}

// handle serves a route to those who hold a token of the scope; 0 means
// everybody.
func (f *front) handle(pattern string, scope ingest.Scope, h http.Handler) {
	f.writes[pattern] = scope == ingest.Write
	if scope != 0 {
		h = f.auth.Require(scope, h)
	}
	f.mux.Handle(pattern, h)
}

// events serves the v2 routes for events, whose streams end when the process
// drains.
func (f *front) events(e *ingest.Events, l *Latency) {
	f.handle("/v2/batch", ingest.Write, observed(l, e))
	f.handle("/v2/stream", ingest.Write, e)
	f.streams = e
}

// open serves a route to everybody: probes hold no tokens.
func (f *front) open(pattern string, h http.HandlerFunc) { f.handle(pattern, 0, getOnly(h)) }

func getOnly(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			ingest.WriteError(w, r, http.StatusMethodNotAllowed, "Method not allowed.")
			return
		}
		h(w, r)
	}
}

func (f *front) healthz(w http.ResponseWriter, _ *http.Request) { say(w, "ok") }

func (f *front) readyz(w http.ResponseWriter, r *http.Request) {
	if why := f.unready(); why != "" {
		ingest.WriteError(w, r, http.StatusServiceUnavailable, why)
		return
	}
	say(w, "ok")
}

// unready says why the process is not ready, nothing if it is.
func (f *front) unready() string {
	if f.drains.Load() {
		return "Draining: the process is stopping."
	}
	if err := f.health(); err != nil {
		return "Not ready: " + err.Error()
	}
	return ""
}

func (f *front) version(w http.ResponseWriter, _ *http.Request) { say(w, f.opts.Version) }

func say(w http.ResponseWriter, line string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = fmt.Fprintln(w, line)
}

// serveMetrics writes what every part of the process counts.
func (f *front) serveMetrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	for _, write := range f.metrics {
		write(w)
	}
	ready := uint64(1)
	if f.unready() != "" {
		ready = 0
	}
	metrics.WriteGaugeUint64(w, "taba_ready", ready)
	metrics.WriteProcessMetrics(w)
	writeSwitches(w)
}

func timeouts(l Limits) ingest.ServerOptions {
	return ingest.ServerOptions{
		ReadHeaderTimeout: l.HeaderTimeout,
		ReadTimeout:       l.ReadTimeout,
		WriteTimeout:      l.WriteTimeout,
		IdleTimeout:       l.IdleTimeout,
	}
}

// listener says where and how a process listens and how long it may drain.
type listener struct {
	addr, unix, cert, key string
	limits                Limits
	drain                 time.Duration
}

// serve serves until ctx ends, then refuses new requests and waits for those
// in progress.
func (f *front) serve(ctx context.Context, l listener) error {
	ln, err := net.Listen("tcp", l.addr)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", l.addr, err)
	}
	if l.cert != "" {
		pair, err := tls.LoadX509KeyPair(l.cert, l.key)
		if err != nil {
			_ = ln.Close()
			return fmt.Errorf("load tls_cert %s and tls_key %s: %w", l.cert, l.key, err)
		}
		ln = tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
	}
	srv := ingest.NewServer(f.mux, timeouts(l.limits))
	from, err := f.listeners(srv, ln, l.limits)
	if err != nil {
		_ = ln.Close()
		return err
	}
	defer f.slow.close()
	if l.unix != "" {
		local, err := listenUnix(l.unix)
		if err != nil {
			_ = ln.Close()
			return err
		}
		from = append(from, local)
		f.opts.Logger.Info("listening", "unix", l.unix)
	}
	srv.ErrorLog = slog.NewLogLogger(f.opts.Logger.Handler(), slog.LevelDebug)
	failed := make(chan error, len(from))
	for _, ln := range from {
		go func() { failed <- srv.Serve(ln) }()
	}
	f.opts.Logger.Info("listening", "addr", ln.Addr().String(), "tls", l.cert != "", "tokens", f.auth.Enabled())
	f.opts.Ready(ln.Addr().String())
	for {
		select {
		case err := <-failed:
			return fmt.Errorf("serve on %s: %w", l.addr, err)
		case <-f.opts.Reload:
			f.reload()
		case <-ctx.Done():
			return f.shut(srv, l.drain)
		}
	}
}

// reload reads the tokens again. A file that is bad changes nothing.
func (f *front) reload() {
	if err := f.auth.Reload(); err != nil {
		f.opts.Logger.Error("the tokens stay as they were", "error", err)
		return
	}
	f.opts.Logger.Info("reloaded", "tokens", f.auth.Enabled())
}

func (f *front) shut(srv *http.Server, drain time.Duration) error {
	f.drains.Store(true)
	f.opts.Logger.Info("draining", "at most", drain)
	if f.draining != nil {
		f.draining()
	}
	ctx, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	if f.streams != nil {
		go f.streams.Stop(ctx)
	}
	if f.slow.room != nil {
		srv.SetKeepAlivesEnabled(false)
		f.slow.room.Drain(ctx)
	}
	err := srv.Shutdown(ctx)
	if f.streams != nil {
		f.streams.Stop(ctx)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		f.opts.Logger.Warn("requests were still in progress after drain_timeout; they were not acknowledged", "drain_timeout", drain)
		return srv.Close()
	}
	return err
}
