package fleet

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tabaproject/taba/internal/wait"
)

// ErrBusy is what Config.Post returns when the receiver is over capacity and
// has surely taken nothing.
var ErrBusy = errors.New("receiver is over capacity")

// Config is the settings of a Fleet. Zero fields take their defaults.
type Config struct {
	Clients  int           // processes; 240
	Requests float64       // bid requests a second, all together; 5,000: about 15,000 events
	Flush    time.Duration // how often a process posts; 500 ms
	Seed     uint64
	// Post sends one v1 body. It returns nil when the body was acknowledged,
	// ErrBusy when it was surely not taken, else the outcome is unknown.
	Post func(ctx context.Context, body []byte) error
	Now  func() time.Time // time.Now
}

// Fleet drives Processes in real time.
type Fleet struct {
	cfg       Config
	processes []*Process
	start     time.Time
	tally     tally
}

// New returns a Fleet that has not started.
func New(cfg Config) *Fleet {
	if cfg.Clients <= 0 {
		cfg.Clients = 240
	}
	if cfg.Requests <= 0 {
		cfg.Requests = 5000
	}
	if cfg.Flush <= 0 {
		cfg.Flush = 500 * time.Millisecond
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	f := &Fleet{cfg: cfg}
	for i := range cfg.Clients {
		f.processes = append(f.processes, newProcess(i, cfg.Clients, cfg.Requests/float64(cfg.Clients), cfg.Seed))
	}
	return f
}

// Run simulates until ctx ends, then posts what is left; it returns when every
// post has been answered or settle has passed.
func (f *Fleet) Run(ctx context.Context, settle time.Duration) {
	f.start = f.cfg.Now()
	last, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	context.AfterFunc(ctx, func() { time.AfterFunc(settle, cancel) })
	var wg sync.WaitGroup
	for i, p := range f.processes {
		phase := f.cfg.Flush * time.Duration(i) / time.Duration(len(f.processes))
		wg.Go(func() { f.drive(ctx, last, p, phase) })
	}
	wg.Wait()
}

// Counts returns what has been recorded and acknowledged so far.
func (f *Fleet) Counts() Counts { return f.tally.read() }

// drive runs one process: every Flush a step and a post. Posts use last, which
// outlives ctx, so that a stop does not cut one off.
func (f *Fleet) drive(ctx, last context.Context, p *Process, phase time.Duration) {
	if wait.For(ctx, phase) != nil {
		return
	}
	ticker := time.NewTicker(f.cfg.Flush)
	defer ticker.Stop()
	enc := &encoder{}
	for then := f.start.Add(phase); ; {
		ended := !tick(ctx, ticker.C)
		now := f.cfg.Now()
		p.Step(now, now.Sub(f.start), now.Sub(then))
		then = now
		f.post(last, p, enc)
		if ended {
			return
		}
	}
}

// post sends what p recorded, again and again while the receiver is busy.
func (f *Fleet) post(ctx context.Context, p *Process, enc *encoder) {
	body, counts := enc.encode(p.Name(), p.Take())
	if body == nil {
		return
	}
	f.tally.recorded(counts)
	for {
		err := f.cfg.Post(ctx, body)
		switch {
		case err == nil:
			f.tally.acknowledged(counts)
			return
		case errors.Is(err, ErrBusy) && wait.For(ctx, f.cfg.Flush) == nil:
			continue
		case errors.Is(err, ErrBusy):
			f.tally.lost(counts)
		default:
			f.tally.inDoubt(counts, err)
		}
		return
	}
}

// tick waits for the next tick; false: ctx ended.
func tick(ctx context.Context, c <-chan time.Time) bool {
	select {
	case <-c:
		return true
	case <-ctx.Done():
		return false
	}
}
