package e2e

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// fault is what a proxy does to what passes through it.
type fault string

const (
	pass         fault = "pass"
	delay        fault = "delay"         // everything arrives late
	drop         fault = "drop"          // nothing arrives
	oneWay       fault = "one-way"       // requests arrive, replies do not
	resetRequest fault = "reset request" // the connection breaks before a request arrives
	resetReply   fault = "reset reply"   // … after the request arrived and before its reply does
	cut          fault = "cut"           // half of a request arrives, then the connection ends
	halfClose    fault = "half-close"    // a request arrives, and then the end of what is sent
	replay       fault = "replay"        // what earlier connections sent arrives once more
)

// networkFaults are all of them.
var networkFaults = []fault{delay, drop, oneWay, resetRequest, resetReply, cut, halfClose, replay}

const (
	lateness = 30 * time.Millisecond
	// What a proxy remembers of old connections for replay.
	maxStream  = 1 << 20
	maxStreams = 20
)

// proxy passes TCP connections on to one address and does to them what it is
// told. Its methods may be called concurrently.
type proxy struct {
	upstream string
	listener net.Listener
	links    sync.WaitGroup

	mu      sync.Mutex
	mode    fault
	hits    int // chunks or connections that the mode has been done to
	open    map[*link]bool
	streams [][]byte // what old connections sent
}

// link is one connection and its continuation.
type link struct {
	client, server *net.TCPConn
	lossy          bool   // bytes are missing: it can never be whole again
	sent           []byte // by the client, up to maxStream
}

func startProxy(t *testing.T, upstream string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{upstream: upstream, listener: l, mode: pass, open: map[*link]bool{}}
	p.links.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.closeLinks(func(*link) bool { return true })
		p.links.Wait()
	})
	return p
}

func (p *proxy) url() string { return "http://" + p.listener.Addr().String() }

// set begins a fault; those before it end, and connections that lost bytes
// break.
func (p *proxy) set(f fault) {
	p.mu.Lock()
	p.mode, p.hits = f, 0
	old := p.streams
	p.mu.Unlock()
	p.closeLinks(func(l *link) bool { return l.lossy })
	if f == replay {
		for _, stream := range old {
			p.again(stream)
		}
	}
}

// struck reports whether the fault of now has been done to anything, or a
// reply has passed.
func (p *proxy) struck() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hits > 0 || p.mode == replay && len(p.streams) == 0
}

func (p *proxy) closeLinks(which func(*link) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.open {
		if which(l) {
			l.reset()
		}
	}
}

func (p *proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		s, err := net.Dial("tcp", p.upstream)
		if err != nil {
			_ = c.Close()
			continue
		}
		l := &link{client: c.(*net.TCPConn), server: s.(*net.TCPConn)}
		p.mu.Lock()
		p.open[l] = true
		p.mu.Unlock()
		p.links.Go(func() { p.serve(l) })
	}
}

// serve passes bytes until both directions have ended.
func (p *proxy) serve(l *link) {
	var both sync.WaitGroup
	both.Go(func() { p.pump(l, l.server, l.client, true) })
	both.Go(func() { p.pump(l, l.client, l.server, false) })
	both.Wait()
	_, _ = l.client.Close(), l.server.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, l)
	if len(l.sent) > 0 {
		p.streams = append(p.streams, l.sent)
		p.streams = p.streams[max(0, len(p.streams)-maxStreams):]
	}
}

// pump passes bytes from src to dst as the mode of the moment says.
func (p *proxy) pump(l *link, dst, src *net.TCPConn, request bool) {
	defer dst.CloseWrite()
	buf := make([]byte, 64<<10)
	for {
		n, err := src.Read(buf)
		if n > 0 && !p.chunk(l, dst, buf[:n], request) {
			return
		}
		if err != nil {
			return
		}
	}
}

// chunk passes one chunk on and reports whether there may be another.
func (p *proxy) chunk(l *link, dst *net.TCPConn, b []byte, request bool) bool {
	switch f := p.strike(l, b, request); f {
	case drop, oneWay:
		return true
	case resetRequest, resetReply:
		l.reset()
		return false
	case cut:
		_, _ = dst.Write(b[:len(b)/2])
		l.reset()
		return false
	case halfClose:
		_, _ = dst.Write(b)
		return false
	case delay:
		<-time.After(lateness)
	}
	_, err := dst.Write(b)
	return err == nil
}

// strike decides what is done to a chunk.
func (p *proxy) strike(l *link, b []byte, request bool) fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	if request && len(l.sent)+len(b) <= maxStream {
		l.sent = append(l.sent, b...)
	}
	if l.lossy {
		return drop
	}
	switch p.mode {
	case oneWay, resetReply:
		if request {
			return pass
		}
	case resetRequest, cut, halfClose:
		if !request {
			return pass
		}
	case pass:
		if !request {
			p.hits++
		}
		return pass
	case replay:
		return pass
	}
	l.lossy = p.mode == drop || p.mode == oneWay
	p.hits++
	return p.mode
}

// again sends upstream what a connection sent before, and reads the answers
// for nobody.
func (p *proxy) again(stream []byte) {
	c, err := net.Dial("tcp", p.upstream)
	if err != nil {
		return
	}
	p.mu.Lock()
	p.hits++
	p.mu.Unlock()
	p.links.Go(func() {
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(patience))
		p.links.Go(func() { _, _ = io.Copy(c, bytes.NewReader(stream)); _ = c.(*net.TCPConn).CloseWrite() })
		_, _ = io.Copy(io.Discard, c)
	})
}

// reset breaks both connections as a crash of the network does: with RST.
func (l *link) reset() {
	_ = l.client.SetLinger(0)
	_ = l.server.SetLinger(0)
	_ = l.client.Close()
	_ = l.server.Close()
}
