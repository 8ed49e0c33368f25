package bench

import (
	"bufio"
	"bytes"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/wire"
	"github.com/tabaproject/taba/internal/wire/statsdtext"
)

// allSeries are those that a load has.
func allSeries(l Load) []string {
	var all []string
	for c := range l.Clients {
		for t := range l.Tabs {
			all = append(all, clientName(c)+" "+tabName(t))
		}
	}
	return slices.Sorted(slices.Values(all))
}

func sortedKeys(m map[string]int) []string { return slices.Sorted(maps.Keys(m)) }

func TestFramesHoldWhatTheySay(t *testing.T) {
	f := func(l Load) {
		t.Helper()
		l.Protocol = V2
		g := newV2(l, nil)
		seen := map[string]int{} // by series, connections together
		for i, conn := range g.conns {
			d := wire.NewBatchDecoder(0)
			for _, b := range conn.declare {
				if _, err := d.Begin(b); err != nil {
					t.Fatalf("connection %d declares: %v", i, err)
				}
			}
			now := time.Now().Unix() + 7
			for n, frame := range conn.frames {
				stamp(frame.body, now)
				if _, err := d.Begin(frame.body); err != nil {
					t.Fatalf("connection %d, frame %d: %v", i, n, err)
				}
				got := 0
				for d.Next() == wire.FoundBundle {
					second, count := d.Bundle.NextRun()
					if second != now || count != l.Bundle {
						t.Fatalf("frame %d has a bundle of %d events of second %d, want %d of %d", n, count, second, l.Bundle, now)
					}
					s := d.Series()[d.Bundle.Series]
					seen[s.Client+" "+s.Tab] += count
					got += count
				}
				if got != frame.events || uint64(got) != d.Events() {
					t.Fatalf("frame %d says %d events and has %d", n, frame.events, got)
				}
			}
		}
		if got, want := sortedKeys(seen), allSeries(l); !slices.Equal(got, want) {
			t.Errorf("%+v has %d series, want %d", l, len(got), len(want))
		}
	}
	f(Load{Tabs: 1000, Clients: 10, Bundle: 10})
	f(Load{Tabs: 7, Clients: 3, Bundle: 1000, Connections: 4})
	f(Load{Tabs: 1, Clients: 1, Bundle: 1, Connections: 4})
	f(Load{Tabs: 100, Clients: 2, Bundle: 10, Connections: 2, Unit: 10, Rate: 1000})
	f(Load{Tabs: 5000, Clients: 10, Bundle: 1, Connections: 1})
}

func TestFramesAreAsSmallAsTheRateAsks(t *testing.T) {
	f := func(l Load, want int) {
		t.Helper()
		for _, frame := range newV2(l, nil).conns[0].frames[:3] {
			if frame.events != want {
				t.Errorf("%+v makes frames of %d events, want %d", l, frame.events, want)
			}
		}
	}
	f(Load{Tabs: 10, Clients: 10, Bundle: 10, Connections: 1, Rate: 1000}, 10)
	f(Load{Tabs: 10, Clients: 10, Bundle: 10, Connections: 2, Rate: 1e6}, 5000)
	f(Load{Tabs: 10, Clients: 10, Bundle: 10, Connections: 1, Rate: 1e6, Unit: 10}, 10)
}

// counted is what a v1 body holds.
type countedEvents struct {
	events int
	series map[string]int
	oldest float64
	newest float64
}

func readPost(t *testing.T, text []byte) countedEvents {
	t.Helper()
	_, body, ok := bytes.Cut(text, []byte("\r\n\r\n"))
	if !ok || !bytes.Contains(text, []byte("Content-Length: "+strconv.Itoa(len(body))+"\r\n")) {
		t.Fatalf("the head of a post is wrong: %.200q", text)
	}
	c := countedEvents{series: map[string]int{}, oldest: 1e18}
	for d := wire.NewDecoder(bytes.NewReader(body), wire.Limits{}); ; {
		b, err := d.Next()
		if err != nil {
			break
		}
		if len(b.Bad) > 0 {
			t.Fatalf("a body has bad events: %v", b.Bad[0])
		}
		for _, e := range b.Events {
			c.oldest, c.newest = min(c.oldest, e.Time), max(c.newest, e.Time)
		}
		c.events += len(b.Events)
		c.series[b.Client+" "+b.Tab] += len(b.Events)
	}
	return c
}

func TestPostsHoldWhatTheySay(t *testing.T) {
	f := func(l Load) {
		t.Helper()
		seen := map[string]int{}
		for i := range l.Connections {
			for _, p := range makePosts(l, i, "http://taba:1", "") {
				const now = 1_900_000_000
				p.stamp(now - 100)
				p.stamp(now)
				c := readPost(t, p.text)
				if c.events != p.events || c.oldest < now-5 || c.newest >= now+1 {
					t.Fatalf("a post of %d events has %d, from %f to %f at %d", p.events, c.events, c.oldest, c.newest, now)
				}
				for name, n := range c.series {
					if n != l.Bundle {
						t.Fatalf("%s has %d events, want %d", name, n, l.Bundle)
					}
					seen[name]++
				}
			}
		}
		if got, want := sortedKeys(seen), allSeries(l); !slices.Equal(got, want) {
			t.Errorf("%+v has %d series, want %d", l, len(got), len(want))
		}
	}
	f(Load{Protocol: V1, Tabs: 100, Clients: 10, Bundle: 50, Connections: 4})
	f(Load{Protocol: V1, Tabs: 3, Clients: 1, Bundle: 1, Connections: 2})
	f(Load{Protocol: V1, Tabs: 1000, Clients: 2, Bundle: 100, Connections: 1})
}

func TestPostsCarryTheToken(t *testing.T) {
	p := makePost(Load{Bundle: 1}, "c", 0, 1, "http://taba:1", "secret")
	if !bytes.Contains(p.text, []byte("\r\nAuthorization: Bearer secret\r\n")) {
		t.Errorf("there is no token in %q", p.text)
	}
}

func TestPacketsHoldWhatTheySay(t *testing.T) {
	const names, lines, size, most = 1000, 50_000, 1432, 10
	seen, types := map[string]int{}, map[string]int{}
	total := 0
	for _, p := range makePackets(names, lines, size, most) {
		if len(p.text) > size || p.lines > most {
			t.Fatalf("a packet has %d bytes and %d lines, at most %d and %d are right", len(p.text), p.lines, size, most)
		}
		n := 0
		for line := range bytes.Lines(p.text) {
			m, why := statsdtext.Parse(bytes.TrimSuffix(line, []byte("\n")), 100)
			if why != "" || len(m) != 1 {
				t.Fatalf("%q is refused: %s", line, why)
			}
			name, rest, _ := strings.Cut(string(line), ":")
			_, typ, _ := strings.Cut(strings.TrimSpace(rest), "|")
			seen[name]++
			types[typ]++
			n++
		}
		if n != p.lines {
			t.Fatalf("a packet says %d lines and has %d", p.lines, n)
		}
		total += n
	}
	if total != lines || len(seen) != names {
		t.Errorf("%d lines of %d names, want %d of %d", total, len(seen), lines, names)
	}
	for typ, share := range map[string]float64{"c": 0.6, "ms": 0.3, "g": 0.1} {
		if got := float64(types[typ]) / lines; got < share-0.02 || got > share+0.02 {
			t.Errorf("a share of %.2f is of type %s, want %.2f", got, typ, share)
		}
	}
}

func TestFlightIsBounded(t *testing.T) {
	f := newFlight(100)
	first := time.Now()
	for _, d := range []departure{{first, 60, 1}, {first, 40, 2}} {
		if !f.depart(d) {
			t.Fatal("the flight has ended")
		}
	}
	gone := make(chan bool)
	go func() { gone <- f.depart(departure{first, 1, 3}) }()
	select {
	case <-gone:
		t.Fatal("101 bytes are in flight")
	default:
	}
	if d := f.arrive(); d.events != 1 {
		t.Errorf("frame %d is acknowledged first", d.events)
	}
	if !<-gone {
		t.Error("the flight has ended")
	}
	f.end()
	if f.depart(departure{first, 1000, 4}) {
		t.Error("a frame departs after the end")
	}
}

func TestExchangeTellsTheStatus(t *testing.T) {
	f := func(answer string, want string) {
		t.Helper()
		here, there := net.Pipe()
		defer here.Close()
		go func() {
			defer there.Close()
			_, _ = there.Read(make([]byte, 10))
			_, _ = there.Write([]byte(answer))
		}()
		err := Exchange(here, bufio.NewReader(here), []byte("x"))
		if got := errorText(err); got != want {
			t.Errorf("%q gives %q, want %q", answer, got, want)
		}
	}
	f("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "")
	f("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", "a post was answered 503 Service Unavailable")
	f("nonsense\r\n", `a post was answered "nonsense"`)
	f("", "EOF")
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
