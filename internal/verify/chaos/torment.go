package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"

	"github.com/tabaproject/taba/internal/wait"
)

// Faults are how often what was done.
type Faults struct{ Kills, Stops int }

// tormentor mistreats the processes of a cluster in turn.
type tormentor struct {
	cluster *cluster
	random  *rand.Rand
	say     func(string)
	begun   time.Time

	mu     sync.Mutex
	faults Faults
	err    error // the first thing that went wrong by itself
}

// run begins a fault about every second until ctx ends, and returns when each
// process is up again. Faults overlap: one begins while another lasts. It ends
// early if a process ends by itself or does not come back.
func (t *tormentor) run(ctx context.Context) (Faults, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var under sync.WaitGroup
	all := t.cluster.all()
	for i := 0; ; i++ {
		if wait.For(ctx, t.between(500*time.Millisecond, 1200*time.Millisecond)) != nil {
			break
		}
		p := all[i%len(all)]
		if !p.mu.TryLock() {
			continue // still under its last fault
		}
		fault := t.pick()
		under.Go(func() {
			defer p.mu.Unlock()
			if err := fault(p); err != nil {
				t.fail(err)
				cancel()
			}
		})
	}
	under.Wait()
	return t.faults, t.err
}

// pick chooses a fault and how long it lasts.
func (t *tormentor) pick() func(*process) error {
	if t.random.IntN(2) == 0 {
		down := t.between(0, 600*time.Millisecond)
		return func(p *process) error { return t.kill(p, down) }
	}
	frozen := t.between(200*time.Millisecond, 2*time.Second)
	return func(p *process) error { return t.stop(p, frozen) }
}

// kill ends a process and starts it again.
func (t *tormentor) kill(p *process, down time.Duration) error {
	if err := p.Alive(); err != nil {
		return err
	}
	at := time.Now()
	p.Kill()
	_ = wait.For(context.Background(), down) // it does not end
	if err := p.start(context.Background()); err != nil {
		return err
	}
	t.did(at, p, "kill -9", "ready again", &t.faults.Kills)
	return nil
}

// stop freezes a process: its connections stay open and nobody answers.
func (t *tormentor) stop(p *process, frozen time.Duration) error {
	if err := p.Alive(); err != nil {
		return err
	}
	at := time.Now()
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	_ = wait.For(context.Background(), frozen) // it does not end
	if err := p.Signal(syscall.SIGCONT); err != nil {
		return err
	}
	t.did(at, p, "SIGSTOP", "SIGCONT", &t.faults.Stops)
	return nil
}

// did counts a fault and tells of it.
func (t *tormentor) did(at time.Time, p *process, what, end string, count *int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	*count++
	t.say(fmt.Sprintf("%6.1fs  %-7s  %-8s  %s after %.1f s", time.Since(t.begun).Seconds(), what, p.Name, end, time.Since(at).Seconds()))
}

func (t *tormentor) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil {
		t.err = err
	}
}

func (t *tormentor) between(from, to time.Duration) time.Duration {
	return from + time.Duration(t.random.Int64N(int64(to-from)))
}
