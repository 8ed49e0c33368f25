package redisrun

import (
	"net"
	"slices"
	"strconv"
	"strings"
)

// Master returns which of the servers of a name is the master by the word of
// Sentinels, nil if they do not agree.
func Master(sentinels []*Server, name string, servers []*Server) (m *Server) {
	for _, s := range sentinels {
		addr := strings.Split(s.Try("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name), "\n")
		i := slices.IndexFunc(servers, func(x *Server) bool {
			return len(addr) == 2 && x.Addr == net.JoinHostPort(addr[0], addr[1])
		})
		if i < 0 || m != nil && m != servers[i] {
			return nil
		}
		m = servers[i]
	}
	return m
}

// InOrder reports whether every Sentinel sees the same master, the same replicas
// and each other, all in good order, and the replicas follow: what must be so
// before anything is broken. Where nobody can tell what they have synced they must
// have Kept it, too.
func InOrder(sentinels []*Server, name string, servers []*Server) bool {
	m := Master(sentinels, name, servers)
	if m == nil {
		return false
	}
	for _, s := range sentinels {
		if !seesAll(s, name, len(sentinels), len(servers)-1) {
			return false
		}
	}
	return !slices.ContainsFunc(servers, func(r *Server) bool { return r != m && (!m.HasFollower(r) || !m.CountsSynced() && !r.Kept()) })
}

func seesAll(s *Server, name string, sentinels, replicas int) bool {
	f := fields(s.Try("SENTINEL", "MASTER", name))
	if f["flags"] != "master" || f["num-other-sentinels"] != strconv.Itoa(sentinels-1) || f["num-slaves"] != strconv.Itoa(replicas) {
		return false
	}
	if !strings.HasPrefix(s.Try("SENTINEL", "CKQUORUM", name), "OK "+strconv.Itoa(sentinels)) {
		return false
	}
	list := s.Try("SENTINEL", "REPLICAS", name)
	return strings.Count(list, "\nflags\nslave\n") == replicas && strings.Count(list, "master-link-status\nok\n") == replicas
}

// fields reads the names and values that alternate in the lines of an answer.
func fields(text string) map[string]string {
	m := map[string]string{}
	lines := strings.Split(text, "\n")
	for i := 0; i+1 < len(lines); i += 2 {
		m[lines[i]] = lines[i+1]
	}
	return m
}
