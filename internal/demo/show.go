package demo

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tabaproject/taba/internal/cli"
	"github.com/tabaproject/taba/internal/fleet"
)

// scene is what a demonstration plays on: processes that are up.
type scene struct {
	head   header
	server *cli.Client                           // who is asked
	each   []*cli.Client                         // who must say the same at the end, by themselves
	post   func(context.Context, []byte) error   // to an agent
	act    func(context.Context, *monitor) error // what is done to them, until its context ends; nil: nothing
	settle time.Duration                         // how long, at the end, the last events may take to be acknowledged and counted
	close  func()
}

// show runs the fleet against processes that are up, shows what happens, and
// checks the result.
func (o Options) show(ctx context.Context, on *scene) error {
	defer on.close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if o.For > 0 {
		time.AfterFunc(o.For, cancel)
	}
	m := &monitor{
		start:  time.Now(),
		scene:  on,
		server: on.server,
		fleet:  fleet.New(fleet.Config{Clients: o.Clients, Requests: o.Requests, Seed: 1, Post: on.post}),
	}
	m.probe = newProbe(m.server, on.post)
	var work sync.WaitGroup
	var acted error
	probing, enough := context.WithCancel(context.WithoutCancel(ctx))
	work.Go(func() { m.fleet.Run(ctx, on.settle) })
	work.Go(func() { m.probe.run(probing) })
	work.Go(func() {
		defer enough()
		if on.act == nil {
			<-ctx.Done()
			return
		}
		if acted = on.act(ctx, m); acted != nil {
			cancel()
		}
	})
	o.watch(ctx, m)
	work.Wait()
	return errors.Join(acted, o.conclude(m))
}
