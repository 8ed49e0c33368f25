package forward

import (
	"errors"
	"math"
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"
)

// picker chooses the server of each request. It has no clock.
//
// Parts of a vbucket go to the same server from all agents: its views know the
// tabs, and nobody else appends to the vbucket at the same time. Which one that
// is follows from the servers' URLs alone (rendezvous hashing), with no server
// above its share, as long as all do equally well. One that fails is left alone
// for a while, and one that is slow has a smaller share; both then get theirs
// back step by step.
type picker struct {
	servers  []*server
	current  int            // for what does not belong to a vbucket: the one that worked last
	min, max time.Duration  // of the time a failed server is left alone
	jitter   func() float64 // in [0, 1)

	routes  []int // of each vbucket, as long as nothing changes
	changed bool
	back    time.Duration // when the next server is no longer left alone; 0: none is
}

type server struct {
	url      string
	key      uint64
	failures int
	until    time.Duration // left alone

	level   int           // its share is 2^-level of that of others
	hold    time.Duration // between two steps of its level
	raise   time.Duration // when it gets more of its share back
	mean    time.Duration // that it takes to answer, of the latest answers
	answers int           // since the level changed
}

// A server's share changes by halves, after so many answers at the earliest, and
// not at all unless it is slower than the others by a factor; to get some back it
// has to be nearly as fast as they are. So two agents that measure a little
// differently still agree, and a share does not swing.
const (
	levels  = 4
	enough  = 8
	slower  = 2.0
	similar = 1.5
	outlier = 4
	// A server that was away begins with this, so that it is not overrun while it
	// has nothing in its views.
	fresh = 2
)

func newPicker(urls []string, lo, hi time.Duration, jitter func() float64) (*picker, error) {
	if len(urls) == 0 {
		return nil, errors.New("no server to forward to: name at least one")
	}
	p := &picker{min: lo, max: hi, jitter: jitter, changed: true}
	for _, u := range urls {
		p.servers = append(p.servers, p.newServer(u))
	}
	return p, nil
}

func (p *picker) newServer(url string) *server {
	return &server{url: url, key: xxhash.Sum64String(url), hold: p.max}
}

// set has servers come and go. What is known of those that stay is kept; if there
// are none, all stay.
func (p *picker) set(urls []string) {
	var now []*server
	for _, u := range urls {
		i := slices.IndexFunc(p.servers, func(s *server) bool { return s.url == u })
		if i < 0 {
			now = append(now, p.newServer(u))
			continue
		}
		now = append(now, p.servers[i])
	}
	if len(now) == 0 || slices.Equal(now, p.servers) {
		return
	}
	p.servers, p.current, p.changed = now, 0, true
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

// to returns the server that a part was to go to, or another if that one is left
// alone by now.
func (p *picker) to(i int, now time.Duration) (server int, wait time.Duration) {
	if i < len(p.servers) && p.servers[i].until <= now {
		return i, 0
	}
	return p.pick(now)
}

// route says which server each vbucket belongs to now.
func (p *picker) route(vbuckets int, now time.Duration) []int {
	for i := range p.servers {
		if s := p.servers[i]; s.level > 0 && now >= s.raise && s.until <= now {
			p.ease(s, now)
		}
	}
	if p.changed || len(p.routes) != vbuckets || p.back > 0 && now >= p.back {
		p.routes = p.spread(vbuckets, now)
		p.changed = false
	}
	return p.routes
}

// ease gives a server more of its share back, unless it is known to be slow
// still. One that was not asked must be, to be known.
func (p *picker) ease(s *server, now time.Duration) {
	if s.answers == 0 || float64(s.mean) <= similar*float64(p.others(s)) {
		s.level--
		s.answers, p.changed = 0, true
		s.hold = max(p.max, s.hold/2)
	}
	s.raise = now + s.jittered(p)
}

func (s *server) jittered(p *picker) time.Duration {
	return s.hold/2 + time.Duration(p.jitter()*float64(s.hold))
}

// spread gives each vbucket to the server that it likes best of those that are
// not left alone and have room: no more than their share, rounded up.
func (p *picker) spread(vbuckets int, now time.Duration) []int {
	all := 0.0
	p.back = 0
	room := make([]int, len(p.servers))
	for i := range p.servers {
		if s := p.servers[i]; s.until <= now {
			all += s.share()
		} else if p.back == 0 || s.until < p.back {
			p.back = s.until
		}
	}
	for i := range p.servers {
		if s := p.servers[i]; s.until <= now {
			room[i] = int(math.Ceil(float64(vbuckets) * s.share() / all))
		}
	}
	routes := make([]int, vbuckets)
	for vb := range routes {
		best, most := 0, -1.0
		for i := range p.servers {
			if likes := p.servers[i].likes(vb); room[i] > 0 && likes > most {
				best, most = i, likes
			}
		}
		room[best]--
		routes[vb] = best
	}
	return routes
}

func (s *server) share() float64 { return 1 / float64(int(1)<<s.level) }

// likes is how much a vbucket is drawn to a server: the largest is a server's as
// often as its share says.
func (s *server) likes(vb int) float64 {
	h := (s.key ^ uint64(vb)*0x9e3779b97f4a7c15) * 0xd6e8feb86659fd93
	h ^= h >> 32
	h *= 0xd6e8feb86659fd93
	h ^= h >> 32
	u := (float64(h>>11) + 0.5) / (1 << 53)
	return s.share() / -math.Log(u)
}

// worked tells of an answer; took is how long a Batch was on its way, 0 if it
// was another request.
func (p *picker) worked(s *server, took, now time.Duration) {
	if s.failures > 0 {
		s.failures, s.until, p.changed = 0, 0, true
	}
	p.current = max(0, slices.Index(p.servers, s))
	if took <= 0 {
		return
	}
	if s.answers++; s.answers == 1 {
		s.mean = took
	}
	// One answer that took very long, as while the store fails over, says little.
	s.mean += (min(took, outlier*s.mean) - s.mean) / enough
	if s.answers < enough || s.level >= levels {
		return
	}
	if others := p.others(s); others > 0 && float64(s.mean) > slower*float64(others) {
		p.lower(s, s.level+1, now)
	}
}

// lower takes from a server's share, for longer each time in a row.
func (p *picker) lower(s *server, level int, now time.Duration) {
	const longest = 16
	s.level, s.answers, p.changed = level, 0, true
	s.raise = now + s.jittered(p)
	s.hold = min(2*s.hold, longest*p.max)
	p.compare()
}

// compare leaves shares as they compare with each other: if all servers have lost
// some, none has.
func (p *picker) compare() {
	least := levels
	for _, s := range p.servers {
		least = min(least, s.level)
	}
	for _, s := range p.servers {
		s.level -= least
	}
}

// others is what the other servers take to answer, the median; 0: not known.
func (p *picker) others(s *server) time.Duration {
	var means []time.Duration
	for i := range p.servers {
		if o := p.servers[i]; o != s && o.answers >= enough && o.failures == 0 {
			means = append(means, o.mean)
		}
	}
	if len(means) == 0 {
		return 0
	}
	slices.Sort(means)
	return means[len(means)/2]
}

// failed leaves a server alone: for as long as it asked for, else for a time
// that doubles with each failure in a row.
func (p *picker) failed(s *server, asked, now time.Duration) {
	s.until = now + p.pause(s.failures, asked)
	s.failures++
	s.answers, p.changed = 0, true
	if s.level < fresh {
		s.level = fresh
	}
	s.raise = s.until + s.jittered(p)
	p.compare()
	p.avoid(s)
}

// avoid has what does not belong to a vbucket go to the next server.
func (p *picker) avoid(s *server) { p.current = (slices.Index(p.servers, s) + 1) % len(p.servers) }

func (p *picker) count() int { return len(p.servers) }

// pause is for how long what failed is left alone: as long as was asked for, else
// for longer with each failure in a row.
func (p *picker) pause(failures int, asked time.Duration) time.Duration {
	if asked <= 0 {
		return p.backoff(failures)
	}
	// Not longer than ten times our own limit, whatever it says; jittered
	// upwards, so that a fleet does not come back at once.
	wait := min(asked, 10*p.max)
	return wait + time.Duration(p.jitter()*float64(wait)/4)
}

// backoff is a jittered time that doubles with each failure.
func (p *picker) backoff(failures int) time.Duration {
	wait := p.max
	if failures < 30 {
		wait = min(p.max, p.min<<failures)
	}
	return wait/2 + time.Duration(p.jitter()*float64(wait)/2)
}

// describe says how servers are sent to.
func (p *picker) describe(now time.Duration) (list []ServerStatus) {
	for i, s := range p.servers {
		d := ServerStatus{URL: s.url, Share: s.share(), Away: max(0, s.until-now), Took: s.mean}
		for _, to := range p.routes {
			if to == i {
				d.VBuckets++
			}
		}
		list = append(list, d)
	}
	return list
}
