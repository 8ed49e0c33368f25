package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

const (
	v1Connections = 4
	v1BodyEvents  = 50_000
)

// v1 offers posts over kept connections. Bodies are made beforehand, and times
// in them are set anew every second.
type v1 struct {
	load Load
	to   *target
}

func newV1(l Load, to *target) *v1 {
	if l.Connections == 0 {
		l.Connections = v1Connections
	}
	return &v1{load: l, to: to}
}

// v1Post is a request, and where the seconds in it are.
type v1Post struct {
	text    []byte
	events  int
	seconds []int // positions of ten digits
	ages    []int8
	stamped int64
}

// makePosts makes the requests of connection i: each is of one client and as
// many tabs as it takes, and together they have every series of the
// connection, but at least one.
func makePosts(l Load, i int, url, token string) []*v1Post {
	tabs := max(min(l.unit(max(v1BodyEvents, l.Bundle))/l.Bundle, l.Tabs), 1)
	var posts []*v1Post
	at := 0
	for c := range l.Clients {
		for first := 0; first < l.Tabs; first += tabs {
			if at++; (at-1)%l.Connections == i {
				posts = append(posts, makePost(l, clientName(c), first, min(tabs, l.Tabs-first), url, token))
			}
		}
	}
	if len(posts) == 0 {
		posts = append(posts, makePost(l, clientName(i%l.Clients), 0, tabs, url, token))
	}
	return posts
}

// makePost makes a body as the original's client sends it: events of the last
// few seconds, payloads with a fraction.
func makePost(l Load, client string, first, tabs int, url, token string) *v1Post {
	p := &v1Post{events: tabs * l.Bundle}
	var b bytes.Buffer
	fmt.Fprintf(&b, "1\n\n%s\n\n", client)
	for t := first; t < first+tabs; t++ {
		fmt.Fprintf(&b, "%s\n", tabName(t))
		for e := range l.Bundle {
			b.WriteString(`["CounterGroup", `)
			p.seconds, p.ages = append(p.seconds, b.Len()), append(p.ages, int8((l.Bundle-e)*5/l.Bundle))
			fmt.Fprintf(&b, "0000000000.%02d, \"%d.%d\"]\n", e%100, (e*7919+t)%1000, e%10)
		}
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	head := postHead(url, token, b.Len())
	for i := range p.seconds {
		p.seconds[i] += len(head)
	}
	p.text = append(head, b.Bytes()...)
	return p
}

// postHead is the head of a post of so many bytes.
func postHead(url, token string, length int) []byte {
	r, err := http.NewRequest(http.MethodPost, url+"/post", http.NoBody)
	if err != nil {
		panic(err) // the URL has been dialled
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	r.ContentLength, r.Body = int64(length), io.NopCloser(bytes.NewReader(make([]byte, length)))
	var b bytes.Buffer
	_ = r.Write(&b) // to memory
	return b.Bytes()[:b.Len()-length]
}

// stamp moves the events to the seconds before now.
func (p *v1Post) stamp(now int64) {
	if p.stamped == now {
		return
	}
	p.stamped = now
	var digits [8][]byte // by age
	for age := range digits {
		digits[age] = strconv.AppendInt(nil, now-int64(age), 10)
	}
	for i, at := range p.seconds {
		copy(p.text[at:], digits[p.ages[i]])
	}
}

func (g *v1) run(ctx context.Context, t *tally) error {
	return each(ctx, g.load.Connections, func(ctx context.Context, i int) error { return g.connection(ctx, i, t) })
}

func (g *v1) connection(ctx context.Context, i int, t *tally) error {
	posts := makePosts(g.load, i, g.to.doorOf(i).URL, g.to.token)
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", g.to.doorOf(i).Addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	pace := newPacer(g.load.every(posts[0].events), i, g.load.Connections)
	for n := 0; ; n++ {
		due, ok := pace.wait(ctx)
		if !ok {
			return nil
		}
		p := posts[n%len(posts)]
		p.stamp(time.Now().Unix())
		if g.load.Rate == 0 {
			due = time.Now()
		}
		t.sent.Add(uint64(p.events))
		t.bytes.Add(uint64(len(p.text)))
		if err := Exchange(conn, in, p.text); err != nil {
			return err
		}
		t.acked.Add(uint64(p.events))
		t.ack.note(time.Since(due))
	}
}
