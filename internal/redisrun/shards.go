package redisrun

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/tabaproject/taba/internal/child"
)

// Options are what Run starts.
type Options struct {
	Shards   int           // masters
	Replicas int           // of each
	VBuckets int           // of a store on them; a multiple of Shards
	Down     time.Duration // until a Sentinel takes who does not answer for dead
}

// sentinels are as many as one of them may be lost of.
const sentinels = 3

// Deployment is shards, each a master with replicas, and the Sentinels that watch
// them. Its servers sync before they answer.
type Deployment struct {
	Sentinels []*Server
	Shards    []*Shard
	vbuckets  int
}

// Shard is a master and its replicas; who is which changes.
type Shard struct {
	Name      string
	Servers   []*Server
	sentinels []*Server
}

// Run starts a Deployment in dir and waits until all is in order.
func Run(ctx context.Context, dir string, o Options) (*Deployment, error) {
	if err := Installed(); err != nil {
		return nil, err
	}
	d := &Deployment{vbuckets: o.VBuckets}
	if err := d.start(ctx, dir, o); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func (d *Deployment) start(ctx context.Context, dir string, o Options) error {
	masters := map[string]string{}
	for i := range o.Shards {
		s := &Shard{Name: fmt.Sprintf("shard%d", i+1)}
		d.Shards = append(d.Shards, s)
		if err := s.start(ctx, dir, 1+o.Replicas); err != nil {
			return err
		}
		masters[s.Name] = s.Servers[0].Addr
	}
	for i := range sentinels {
		s, err := place(dir, fmt.Sprintf("sentinel %d", i+1), func(name, dir, port string) (*Server, error) {
			return NewSentinel(name, dir, Loopback, port, masters, o.Down)
		})
		if err != nil {
			return err
		}
		d.Sentinels = append(d.Sentinels, s)
		if err := s.Start(ctx); err != nil {
			return err
		}
		s.Hasten()
	}
	for _, s := range d.Shards {
		s.sentinels = d.Sentinels
		if err := d.Sentinels[0].Until(ctx, s.InOrder); err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
	}
	return nil
}

// start starts the servers of a shard; the first is the master at first. Whom a
// server follows is in its file, which Sentinels have it write anew.
func (s *Shard) start(ctx context.Context, dir string, n int) error {
	for i := range n {
		r, err := place(dir, fmt.Sprintf("%s server %d", s.Name, i+1), func(name, dir, port string) (*Server, error) {
			return New(name, dir, Loopback, port, "--appendfsync", "always")
		})
		if err != nil {
			return err
		}
		s.Servers = append(s.Servers, r)
		file := filepath.Join(r.Dir, "redis.conf")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			return err
		}
		r.Args = append([]string{file}, r.Args...)
		if err := r.Start(ctx); err != nil {
			return err
		}
		if i == 0 {
			continue
		}
		if _, err := r.Ask("REPLICAOF", Loopback, s.Servers[0].Port); err != nil {
			return err
		}
		if _, err := r.Ask("CONFIG", "REWRITE"); err != nil {
			return err
		}
	}
	return nil
}

// One starts a server alone, which keeps its files below dir in a directory of its
// name.
func One(ctx context.Context, dir, name string, args ...string) (*Server, error) {
	s, err := place(dir, name, func(name, dir, port string) (*Server, error) {
		return New(name, dir, Loopback, port, args...)
	})
	if err != nil {
		return nil, err
	}
	if err := s.Start(ctx); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

// place gives a server a directory and a port.
func place(dir, name string, make func(name, dir, port string) (*Server, error)) (*Server, error) {
	port, err := child.FreePort()
	if err != nil {
		return nil, err
	}
	dir = filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	return make(name, dir, port)
}

// Master is who the Sentinels say, nil if they do not agree.
func (s *Shard) Master() *Server { return Master(s.sentinels, s.Name, s.Servers) }

// InOrder is InOrder of the shard.
func (s *Shard) InOrder() bool { return InOrder(s.sentinels, s.Name, s.Servers) }

// URL is what a server's setting store says, with the vbuckets spread evenly.
func (d *Deployment) URL(more ...string) string {
	var hosts, masters []string
	for _, s := range d.Sentinels {
		hosts = append(hosts, s.Addr)
	}
	for i, s := range d.Shards {
		first, next := i*d.vbuckets/len(d.Shards), (i+1)*d.vbuckets/len(d.Shards)
		masters = append(masters, fmt.Sprintf("%s:%d-%d", s.Name, first, next-1))
	}
	settings := append([]string{"master=" + strings.Join(masters, ","), fmt.Sprintf("vbuckets=%d", d.vbuckets)}, more...)
	return "redis+sentinel://" + strings.Join(hosts, ",") + "?" + strings.Join(settings, "&")
}

// All are all processes.
func (d *Deployment) All() (all []*Server) {
	for _, s := range d.Shards {
		all = append(all, s.Servers...)
	}
	return append(all, d.Sentinels...)
}

// Close kills all processes and waits until they have ended.
func (d *Deployment) Close() error {
	var work sync.WaitGroup
	all := d.All()
	errs := make([]error, len(all))
	for i, s := range all {
		work.Go(func() { errs[i] = s.Process.Close() })
	}
	work.Wait()
	return errors.Join(errs...)
}
