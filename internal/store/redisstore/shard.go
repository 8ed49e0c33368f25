package redisstore

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/tabaproject/taba/internal/store"
)

// op is one operation on one vbucket. It may take several round trips.
type op interface {
	vbucket() int
	// level is what must be waited for; known for sure after the last replies.
	level() level
	// commands adds the commands of the next round trip.
	commands(b *batch)
	// replies takes the answers. again: there is another round trip to make.
	replies(c *session, r replies) (again bool, err error)
}

// task is an operation in progress.
type task struct {
	ctx      context.Context
	op       op
	from, to int          // its commands within the round trip
	within   *transaction // that they are in; nil: none
	alone    bool         // it takes part in none any more
	done     chan error
}

func finish(tasks []*task, err error) {
	for _, t := range tasks {
		t.done <- err
	}
}

// shard is one master. One round trip to it is in flight; what is asked
// meanwhile makes the next.
type shard struct {
	s    *Store
	name string

	mu      sync.Mutex
	queue   []*task
	stopped bool
	wake    chan struct{}
	stop    chan struct{}

	place   atomic.Pointer[place]   // where the master is, as last seen
	session *session                // used by run alone
	current atomic.Pointer[session] // the same, to be cut off
	synced  atomic.Bool             // the server syncs each write to its disk
	sick    atomic.Pointer[error]   // why nothing may be written to it
	behind  atomic.Pointer[error]   // replicas follow and do not sync
	waits   string                  // how replicas are waited for, as was logged; of run alone

	folds sync.Mutex // held by who compacts
}

func newShard(s *Store, name string) *shard {
	return &shard{s: s, name: name, wake: make(chan struct{}, 1), stop: make(chan struct{})}
}

// start queues an operation. It is finished in any case.
func (h *shard) start(ctx context.Context, o op) *task {
	t := &task{ctx: ctx, op: o, done: make(chan error, 1)}
	h.mu.Lock()
	stopped := h.stopped
	if !stopped {
		h.queue = append(h.queue, t)
	}
	h.mu.Unlock()
	if stopped {
		t.done <- store.ErrClosed
		return t
	}
	select {
	case h.wake <- struct{}{}:
	default: // it is awake
	}
	return t
}

// take takes what is queued, but for what nobody waits for any more.
func (h *shard) take() (tasks []*task) {
	h.mu.Lock()
	queue := h.queue
	h.queue = nil
	h.mu.Unlock()
	for _, t := range queue {
		if err := t.ctx.Err(); err != nil {
			t.done <- err
			continue
		}
		tasks = append(tasks, t)
	}
	return tasks
}

// run works until it is stopped.
func (h *shard) run() {
	defer h.drop()
	for {
		select {
		case <-h.wake:
			h.work()
		case <-h.stop:
			h.mu.Lock()
			h.stopped = true
			h.mu.Unlock()
			finish(h.take(), store.ErrClosed)
			return
		}
	}
}

// work makes round trips until nothing is left to do.
func (h *shard) work() {
	var again []*task
	for {
		tasks := append(again, h.take()...)
		if len(tasks) == 0 {
			return
		}
		again = nil
		if err := h.ready(); err != nil {
			finish(tasks, err)
			continue
		}
		again = h.session.round(tasks)
		if h.session.broken != nil {
			finish(again, h.session.broken)
			again = nil
			h.drop()
		}
	}
}

// ready connects, if need be.
func (h *shard) ready() error {
	if h.session != nil && h.s.ctx.Err() == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(h.s.ctx, h.s.opts.Timeout)
	defer cancel()
	c, err := h.connect(ctx)
	if err != nil {
		return err
	}
	h.session = c
	h.current.Store(c)
	return nil
}

// drop closes the connection: the next round trip makes another.
func (h *shard) drop() {
	h.current.Store(nil)
	if h.session != nil {
		h.session.close()
		h.session = nil
	}
}
