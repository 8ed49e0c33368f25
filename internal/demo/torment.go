package demo

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"github.com/tabaproject/taba/internal/redisrun"
	"github.com/tabaproject/taba/internal/wait"
)

// How long all is well before the next process is mistreated, how long a server
// or agent that was killed is away, how long one is stopped, and how long it may
// take until all is as before.
const (
	calm     = 2500 * time.Millisecond
	away     = 1500 * time.Millisecond
	frozen   = 1800 * time.Millisecond
	recovery = 2 * time.Minute
)

// tormentor mistreats one process of a cluster after the other.
type tormentor struct {
	c *cluster
	m *monitor
}

// torment goes on until ctx ends, and returns when all is well again.
func (c *cluster) torment(ctx context.Context, m *monitor) error {
	t := &tormentor{c, m}
	turns := []func(ctx context.Context, i int) error{
		func(ctx context.Context, i int) error { return t.lose(ctx, c.redis.Shards[i%shards], "kill -9") },
		func(ctx context.Context, i int) error { return t.kill(ctx, c.servers[i%servers]) },
		func(ctx context.Context, i int) error { return t.kill(ctx, c.agents[i%agents]) },
		func(ctx context.Context, i int) error { return t.freeze(ctx, c.servers[(i+1)%servers]) },
		func(ctx context.Context, i int) error {
			return t.sentinel(ctx, c.redis.Sentinels[i%len(c.redis.Sentinels)])
		},
		func(ctx context.Context, i int) error { return t.lose(ctx, c.redis.Shards[(i+1)%shards], "SIGSTOP") },
		func(ctx context.Context, i int) error { return t.freeze(ctx, c.agents[(i+1)%agents]) },
	}
	for i := 0; wait.For(ctx, calm) == nil; i++ {
		under, cancel := context.WithTimeout(context.WithoutCancel(ctx), recovery)
		err := turns[i%len(turns)](under, i/len(turns))
		cancel()
		if err != nil {
			return err
		}
	}
	return nil
}

// felt does something to a process, mends it, and notes when events were
// counted again and when all was as before.
func (t *tormentor) felt(ctx context.Context, what string, do func() error, mend func(*happening) error) error {
	h := t.m.story.begin(what)
	if err := do(); err != nil {
		return err
	}
	at := time.Now()
	counted := make(chan bool, 1)
	go func() {
		ok := t.until(ctx, func() bool { return t.m.probe.counting(at) })
		t.m.story.mark(h, &h.counting)
		counted <- ok
	}()
	err := mend(h)
	if err == nil {
		t.m.story.mark(h, &h.over)
	}
	if !<-counted && err == nil {
		err = fmt.Errorf("%s: no event was counted within %s", what, recovery)
	}
	return err
}

// kill ends a server or an agent and starts it again.
func (t *tormentor) kill(ctx context.Context, m *member) error {
	return t.felt(ctx, "kill -9 of "+m.Name, func() error { m.Kill(); return nil }, func(*happening) error {
		_ = wait.For(ctx, away) // what was stopped goes on all the same
		return m.start(ctx)
	})
}

// freeze stops a server or an agent for a while: its connections stay open and
// nobody answers.
func (t *tormentor) freeze(ctx context.Context, m *member) error {
	return t.felt(ctx, "SIGSTOP of "+m.Name, func() error { return m.Signal(syscall.SIGSTOP) }, func(*happening) error {
		_ = wait.For(ctx, frozen) // what was stopped goes on all the same
		return m.Signal(syscall.SIGCONT)
	})
}

// sentinel ends a Sentinel and starts it again.
func (t *tormentor) sentinel(ctx context.Context, s *redisrun.Server) error {
	return t.felt(ctx, "kill -9 of "+s.Name, func() error { s.Kill(); return nil }, func(*happening) error {
		_ = wait.For(ctx, away) // what was stopped goes on all the same
		defer s.Hasten()
		return s.Start(ctx)
	})
}

// lose takes the master from a shard until another server has taken over.
func (t *tormentor) lose(ctx context.Context, s *redisrun.Shard, how string) error {
	var master *redisrun.Server
	if !t.until(ctx, func() bool { master = s.Master(); return master != nil }) {
		return fmt.Errorf("the Sentinels do not agree on the master of %s", s.Name)
	}
	do := func() error { master.Kill(); return nil }
	back := func() error { return master.Start(ctx) }
	if how != "kill -9" {
		do = func() error { return master.Signal(syscall.SIGSTOP) }
		back = func() error { return master.Signal(syscall.SIGCONT) }
	}
	return t.felt(ctx, fmt.Sprintf("%s of the master of %s", how, s.Name), do, func(h *happening) error {
		taken := t.until(ctx, func() bool { now := s.Master(); return now != nil && now != master })
		if !taken {
			return fmt.Errorf("nobody took %s over", s.Name)
		}
		t.m.story.note(h, "taken over after %s", seconds(time.Since(h.at)))
		if err := back(); err != nil {
			return err
		}
		if !t.until(ctx, s.InOrder) {
			return fmt.Errorf("%s: the old master does not follow the new one", s.Name)
		}
		return nil
	})
}

// until waits for a condition, and reports whether it came about.
func (t *tormentor) until(ctx context.Context, is func() bool) bool {
	const look = 20 * time.Millisecond
	for !is() {
		if wait.For(ctx, look) != nil {
			return false
		}
	}
	return true
}
