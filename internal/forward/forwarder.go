package forward

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	mrand "math/rand/v2"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tabaproject/taba/internal/spool"
	"github.com/tabaproject/taba/internal/store"
)

// Folder merges the bodies of records into the bodies of a Batch;
// *fold.Merger is one.
type Folder interface {
	AddBody(body []byte, onBad func(tab store.Tab, client string, events uint64, state []byte, err error)) error
	Size() int
	Encode(p store.Partition, emit func(vb int, body []byte, events uint64))
	Reset()
}

// Options are the settings of a Forwarder. Zero fields take their defaults.
type Options struct {
	Servers   []string  // base URLs; all agents must name them alike
	Transport Transport // required
	Fold      Folder    // required; used by this Forwarder alone
	Config    Config
	// BatchBytes is how large a Batch grows before the next is begun. Records
	// that merge well end one at eight times that: what was read is then sent
	// and released before more is read. Default 8 MiB.
	BatchBytes int
	// BackoffMin and BackoffMax bound how long a failed server is left alone,
	// unless it says: the largest is how late an agent may notice that its
	// server is back, and to be refused a connection costs little. Default 100
	// ms, 5 s.
	BackoffMin, BackoffMax time.Duration
	// Logger is told of reports and failures. Default: nobody.
	Logger *slog.Logger
}

func (o *Options) setDefaults() {
	o.Config.setDefaults()
	if o.BatchBytes == 0 {
		o.BatchBytes = 8 << 20
	}
	if o.BackoffMin == 0 {
		o.BackoffMin = 100 * time.Millisecond
	}
	if o.BackoffMax == 0 {
		o.BackoffMax = 5 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// Forwarder owns a spool and forwards what is appended to it. It is safe for
// concurrent use.
type Forwarder struct {
	o       Options
	log     *spool.Log
	started time.Time
	clock   func() time.Duration // since started

	wake     chan struct{} // the spool went from empty to non-empty, or Close was called
	answers  chan answer   // of requests in flight
	stopped  chan struct{} // the loop has ended
	ctx      context.Context
	cancel   context.CancelFunc
	closing  sync.Once
	closeErr error

	mu       sync.Mutex // of what follows; not held during I/O
	m        *Machine
	picker   *picker
	draining bool
	trouble  trouble
	losses   uint64    // events that were lost or in doubt by then
	lossAt   time.Time // zero: never

	// Of the loop alone.
	flushed  bool          // what replay read is durable
	stalled  time.Duration // nothing local before this time
	looked   time.Duration // when next last looked
	failures int           // of local work in a row
	idle     int           // replies in a row that brought nothing forward
	bodies   map[store.Digest][]byte
}

// Open opens the spool in dir and begins to forward what it holds. Its Notify
// option is used by the Forwarder.
func Open(fs vfs.FS, dir string, so spool.Options, o Options) (*Forwarder, error) {
	started := time.Now()
	f, err := prepare(fs, dir, so, o, func() time.Duration { return time.Since(started) })
	if err != nil {
		return nil, err
	}
	go f.run()
	return f, nil
}

// prepare opens the spool and leaves it to the caller to run the loop.
func prepare(fs vfs.FS, dir string, so spool.Options, o Options, clock func() time.Duration) (*Forwarder, error) {
	o.setDefaults()
	p, err := newPicker(o.Servers, o.BackoffMin, o.BackoffMax, mrand.Float64)
	if err != nil {
		return nil, err
	}
	var token store.Token
	_, _ = rand.Read(token[:]) // never fails
	o.Config.Routes, o.Config.Servers, o.Config.Pause = p.route, p.count, p.pause
	f := &Forwarder{
		o: o, picker: p, m: NewMachine(o.Config, token), started: time.Now(), clock: clock,
		wake: make(chan struct{}, 1), answers: make(chan answer, 1+len(o.Servers)), stopped: make(chan struct{}),
		bodies: make(map[store.Digest][]byte),
	}
	so.Notify = f.poke
	if so.Logger == nil {
		so.Logger = o.Logger
	}
	if f.log, err = spool.Open(fs, dir, so, f.m); err != nil {
		return nil, err
	}
	f.m.Start(f.now())
	f.ctx, f.cancel = context.WithCancel(context.Background())
	return f, nil
}

// Append makes Partials durable and has them forwarded. When it returns nil
// they will be counted exactly once. Its errors are those of spool.Log.
func (f *Forwarder) Append(body []byte, events uint64) error { return f.log.Append(body, events) }

// Close forwards what the spool holds, until it is empty or ctx ends, and
// closes it. What is left is forwarded by the next process; the error then
// tells how much. Append must not be called any more.
func (f *Forwarder) Close(ctx context.Context) error {
	f.closing.Do(func() {
		f.mu.Lock()
		f.draining = true
		f.mu.Unlock()
		f.poke()
		select {
		case <-f.stopped:
		case <-ctx.Done():
			f.cancel()
			<-f.stopped
		}
		f.cancel()
		f.closeErr = f.log.Close()
		if left := f.Status().Backlog; left > 0 {
			f.closeErr = errors.Join(f.closeErr, context.Cause(ctx), fmt.Errorf("%d records wait in the spool for the next start", left))
		}
	})
	return f.closeErr
}

// SetServers has servers come and go: these are the ones there are. An empty list
// changes nothing.
func (f *Forwarder) SetServers(urls []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.picker.set(urls)
}

func (f *Forwarder) now() time.Duration { return f.clock() }

func (f *Forwarder) poke() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// run asks the machine what to do and does it, until nothing is left and the
// Forwarder is being closed.
func (f *Forwarder) run() {
	defer close(f.stopped)
	pending := 0 // requests in flight
	for f.ctx.Err() == nil {
		a := f.next()
		switch {
		case a.Kind == DoNothing:
			if pending == 0 && f.drained() {
				return
			}
			if f.wait() {
				pending--
			}
		case a.Kind >= DoOpen:
			if f.request(a) {
				pending++
			}
		default:
			f.local(a)
		}
	}
	for range pending {
		<-f.answers // its context has ended; leave no goroutine behind
	}
}

// next takes what was appended and returns what to do.
func (f *Forwarder) next() Action {
	now := f.now()
	f.looked = now
	if !f.flush(now) {
		return Action{}
	}
	runs := f.log.Take()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range runs {
		f.m.Appended(r, now)
	}
	a := Action{}
	if now >= f.stalled {
		a = f.m.Next(now)
	}
	if n := f.m.lostNow + f.m.doubtNow; n > f.losses {
		f.losses, f.lossAt = n, f.started.Add(now)
	}
	for _, r := range f.m.Reports() {
		f.o.Logger.Error("forward: "+r.Text, "source", r.Source.String())
		f.trouble.note(r.Text, f.started.Add(now))
	}
	return a
}

// flush makes durable what replay found, before anything of it is sent.
func (f *Forwarder) flush(now time.Duration) bool {
	if f.flushed {
		return true
	}
	if now < f.stalled {
		return false
	}
	if err := f.log.Flush(); err != nil {
		f.stall("sync the spool", err)
		return false
	}
	f.flushed, f.failures = true, 0
	return true
}

// wait waits for an event or until the machine has something to do, and
// reports whether it was the answer to the request in flight. What has become due
// since next looked is due at once.
func (f *Forwarder) wait() (answered bool) {
	now := f.looked
	f.mu.Lock()
	at, ok := f.m.Wake(now)
	f.mu.Unlock()
	if f.stalled > now && (!ok || f.stalled < at) {
		at, ok = f.stalled, true
	}
	var alarm <-chan time.Time
	if ok {
		t := time.NewTimer(at - f.now())
		defer t.Stop()
		alarm = t.C
	}
	select {
	case ans := <-f.answers:
		f.take(ans)
		return true
	case <-f.wake:
	case <-alarm:
	case <-f.ctx.Done():
	}
	return false
}

// drained reports whether the Forwarder is being closed and nothing is left
// to be sent.
func (f *Forwarder) drained() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.draining && f.flushed && f.m.Idle()
}

// stall puts off local work after an error.
func (f *Forwarder) stall(doing string, err error) {
	wait := f.picker.backoff(f.failures)
	f.failures++
	f.stalled = f.now() + wait
	f.complain(fmt.Errorf("%s: %w", doing, err))
}

// complain makes an error visible.
func (f *Forwarder) complain(err error) {
	f.mu.Lock()
	repeated := f.trouble.note(err.Error(), time.Now())
	f.mu.Unlock()
	if !repeated { // once, not at every attempt
		f.o.Logger.Error("forward: " + err.Error())
	}
}
