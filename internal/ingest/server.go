package ingest

import (
	"io"
	"net/http"
	"time"
)

// ServerOptions say how long a connection may dawdle. Zero fields mean their
// defaults.
type ServerOptions struct {
	ReadHeaderTimeout time.Duration // until the header is complete: 10 s
	ReadTimeout       time.Duration // for the next bytes of a body to arrive: 30 s
	WriteTimeout      time.Duration // for the next bytes of an answer to be taken: 30 s
	IdleTimeout       time.Duration // between requests: 2 min
	MaxHeaderBytes    int           // 64 KiB
}

func (o ServerOptions) withDefaults() ServerOptions {
	or(&o.ReadHeaderTimeout, 10*time.Second)
	or(&o.ReadTimeout, 30*time.Second)
	or(&o.WriteTimeout, 30*time.Second)
	or(&o.IdleTimeout, 2*time.Minute)
	or(&o.MaxHeaderBytes, 64<<10)
	return o
}

// linger is how long the rest of a body that a handler did not read is waited
// for, so that the answer reaches a client that is still sending.
const linger = time.Second

// NewServer returns an http.Server for h whose deadlines move as long as the
// client makes progress: a large body may take its time, and so may a long
// answer, but nobody may stand still.
func NewServer(h http.Handler, o ServerOptions) *http.Server {
	o = o.withDefaults()
	return &http.Server{
		Handler:           patient(h, o),
		ReadHeaderTimeout: o.ReadHeaderTimeout,
		IdleTimeout:       o.IdleTimeout,
		MaxHeaderBytes:    o.MaxHeaderBytes,
	}
}

// patient gives next a body and a writer that move the deadlines.
func patient(next http.Handler, o ServerOptions) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		out := &patientWriter{ResponseWriter: w, control: control, write: deadline{timeout: o.WriteTimeout, set: control.SetWriteDeadline}}
		out.write.extend()
		defer out.write.extend() // for what is still buffered
		if r.Body != nil && r.Body != http.NoBody {
			in := &patientBody{ReadCloser: r.Body, read: deadline{timeout: o.ReadTimeout, set: control.SetReadDeadline}}
			defer in.abandon()
			copied := *r // as http.StripPrefix does: the request belongs to the server
			copied.Body = in
			r = &copied
		}
		next.ServeHTTP(out, r)
	})
}

// deadline is one that moves, at the cost of a clock reading and, now and
// then, a timer.
type deadline struct {
	timeout time.Duration
	set     func(time.Time) error
	last    time.Time
}

func (d *deadline) extend() {
	if now := time.Now(); now.Sub(d.last) > d.timeout/8 {
		d.last = now
		_ = d.set(now.Add(d.timeout)) // not all connections have one
	}
}

// patientBody moves the read deadline with every read.
type patientBody struct {
	io.ReadCloser
	read   deadline
	ended  bool // all of it was read
	failed bool
}

func (b *patientBody) Read(p []byte) (int, error) {
	b.read.extend()
	n, err := b.ReadCloser.Read(p)
	switch {
	case err == io.EOF && !b.ended:
		// A deadline that passed while the handler works would cancel its
		// request.
		b.ended = true
		_ = b.read.set(time.Time{})
	case err != nil && err != io.EOF:
		b.failed = true
	}
	return n, err
}

// abandon is called when the handler returns: the server reads a little of
// what is left before it answers, and must not wait long for it.
func (b *patientBody) abandon() {
	switch {
	case b.failed:
		_ = b.read.set(time.Unix(1, 0)) // long past: nothing is waited for
	case !b.ended:
		_ = b.read.set(time.Now().Add(linger))
	}
}

// patientWriter moves the write deadline with every write.
type patientWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	write   deadline
}

func (p *patientWriter) Write(b []byte) (int, error) {
	p.write.extend()
	return p.ResponseWriter.Write(b)
}

// Flush implements http.Flusher.
func (p *patientWriter) Flush() {
	p.write.extend()
	_ = p.control.Flush() // not all writers can
}

// Unwrap lets an http.ResponseController reach the connection.
func (p *patientWriter) Unwrap() http.ResponseWriter { return p.ResponseWriter }
