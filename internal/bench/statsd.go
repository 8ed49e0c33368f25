package bench

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
)

const (
	statsdPacket = 1432      // bytes of a datagram: what fits into an Ethernet frame
	statsdWrite  = 64 << 10  // bytes of a write to a stream
	statsdLines  = 1_000_000 // made beforehand at most
)

// statsd offers lines: 60 % counters, 30 % timers and 10 % gauges of Tabs
// names, in random order.
type statsd struct {
	load    Load
	to      *target
	packets []statsdLinesOf
}

// statsdLinesOf is what is written at once.
type statsdLinesOf struct {
	text  []byte
	lines int
}

func newStatsd(l Load, to *target) (*statsd, error) {
	if l.Connections == 0 {
		l.Connections = 1
	}
	size := statsdWrite
	switch l.Transport {
	case "udp":
		size = statsdPacket
	case "tcp", "unix":
	default:
		return nil, fmt.Errorf("there is no statsd over %q; there is udp, tcp and unix", l.Transport)
	}
	const lineBytes = 34 // about
	most := l.unit(max(size/lineBytes*2, l.Bundle))
	return &statsd{load: l, to: to, packets: makePackets(l.Tabs, min(max(3*l.Tabs, 100_000), statsdLines), size, most)}, nil
}

// makePackets makes lines, in packets of up to size bytes and most lines.
func makePackets(names, lines, size, most int) (list []statsdLinesOf) {
	rng := rand.New(rand.NewPCG(1, 2))
	var text []byte
	for range lines {
		line := statsdLine(rng, rng.IntN(names))
		if len(text)+len(line) > size || bytes.Count(text, []byte{'\n'}) == most {
			list = append(list, newPacket(text))
			text = nil
		}
		text = append(text, line...)
	}
	return append(list, newPacket(text))
}

func newPacket(text []byte) statsdLinesOf {
	return statsdLinesOf{text, bytes.Count(text, []byte{'\n'})}
}

func statsdLine(rng *rand.Rand, name int) string {
	switch name % 10 {
	case 0, 1, 2, 3, 4, 5:
		return fmt.Sprintf("shop.checkout.%06d.requests:1|c\n", name)
	case 6, 7, 8:
		return fmt.Sprintf("shop.checkout.%06d.time:%.1f|ms\n", name, 1000*rng.Float64())
	}
	return fmt.Sprintf("shop.checkout.%06d.level:%d|g\n", name, rng.IntN(1000))
}

func (g *statsd) run(ctx context.Context, t *tally) error {
	return each(ctx, g.load.Connections, func(ctx context.Context, i int) error { return g.connection(ctx, i, t) })
}

func (g *statsd) connection(ctx context.Context, i int, t *tally) error {
	conn, err := new(net.Dialer).DialContext(ctx, g.load.Transport, g.to.statsd)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // a write may wait for long
	defer stop()
	pace := newPacer(g.load.every(g.packets[0].lines), i, g.load.Connections)
	for n := i * len(g.packets) / g.load.Connections; ; n++ {
		if _, ok := pace.wait(ctx); !ok {
			return nil
		}
		p := &g.packets[n%len(g.packets)]
		if _, err := conn.Write(p.text); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("send to statsd: %w", err)
		}
		t.sent.Add(uint64(p.lines))
		t.bytes.Add(uint64(len(p.text)))
	}
}
