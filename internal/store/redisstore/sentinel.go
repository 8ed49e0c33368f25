package redisstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"
)

// sighting is what one Sentinel says of one master.
type sighting struct {
	addr      string
	epoch     uint64          // of the configuration: the highest is the newest
	sentinels int             // how many watch it
	out       map[string]bool // of every server, the master too: it is not elected
}

// discoverSentinel asks every Sentinel at the same time. The newest
// configuration says where a master is. If nobody that answers has it, it is
// one that no replica follows any more, and nothing is acknowledged there.
func (s *Store) discoverSentinel(ctx context.Context) ([]*place, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	seen := make([][]sighting, len(s.opts.Addrs))
	errs := make([]error, len(s.opts.Addrs))
	var wg sync.WaitGroup
	for i, addr := range s.opts.Addrs {
		wg.Go(func() { seen[i], errs[i] = s.sentinel(ctx, addr) })
	}
	wg.Wait()
	seen = slices.DeleteFunc(seen, func(x []sighting) bool { return x == nil })
	if len(seen) == 0 {
		return nil, fmt.Errorf("no Sentinel answers: %w", errors.Join(errs...))
	}
	var places []*place
	for m, master := range s.opts.Masters {
		vbs := span(master.First, master.Last)
		if master.Last < 0 {
			vbs = span(0, s.vbuckets-1)
		}
		p := &place{name: master.Name, vbs: vbs}
		var of []sighting
		for _, x := range seen {
			if x[m].addr != "" {
				of = append(of, x[m])
			}
		}
		if len(of) == 0 {
			p.err = fmt.Errorf("master: Sentinels at %s know no master %q", strings.Join(s.opts.Addrs, ", "), master.Name)
		} else {
			p.addr = newest(of)
			p.replicas = promotable(of, p.addr)
		}
		places = append(places, p)
	}
	return places, nil
}

// newest is the address in the newest configuration.
func newest(of []sighting) string {
	return slices.MaxFunc(of, func(a, b sighting) int { return compare(a.epoch, b.epoch) }).addr
}

// promotable counts the servers that are known besides the master, but for
// those which a majority of all Sentinels say are out; at least one if there
// is any. Who does not know yet that there is another master speaks of the same
// servers.
func promotable(of []sighting, master string) (n int) {
	all := 0
	votes := map[string]int{}
	for _, x := range of {
		all = max(all, x.sentinels)
		for addr, out := range x.out {
			votes[addr] += 0
			if out {
				votes[addr]++
			}
		}
	}
	delete(votes, master)
	for _, v := range votes {
		if 2*v <= all {
			n++
		}
	}
	if n == 0 && len(votes) > 0 {
		return 1
	}
	return n
}

// isOut reports whether a Sentinel would not let a replica take over as long as
// another one follows: it is down, or has not followed for so long that what is
// known of the others' offsets is newer: Sentinels prefer the greatest.
func isOut(replica map[string]string) bool {
	apart, _ := strconv.Atoi(replica["master-link-down-time"]) // milliseconds; 0 if malformed
	return strings.Contains(replica["flags"], "_down") || time.Duration(apart)*time.Millisecond > infoPeriod
}

// infoPeriod is how old what a Sentinel knows of a replica can be.
const infoPeriod = 10 * time.Second

// sentinel asks one Sentinel about every master.
func (s *Store) sentinel(ctx context.Context, addr string) ([]sighting, error) {
	c, err := s.asked(ctx, addr, login{user: s.opts.SentinelUser, password: s.opts.SentinelPassword})
	if err != nil {
		return nil, err
	}
	var cmds []rueidis.Completed
	for _, m := range s.opts.Masters {
		cmds = append(cmds, c.cmd("SENTINEL", "MASTER", m.Name), c.cmd("SENTINEL", "REPLICAS", m.Name))
	}
	rs := c.DoMulti(ctx, cmds...)
	list := make([]sighting, len(s.opts.Masters))
	for i := range list {
		master, replicas := rs[2*i], rs[2*i+1]
		if err := master.Error(); err != nil {
			if _, ok := rueidis.IsRedisErr(err); ok && strings.Contains(err.Error(), "No such master") {
				continue
			}
			s.forgetClient(addr)
			return nil, explain(addr, err)
		}
		if list[i], err = readSighting(master, replicas); err != nil {
			return nil, explain(addr, err)
		}
	}
	return list, nil
}

func readSighting(master, replicas rueidis.RedisResult) (x sighting, err error) {
	m, err := master.AsStrMap()
	if err != nil {
		return x, err
	}
	others, _ := strconv.Atoi(m["num-other-sentinels"])      // 0 if malformed
	epoch, _ := strconv.ParseUint(m["config-epoch"], 10, 64) // likewise
	x = sighting{addr: net.JoinHostPort(m["ip"], m["port"]), epoch: epoch, sentinels: others + 1, out: map[string]bool{}}
	x.out[x.addr] = strings.Contains(m["flags"], "_down")
	list, err := replicas.ToArray()
	if err != nil {
		return x, err
	}
	for _, r := range list {
		f, err := r.AsStrMap()
		if err != nil {
			return x, err
		}
		x.out[net.JoinHostPort(f["ip"], f["port"])] = isOut(f)
	}
	return x, nil
}
