package redisstore

import (
	"context"
	"strconv"
	"strings"
)

// lookForStrangers reports, once, keys below the store's prefix that are not
// the store's. They are left alone. It walks through every key of every
// server, a few at a time.
func (s *Store) lookForStrangers() {
	for _, h := range s.all() {
		if p := h.place.Load(); p != nil && p.err == nil {
			s.lookAt(s.ctx, p.addr)
		}
	}
}

func (s *Store) lookAt(ctx context.Context, addr string) {
	c, err := s.asked(ctx, addr, s.login())
	for cursor := uint64(0); err == nil; {
		e, failed := c.Do(ctx, c.cmd("SCAN", strconv.FormatUint(cursor, 10), "MATCH", s.opts.Prefix+":*", "COUNT", "1000")).AsScanEntry()
		if err = failed; err != nil {
			break
		}
		for _, key := range e.Elements {
			if !s.ours(key) {
				s.opts.Logger.Warn("a key below the store's prefix is not the store's; it was left alone: remove it, or name another prefix", "server", addr, "key", key)
			}
		}
		if cursor = e.Cursor; cursor == 0 {
			return
		}
	}
	if ctx.Err() == nil {
		s.opts.Logger.Warn("it was not possible to look for keys that are not the store's", "server", addr, "error", err)
	}
}

// ours reports whether a key below the prefix is one that the store makes.
func (s *Store) ours(key string) bool {
	rest := strings.TrimPrefix(key, s.opts.Prefix+":")
	number, rest, ok := strings.Cut(strings.TrimPrefix(rest, "{"), "}:")
	vb, err := strconv.Atoi(number)
	return ok && err == nil && vb >= 0 && vb < s.vbuckets && strconv.Itoa(vb) == number && known(rest)
}
