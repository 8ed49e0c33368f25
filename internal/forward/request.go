package forward

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/wire"
)

// answer is what became of a request.
type answer struct {
	a      Action
	server *server
	began  time.Duration
	nonce  store.Nonce
	open   wire.OpenReply
	close  wire.CloseReply
	heads  wire.HeadsReply
	batch  wire.BatchReply
	err    error
}

// request begins a request, if there is a server to send it to.
func (f *Forwarder) request(a Action) (begun bool) {
	q, ok := f.compose(a)
	if !ok {
		return false
	}
	go func() {
		f.call(q)
		f.answers <- q.answer
	}()
	return true
}

// Request is a request to a server; one of its messages is set.
type Request struct {
	Server string // its base URL
	Open   *wire.OpenRequest
	Close  *wire.CloseRequest
	Heads  *wire.HeadsRequest
	Send   *wire.Batch

	answer answer
}

// compose makes the message of an action, if there is a server to send it to.
func (f *Forwarder) compose(a Action) (q *Request, ok bool) {
	now := f.now()
	f.mu.Lock()
	i, wait := f.choose(a, now)
	if i < 0 {
		f.m.Postponed(a.Attempt, wait, now)
		f.mu.Unlock()
		return nil, false
	}
	to := f.picker.servers[i]
	q = &Request{Server: to.url, answer: answer{a: a, server: to, began: now}}
	f.mu.Unlock()
	switch a.Kind {
	case DoOpen:
		_, _ = rand.Read(q.answer.nonce[:]) // never fails
		q.Open = &wire.OpenRequest{Class: store.ClassSpool, Nonce: q.answer.nonce}
	case DoClose:
		q.Close = &wire.CloseRequest{Source: a.ID, Token: a.Token}
	case DoHeads:
		q.Heads = &wire.HeadsRequest{Source: a.ID}
	case DoSend:
		parts, err := f.load(a.Parts)
		if err != nil {
			f.stall("read a Batch from the spool", err)
			f.mu.Lock()
			f.m.Postponed(a.Attempt, f.stalled-now, now)
			f.mu.Unlock()
			return nil, false
		}
		q.Send = &wire.Batch{Partition: a.Opened.Partition, StoreID: a.Opened.StoreID, Parts: parts}
	}
	return q, true
}

// choose returns the server for an action, or how long to wait for one.
func (f *Forwarder) choose(a Action, now time.Duration) (server int, wait time.Duration) {
	if a.Kind == DoSend {
		return f.picker.to(a.Server, now)
	}
	return f.picker.pick(now)
}

// call makes a request and fills in the answer.
func (f *Forwarder) call(q *Request) {
	ans := &q.answer
	defer func() {
		if p := recover(); p != nil {
			ans.err = fmt.Errorf("request failed: %v", p)
		}
	}()
	t, ctx := f.o.Transport, f.ctx
	switch {
	case q.Open != nil:
		ans.open, ans.err = t.Open(ctx, q.Server, q.Open)
	case q.Close != nil:
		ans.close, ans.err = t.Close(ctx, q.Server, q.Close)
	case q.Heads != nil:
		ans.heads, ans.err = t.Heads(ctx, q.Server, q.Heads)
	case q.Send != nil:
		ans.batch, ans.err = t.Send(ctx, q.Server, q.Send)
	}
}

// take passes an answer to the machine.
func (f *Forwarder) take(ans answer) {
	now := f.now()
	runs := f.log.Take()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range runs {
		f.m.Appended(r, now)
	}
	err := ans.err
	if err == nil {
		err = f.deliver(ans, now)
	}
	var away *unavailableError
	if errors.As(err, &away) {
		f.picker.worked(ans.server, 0, now)
		f.heldBack(away, now)
		return
	}
	if err == nil {
		took := time.Duration(0)
		if ans.a.Kind == DoSend {
			took = now - ans.began
		}
		f.picker.worked(ans.server, took, now)
		f.trouble.over(ans.a.Kind)
		return
	}
	f.refused(ans, err, now)
}

// deliver tells the machine a reply; an error is what was wrong with it.
func (f *Forwarder) deliver(ans answer, now time.Duration) error {
	attempt, pause := ans.a.Attempt, f.picker.backoff(f.idle)
	f.idle++
	var err error
	switch ans.a.Kind {
	case DoOpen:
		err = f.m.Opened(attempt, ans.nonce, ans.open, pause, now)
	case DoClose:
		err = f.m.Closed(attempt, ans.close.Closed, pause, now)
	case DoHeads:
		f.m.HeadsRead(attempt, ans.heads.Heads, now)
	case DoSend:
		for _, p := range ans.a.Parts { // what is sent again is read again: memory stays bounded
			delete(f.bodies, p.Digest)
		}
		err = f.m.Replied(attempt, ans.batch.Results, pause, now)
	}
	if err == nil || errors.As(err, new(*unavailableError)) {
		f.idle = 0
	}
	return err
}

// heldBack tells of a vbucket that is held, once.
func (f *Forwarder) heldBack(away *unavailableError, now time.Duration) {
	f.trouble.note(away.Error(), f.started.Add(now))
	if away.news {
		f.o.Logger.Warn("forward: " + away.Error())
	}
}

// needsAll reports whether a request is about all vbuckets.
func needsAll(k Kind) bool { return k == DoHeads || k == DoClose }

// refused takes an error, a whole request's or that in a reply.
func (f *Forwarder) refused(ans answer, err error, now time.Duration) {
	if f.ctx.Err() != nil && errors.Is(err, context.Canceled) {
		f.m.Failed(ans.a.Attempt, 0, now)
		return
	}
	var status *StatusError
	var asked time.Duration
	if errors.As(err, &status) {
		asked = status.RetryAfter
		if status.Code == http.StatusGone && ans.a.Kind != DoSend && ans.a.Kind != DoOpen {
			f.m.Gone(ans.a.Attempt)
			return
		}
		if status.Code == http.StatusRequestEntityTooLarge && f.m.TooLarge(ans.a.Attempt, now) {
			return // the server works; its limit is learned, not waited for
		}
	}
	if needsAll(ans.a.Kind) && status != nil && status.Code == http.StatusServiceUnavailable {
		// A part of the store is away, not the server. Nothing else was asked for
		// meanwhile, so the longer it took the longer it rests.
		f.picker.avoid(ans.server)
		rest := min(max(f.o.Config.Reconcile, 9*(now-ans.began)), 3*f.o.Config.Reconcile)
		f.m.Failed(ans.a.Attempt, rest, now)
	} else {
		f.picker.failed(ans.server, asked, now)
		f.m.Failed(ans.a.Attempt, 0, now) // another server may be tried at once
	}
	err = fmt.Errorf("%v at %s: %w", ans.a.Kind, ans.server.url, err)
	if f.trouble.hit(ans.a.Kind, err.Error(), f.started.Add(now)) {
		f.o.Logger.Error("forward: " + err.Error())
	}
}
