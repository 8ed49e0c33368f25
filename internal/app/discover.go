package app

import (
	"context"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"
)

// byName begins the URL of servers that are all addresses of a name, as a headless
// Service of Kubernetes has one for each pod that is ready.
const byName = "dns+"

// looks is how often names are looked up: what is found may be that late, and
// resolvers keep answers for as long.
const looks = 5 * time.Second

// lookup returns the addresses of a name.
type lookup func(ctx context.Context, host string) ([]string, error)

// named reports whether a server's URL stands for all addresses of a name.
func named(servers []string) bool {
	return slices.ContainsFunc(servers, func(s string) bool { return strings.HasPrefix(s, byName) })
}

// resolved returns the servers there are now, in order and each once. A name
// that has no address stands for itself: it may have one when it is used.
func resolved(ctx context.Context, servers []string, find lookup) (urls []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, looks)
	defer cancel()
	for _, s := range servers {
		rest, ok := strings.CutPrefix(s, byName)
		if !ok {
			urls = append(urls, s)
			continue
		}
		u, bad := url.Parse(rest)
		if bad != nil {
			return nil, bad // it was checked before
		}
		addrs, failed := find(ctx, u.Hostname())
		if failed != nil || len(addrs) == 0 {
			urls, err = append(urls, rest), failed
			continue
		}
		for _, a := range addrs {
			at := *u
			at.Host = net.JoinHostPort(a, u.Port())
			urls = append(urls, at.String())
		}
	}
	slices.Sort(urls)
	return slices.Compact(urls), err
}

// discover has servers come and go with the addresses of their names, until ctx
// ends. While a name cannot be looked up nothing changes.
func (a *agent) discover(ctx context.Context, find lookup) {
	if !named(a.cfg.Servers) {
		return
	}
	tick := time.NewTicker(looks)
	defer tick.Stop()
	failing := false
	for {
		urls, err := resolved(ctx, a.cfg.Servers, find)
		if err == nil {
			a.forwarder.SetServers(urls)
		} else if !failing && ctx.Err() == nil {
			a.opts.Logger.Warn("the servers' name cannot be looked up; those that are known are kept to", "error", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
