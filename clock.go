package taba

import "time"

// clockIdle and clockClosed are values of Client.clock that are no time.
const (
	clockIdle   = 0
	clockClosed = -1
)

// tellTime returns the clock's milliseconds, having woken it if it stood. What
// it returns is never clockIdle: the flusher may put the clock to rest again
// before we look, so the time of our own swap counts.
func (c *Client) tellTime() int64 {
	for {
		at := c.clock.Load()
		if at == clockIdle {
			at = time.Now().UnixMilli()
			if !c.clock.CompareAndSwap(clockIdle, at) {
				continue // another woke it, or closed it
			}
			notify(c.wake)
		}
		return at
	}
}

// hold takes n bytes of the buffer, if there are so many, and asks for a flush
// when half of it is used.
func (c *Client) hold(n int64) bool {
	used := c.used.Add(n)
	if used > c.bound {
		c.used.Add(-n)
		return false
	}
	if used > c.bound/2 {
		notify(c.half)
	}
	return true
}

// notify wakes whoever reads from ch, now or later, once.
func notify(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
