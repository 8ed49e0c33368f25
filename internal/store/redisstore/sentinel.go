package redisstore

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/rueidis"
)

// sighting is what one Sentinel says of one master.
type sighting struct {
	addr    string
	epoch   uint64   // of the configuration: the highest is the newest
	servers []string // the master, and every replica that may be elected
}

// discoverSentinel asks every Sentinel at the same time. The newest
// configuration says where a master is. If nobody that answers has it, it is
// one that no replica follows any more, and nothing is acknowledged there.
func (s *Store) discoverSentinel() ([]*place, error) {
	seen, err := gather(s, s.opts.Addrs, s.sentinel)
	if len(seen) == 0 {
		return nil, fmt.Errorf("no Sentinel answers: %w", err)
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
			p.servers = successors(of)
		}
		places = append(places, p)
	}
	return places, nil
}

// newest is the address in the newest configuration.
func newest(of []sighting) string {
	return slices.MaxFunc(of, func(a, b sighting) int { return cmp.Compare(a.epoch, b.epoch) }).addr
}

// successors are all servers that any Sentinel would let be the master: each
// knows what a master told it last, and any may be the one that decides. Who
// does not know yet that there is another master speaks of the same servers.
func successors(of []sighting) (list []string) {
	for _, x := range of {
		list = append(list, x.servers...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

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
	epoch, _ := strconv.ParseUint(m["config-epoch"], 10, 64) // 0 if malformed
	x = sighting{addr: net.JoinHostPort(m["ip"], m["port"]), epoch: epoch}
	x.servers = append(x.servers, x.addr)
	list, err := replicas.ToArray()
	if err != nil {
		return x, err
	}
	for _, r := range list {
		f, err := r.AsStrMap()
		if err != nil {
			return x, err
		}
		if f["slave-priority"] != neverElected {
			x.servers = append(x.servers, net.JoinHostPort(f["ip"], f["port"]))
		}
	}
	return x, nil
}

// neverElected is the priority of a replica that no Sentinel elects.
const neverElected = "0"
