package forward

import (
	"errors"
	"time"
)

// picker chooses the server of each request: the one that worked last, until
// it fails; then the next that is not being left alone. It has no clock.
type picker struct {
	servers  []server
	current  int
	min, max time.Duration  // of the time a failed server is left alone
	jitter   func() float64 // in [0, 1)
}

type server struct {
	url      string
	failures int
	until    time.Duration // left alone
}

func newPicker(urls []string, lo, hi time.Duration, jitter func() float64) (*picker, error) {
	if len(urls) == 0 {
		return nil, errors.New("no server to forward to: name at least one")
	}
	p := &picker{min: lo, max: hi, jitter: jitter}
	for _, u := range urls {
		p.servers = append(p.servers, server{url: u})
	}
	return p, nil
}

// pick returns the server to use now, or how long to wait for one.
func (p *picker) pick(now time.Duration) (i int, wait time.Duration) {
	wait = -1
	for k := range p.servers {
		i := (p.current + k) % len(p.servers)
		left := p.servers[i].until - now
		if left <= 0 {
			p.current = i
			return i, 0
		}
		if wait < 0 || left < wait {
			wait = left
		}
	}
	return -1, wait
}

func (p *picker) worked(i int) { p.servers[i].failures, p.servers[i].until = 0, 0 }

// failed leaves server i alone: for as long as it asked for, else for a time
// that doubles with each failure in a row.
func (p *picker) failed(i int, asked, now time.Duration) {
	s := &p.servers[i]
	wait := p.backoff(s.failures)
	if asked > 0 {
		// Not longer than ten times our own limit, whatever it says; jittered
		// upwards, so that a fleet does not come back at once.
		wait = min(asked, 10*p.max)
		wait += time.Duration(p.jitter() * float64(wait) / 4)
	}
	s.failures++
	s.until = now + wait
	p.current = (i + 1) % len(p.servers)
}

// backoff is a jittered time that doubles with each failure.
func (p *picker) backoff(failures int) time.Duration {
	wait := p.max
	if failures < 30 {
		wait = min(p.max, p.min<<failures)
	}
	return wait/2 + time.Duration(p.jitter()*float64(wait)/2)
}
