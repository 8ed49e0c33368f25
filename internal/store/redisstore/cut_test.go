package redisstore_test

import (
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/store/redisstore"
)

// proxy passes bytes on to a server, and cuts each connection somewhere: in the
// middle of a part, between parts, or before the answer.
type proxy struct {
	addr string
	to   string
	cuts sync.WaitGroup
	l    net.Listener
	rng  *rand.Rand
	mu   sync.Mutex
	calm bool // nothing is cut any more
}

func newProxy(t *testing.T, to string, seed uint64) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{addr: l.Addr().String(), to: to, l: l, rng: rand.New(rand.NewPCG(seed, 1))}
	p.cuts.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.cuts.Wait()
	})
	return p
}

func (p *proxy) accept() {
	for {
		c, err := p.l.Accept()
		if err != nil {
			return
		}
		s, err := net.Dial("tcp", p.to)
		if err != nil {
			_ = c.Close()
			continue
		}
		p.cuts.Go(func() { p.pass(s, c, p.limit()) })
		p.cuts.Go(func() { p.pass(c, s, p.limit()) })
	}
}

// limit is how many bytes pass before the connection is cut: enough, most of
// the time, to connect and do something.
func (p *proxy) limit() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.calm {
		return 1 << 60
	}
	return 4<<10 + p.rng.Int64N(64<<10)
}

func (p *proxy) pass(to, from net.Conn, limit int64) {
	_, _ = io.CopyN(to, from, limit) // however it ends
	_ = to.Close()
	_ = from.Close()
}

func (p *proxy) calmDown() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calm = true
}

// TestCutConnections: connections end in the middle of commits to several
// vbuckets, again and again, of two servers at once. What was acknowledged is
// there, once.
func TestCutConnections(t *testing.T) {
	t.Parallel()
	r := redis(t)
	direct := open(t, redisstore.Options{Addrs: []string{r.addr}, VBuckets: 4})
	o := redisstore.Options{Addrs: []string{newProxy(t, r.addr, 1).addr}, Timeout: time.Second}
	other := newProxy(t, r.addr, 2)
	l := burden(t, 4, direct, open(t, o), open(t, redisstore.Options{Addrs: []string{other.addr}, Timeout: time.Second}))
	const often = 100
	if !within(*patience, func() bool { return l.failed.Load() > often }) {
		t.Errorf("only %d parts were sent again", l.failed.Load())
	}
	other.calmDown()
	l.finish()
}
