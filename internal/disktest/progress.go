package disktest

import (
	"flag"
	"fmt"
	"sync"
	"testing"
	"time"
)

// How often tests cut the power and let operations fail, each.
var (
	Losses = flag.Int("losses", 5000, "power losses that each test of them makes")
	Errors = flag.Int("diskerrors", 200, "disk errors that each test of them makes")
)

// Progress tells now and then how far a test has come, if it takes long.
type Progress struct {
	t    testing.TB
	mu   sync.Mutex
	last time.Time
}

// NewProgress begins with a test. A Progress is safe for concurrent use.
func NewProgress(t testing.TB) *Progress { return &Progress{t: t, last: time.Now()} }

// Report says how far a test has come, at most twice a minute.
func (p *Progress) Report(done, of int, what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); now.Sub(p.last) > 30*time.Second {
		p.last = now
		fmt.Fprintf(p.t.Output(), "%d of %d %s\n", done, of, what)
	}
}
