package forward

import (
	"context"
	"fmt"
	"time"

	"github.com/tabaproject/taba/internal/wire"
)

// Transport carries requests to the servers. It is used by several goroutines,
// one for each server at a time. A verdict, even a bad one, is a reply; an error means
// that the outcome is not known, or that the request was refused as a whole
// (*StatusError). Arguments are not kept.
type Transport interface {
	Open(ctx context.Context, server string, r *wire.OpenRequest) (wire.OpenReply, error)
	Close(ctx context.Context, server string, r *wire.CloseRequest) (wire.CloseReply, error)
	Heads(ctx context.Context, server string, r *wire.HeadsRequest) (wire.HeadsReply, error)
	Send(ctx context.Context, server string, b *wire.Batch) (wire.BatchReply, error)
}

// StatusError is a request that a server refused.
type StatusError struct {
	Code       int           // HTTP status
	RetryAfter time.Duration // 0: not said
	Message    string        // the server's words, shortened
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("status %d: %s%s", e.Code, e.Message, e.hint())
}

// hint says what an operator can do about it.
func (e *StatusError) hint() string {
	switch e.Code {
	case 400:
		return " (the server does not understand what this agent sends: are they of compatible versions?)"
	case 401, 403:
		return " (check the agent's token and its write scope)"
	case 404:
		return " (is this the address of a Taba server?)"
	case 413:
		return " (raise the server's limit for bodies, or lower the agent's Batch size; what is sealed keeps its size)"
	}
	return ""
}
