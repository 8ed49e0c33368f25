package forward

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func cluster(n int) (urls []string) {
	for i := range n {
		urls = append(urls, fmt.Sprintf("http://server-%d:8300", i))
	}
	return urls
}

func newTestPicker(t *testing.T, urls []string, jitter func() float64) *picker {
	t.Helper()
	p, err := newPicker(urls, 100*time.Millisecond, 5*time.Second, jitter)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func half() float64 { return 0.5 }

// shares counts the vbuckets of each server.
func shares(routes []int, servers int) []int {
	n := make([]int, servers)
	for _, i := range routes {
		n[i]++
	}
	return n
}

// moved counts the vbuckets that have another server.
func moved(a, b []int) (n int) {
	for i := range a {
		if a[i] != b[i] {
			n++
		}
	}
	return n
}

// TestRoutesAgree: all agents send a vbucket's parts to the same server, in
// whatever order servers are named, and no server has more than its share.
func TestRoutesAgree(t *testing.T) {
	for _, c := range []struct{ servers, vbuckets int }{{1, 16}, {2, 16}, {3, 16}, {3, 1}, {5, 64}, {7, 256}, {40, 16}} {
		urls := cluster(c.servers)
		want := newTestPicker(t, urls, half).route(c.vbuckets, 0)
		for i, n := range shares(want, c.servers) {
			if most := (c.vbuckets + c.servers - 1) / c.servers; n > most {
				t.Errorf("%d vbuckets, %d servers: %d of them at server %d, want %d at most", c.vbuckets, c.servers, n, i, most)
			}
		}
		reversed := slices.Clone(urls)
		slices.Reverse(reversed)
		got := newTestPicker(t, reversed, half).route(c.vbuckets, 0)
		for vb := range got {
			if reversed[got[vb]] != urls[want[vb]] {
				t.Errorf("%d vbuckets, %d servers: vbucket %d goes to %s and to %s", c.vbuckets, c.servers, vb, reversed[got[vb]], urls[want[vb]])
			}
		}
	}
}

// TestRoutesOfAServerThatFails move to others, the others' stay mostly where they
// are, and it gets its own back when it works again.
func TestRoutesOfAServerThatFails(t *testing.T) {
	const servers, vbuckets = 5, 60
	p := newTestPicker(t, cluster(servers), half)
	before := slices.Clone(p.route(vbuckets, 0))
	p.failed(p.servers[2], 0, 0)
	during := slices.Clone(p.route(vbuckets, time.Millisecond))
	if n := shares(during, servers); n[2] != 0 || slices.Max(n) > vbuckets/(servers-1) {
		t.Errorf("server 2 failed, and the shares are %v", n)
	}
	if n := moved(before, during); n > vbuckets/servers*2 {
		t.Errorf("%d of %d vbuckets have moved as one of %d servers failed", n, vbuckets, servers)
	}
	now := time.Second
	p.route(vbuckets, now)
	p.worked(p.servers[2], time.Millisecond, now)
	if n := shares(p.route(vbuckets, now), servers); n[2] == 0 || n[2] > vbuckets/servers/2 {
		t.Errorf("server 2 is back, and the shares are %v: want it to begin with less than its own", n)
	}
	for ; now < time.Minute; now += 100 * time.Millisecond {
		for i := range servers {
			p.worked(p.servers[i], time.Millisecond, now)
		}
		p.route(vbuckets, now)
	}
	if n := moved(before, p.route(vbuckets, now)); n != 0 {
		t.Errorf("a minute later %d vbuckets are elsewhere than at first", n)
	}
}

// modelled is servers that take their time: a request waits for those before it,
// and for as long as its parts take.
type modelled struct {
	perPart []time.Duration
	busy    []time.Duration // until then
}

func (m *modelled) send(i, parts int, now time.Duration) (took time.Duration) {
	m.busy[i] = max(m.busy[i], now) + time.Duration(parts)*m.perPart[i]
	return m.busy[i] - now
}

// TestRoutesFollowLoad simulates agents whose Batches have a part for every
// vbucket. A server that becomes slow loses vbuckets, so that a Batch takes not
// much longer than it must, nothing swings back and forth, and when the server is
// fast again all is as at first.
func TestRoutesFollowLoad(t *testing.T) {
	const servers, vbuckets, agents = 4, 64, 40
	random := rand.New(rand.NewPCG(1, 2))
	var all []*picker
	for range agents {
		all = append(all, newTestPicker(t, cluster(servers), random.Float64))
	}
	m := &modelled{perPart: make([]time.Duration, servers), busy: make([]time.Duration, servers)}
	for i := range m.perPart {
		m.perPart[i] = 20 * time.Microsecond
	}
	first := slices.Clone(all[0].route(vbuckets, 0))
	last := map[*picker][]int{}
	now := time.Duration(0)
	// period runs the agents, each of which has a Batch about every 100 ms, and
	// returns how long one took at the end, at the median, and how many vbuckets
	// moved for each agent.
	period := func(d time.Duration) (median time.Duration, moves float64) {
		var took []time.Duration
		total := 0
		for end := now + d; now < end; now += 100 * time.Millisecond {
			at := make([]time.Duration, agents)
			for k := range at {
				at[k] = now + time.Duration(random.Int64N(int64(100*time.Millisecond)))
			}
			slices.Sort(at)
			for k, turn := range random.Perm(agents) {
				p, at := all[turn], at[k]
				routes := p.route(vbuckets, at)
				total += moved(last[p], routes)
				last[p] = slices.Clone(routes)
				worst := time.Duration(0)
				for i, n := range shares(routes, servers) {
					if n == 0 {
						continue
					}
					one := m.send(i, n, at)
					p.worked(p.servers[i], one, at+one)
					worst = max(worst, one)
				}
				if end-now < d/4 {
					took = append(took, worst)
				}
			}
		}
		slices.Sort(took)
		return took[len(took)/2], float64(total) / agents
	}
	for _, p := range all {
		last[p] = slices.Clone(first)
	}
	good, moves := period(time.Minute)
	if moves != 0 {
		t.Errorf("all servers are alike, and %.1f vbuckets of an agent have moved", moves)
	}
	m.perPart[1] *= 8 // 40 agents x 16 parts x 160 us is more than 100 ms have
	slow, moves := period(2 * time.Minute)
	t.Logf("a Batch takes %v, with a slow server %v, after %.1f moves", good, slow, moves)
	if slow > 8*good {
		t.Errorf("with a slow server a Batch takes %v, want nearly the %v as before", slow, good)
	}
	_, moves = period(2 * time.Minute)
	if moves > vbuckets {
		t.Errorf("the server is as slow as before, and %.1f vbuckets of an agent have moved within 2 minutes", moves)
	}
	m.perPart[1] /= 8
	period(12 * time.Minute)
	again, moves := period(time.Minute)
	if again > 2*good || moves > 1 {
		t.Errorf("when all are fast again a Batch takes %v, and %.1f vbuckets move; at first %v", again, moves, good)
	}
	for i, p := range all {
		if n := moved(first, p.route(vbuckets, now)); n != 0 {
			t.Errorf("agent %d sends %d vbuckets elsewhere than at first", i, n)
			break
		}
	}
}

// TestNoStampede: many agents wait for a cluster that is away. They ask less
// often the longer it takes, and when it is back not all at once.
func TestNoStampede(t *testing.T) {
	const servers, agents = 3, 2000
	random := rand.New(rand.NewPCG(3, 4))
	outage := time.Minute
	tick := 10 * time.Millisecond
	asked := map[time.Duration]int{} // per tick
	back := map[int]bool{}
	var all []*picker
	for range agents {
		all = append(all, newTestPicker(t, cluster(servers), random.Float64))
	}
	for now := time.Duration(0); now < outage+10*time.Second; now += tick {
		for k, p := range all {
			i, _ := p.pick(now)
			if i < 0 || back[k] {
				continue
			}
			asked[now]++
			if now < outage {
				p.failed(p.servers[i], 0, now)
				continue
			}
			p.worked(p.servers[i], time.Millisecond, now)
			back[k] = true
		}
	}
	if len(back) != agents {
		t.Errorf("%d of %d agents are back", len(back), agents)
	}
	most := 0
	for now, n := range asked {
		if now > outage/2 {
			most = max(most, n)
		}
	}
	// They are spread over seconds: a hundredth of them in a hundredth of a second
	// is far from it.
	if most > agents/50 {
		t.Errorf("%d of %d agents ask within %v", most, agents, tick)
	}
}

// TestServersComeAndGo: what is known of those that stay is kept, and only what
// must move moves.
func TestServersComeAndGo(t *testing.T) {
	const vbuckets = 60
	urls := cluster(5)
	p := newTestPicker(t, urls[:4], half)
	before := slices.Clone(p.route(vbuckets, 0))
	p.failed(p.servers[1], 0, 0)
	p.set(urls)
	if p.servers[1].failures != 1 {
		t.Error("a server that stays was forgotten")
	}
	p.servers[1].until, p.servers[1].level = 0, 0
	p.changed = true
	after := p.route(vbuckets, time.Minute)
	if n := shares(after, 5); slices.Max(n) > vbuckets/5 {
		t.Errorf("the shares of five servers are %v", n)
	}
	if n := moved(before, after); n > vbuckets/2 {
		t.Errorf("%d of %d vbuckets have moved as a fifth server came", n, vbuckets)
	}
	gone := p.servers[0]
	p.set(urls[1:])
	p.worked(gone, time.Millisecond, time.Minute) // a late answer
	p.failed(gone, 0, time.Minute)
	if i, _ := p.pick(time.Minute); p.servers[i].url == gone.url {
		t.Error("a server that is gone is sent to")
	}
	p.set(nil)
	if len(p.servers) != 4 {
		t.Errorf("no name has an address, and %d servers are left", len(p.servers))
	}
}

// TestRoutesStandNoise: answers that take now longer and now less, the same for
// all servers, move next to nothing, and a failover that holds up everything moves
// nothing for long.
func TestRoutesStandNoise(t *testing.T) {
	const servers, vbuckets = 3, 16
	random := rand.New(rand.NewPCG(5, 6))
	p := newTestPicker(t, cluster(servers), random.Float64)
	first := slices.Clone(p.route(vbuckets, 0))
	batches, away := 0, 0
	for now := time.Duration(0); now < 10*time.Minute; now += 20 * time.Millisecond {
		batches++
		if n := moved(first, p.route(vbuckets, now)); n > 0 {
			away++
		}
		for i, s := range p.servers {
			if took := time.Duration(5e6 * math.Exp(random.NormFloat64()/2)); now%time.Minute == 0 && i != 1 {
				p.worked(s, 3*time.Second, now)
			} else {
				p.worked(s, took, now)
			}
		}
	}
	if away > batches/20 {
		t.Errorf("of %d Batches %d had a part for another server than at first", batches, away)
	}
	t.Logf("of %d Batches %d had a part for another server than at first", batches, away)
}
