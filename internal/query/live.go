package query

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tabaproject/taba/internal/query/eval"
	"github.com/tabaproject/taba/internal/query/lang"
	"github.com/tabaproject/taba/internal/wait"
)

// Limits of what is live, each far from what two processors can serve.
const (
	maxFeeds       = 1_000  // different queries
	maxSubscribers = 10_000 // of all of them
)

// liveShare is one more than how long a query rests after it was evaluated, in
// terms of what one evaluation of every live query takes: all of them together
// take at most this part of one processor.
const liveShare = 10

// live evaluates queries for those who watch them: each once, however many
// there are, when something was committed or a bucket has left its window.
type live struct {
	evaluate func(context.Context, *lang.Query) (*eval.Answer, error)
	now      func() time.Time

	ctx    context.Context // of evaluations
	cancel context.CancelFunc
	work   sync.WaitGroup

	commits atomic.Uint64
	waiting atomic.Int64  // feeds that wait for a commit
	costs   atomic.Int64  // nanoseconds that one evaluation of every feed takes
	ended   chan struct{} // closed when subscribers have to leave

	mu          sync.Mutex // guards what follows
	feeds       map[string]*feed
	subscribers int
	pulse       chan struct{} // closed at the next commit
	closed      bool
}

func newLive(evaluate func(context.Context, *lang.Query) (*eval.Answer, error), now func() time.Time) *live {
	l := &live{evaluate: evaluate, now: now, feeds: map[string]*feed{}, pulse: make(chan struct{}), ended: make(chan struct{})}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// feed is one query that is watched.
type feed struct {
	live        *live
	key         string
	query       *lang.Query
	every       time.Duration // no faster than this
	subscribers int           // guarded by live.mu
	cancel      context.CancelFunc
	cost        int64 // of the last evaluation; part of live.costs

	mu      sync.Mutex // guards what follows
	latest  *update
	changed chan struct{} // closed when latest is another one
}

// update is what subscribers are sent.
type update struct {
	id   uint64
	text []byte // as an event
	err  error  // instead of an answer
}

// committed tells that there is something new. It costs next to nothing unless
// a feed waits for it.
func (l *live) committed() {
	l.commits.Add(1)
	if l.waiting.Load() == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.pulse)
	l.pulse = make(chan struct{})
}

// join returns the feed of a query, which is evaluated from now on.
func (l *live) join(q *lang.Query, every time.Duration) (*feed, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, &problem{status: http.StatusServiceUnavailable, Code: codeUnavailable, Message: "the server is shutting down; retry later"}
	}
	key := every.String() + " " + q.String()
	f := l.feeds[key]
	if l.subscribers >= maxSubscribers || f == nil && len(l.feeds) >= maxFeeds {
		return nil, &problem{status: http.StatusServiceUnavailable, Code: codeUnavailable,
			Message: fmt.Sprintf("%d subscribers of %d queries are as many as there may be; retry later", l.subscribers, len(l.feeds))}
	}
	if f == nil {
		f = &feed{live: l, key: key, query: q, every: every, changed: make(chan struct{})}
		var ctx context.Context
		ctx, f.cancel = context.WithCancel(l.ctx)
		l.feeds[key] = f
		l.work.Go(func() { f.run(ctx) })
	}
	f.subscribers++
	l.subscribers++
	return f, nil
}

// leave ends a feed when nobody watches it.
func (l *live) leave(f *feed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.subscribers--
	if f.subscribers--; f.subscribers == 0 {
		f.cancel()
		delete(l.feeds, f.key)
	}
}

// end lets subscribers leave.
func (l *live) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.closed = true
		close(l.ended)
	}
}

// close ends everything and returns when it has ended.
func (l *live) close() {
	l.end()
	l.cancel()
	l.work.Wait()
}

func (l *live) watching() float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return float64(l.subscribers)
}

// run evaluates until ctx ends.
func (f *feed) run(ctx context.Context) {
	l := f.live
	defer func() { l.costs.Add(-f.cost) }()
	for id := uint64(1); ctx.Err() == nil; id++ {
		seen := l.commits.Load()
		start := time.Now()
		a, err := f.evaluate(ctx)
		if ctx.Err() != nil {
			return
		}
		f.publish(id, a, err)
		took := time.Since(start)
		l.costs.Add(int64(took) - f.cost)
		f.cost = int64(took)
		rest := max((liveShare-1)*time.Duration(l.costs.Load()), f.every-took)
		if wait.For(ctx, rest) != nil || !f.wait(ctx, seen, a) {
			return
		}
	}
}

// evaluate does not end the process if something is wrong with an evaluation,
// just as a request does not.
func (f *feed) evaluate(ctx context.Context) (a *eval.Answer, err error) {
	defer func() {
		if p := recover(); p != nil {
			a, err = nil, fmt.Errorf("evaluate %s: %v", f.query, p)
		}
	}()
	return f.live.evaluate(ctx, f.query)
}

// wait returns when something was committed since, or when the answer has
// changed by itself. It reports false when ctx has ended.
func (f *feed) wait(ctx context.Context, seen uint64, a *eval.Answer) bool {
	l := f.live
	l.waiting.Add(1)
	defer l.waiting.Add(-1)
	l.mu.Lock()
	pulse := l.pulse
	l.mu.Unlock()
	if l.commits.Load() != seen {
		return ctx.Err() == nil
	}
	var turned <-chan time.Time
	if a != nil && a.Until > 0 {
		left := time.Duration((a.Until - float64(l.now().UnixMicro())/1e6) * float64(time.Second))
		timer := time.NewTimer(max(left, 0))
		defer timer.Stop()
		turned = timer.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-pulse:
	case <-turned:
	}
	return true
}

// publish shows an answer to all subscribers.
func (f *feed) publish(id uint64, a *eval.Answer, err error) {
	u := &update{id: id, err: err}
	if err != nil {
		p, _ := problemOf(err)
		body, _ := json.Marshal(map[string]*problem{"error": p})
		u.text = event(id, "error", body)
	} else if body, failed := json.Marshal(a); failed != nil {
		u.err = failed
	} else {
		u.text = event(id, "answer", body)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.latest = u
	close(f.changed)
	f.changed = make(chan struct{})
}

// next returns the latest update and what is closed when there is a later one.
func (f *feed) next() (*update, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.latest, f.changed
}

// event is one event of a stream.
func event(id uint64, name string, data []byte) []byte {
	return fmt.Appendf(nil, "id: %d\nevent: %s\ndata: %s\n\n", id, name, data)
}

var errEnded = errors.New("the stream has ended")
