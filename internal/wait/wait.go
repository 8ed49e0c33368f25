// Package wait waits for a time that whoever waits may be called away from.
//
// # Concurrency and back-pressure
//
// Its functions may be called by any number of goroutines, and keep nothing
// when they have returned.
package wait

import (
	"context"
	"time"
)

// For waits for d. It returns ctx's error at once if ctx ends before.
func For(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
