package redisstore

import (
	"strings"

	"github.com/redis/rueidis"
)

// What a server does and can tell about its disk is asked when a session with
// it begins; the first also while it is watched.
var (
	askSyncs  = []string{"CONFIG", "GET", "*append*"}
	askCounts = []string{"WAITAOF", "0", "0", "0"} // waits for nothing
)

// syncs reports whether a server syncs each write before it answers. Who may
// not ask assumes not.
func syncs(r rueidis.RedisResult) bool {
	m, err := r.AsStrMap()
	return err == nil && m["appendonly"] == "yes" && m["appendfsync"] == "always" && m["no-appendfsync-on-rewrite"] != "yes"
}

// countsSynced reports whether a server counts who has synced, and says what
// follows, once: Redis does since 7.2, whoever else does is as good.
func (h *shard) countsSynced(r rueidis.RedisResult) bool {
	err := r.Error()
	log, text := h.s.opts.Logger.Info, "commits wait until replicas have synced"
	switch {
	case err != nil && strings.HasPrefix(err.Error(), "NOPERM"):
		log, text = h.s.opts.Logger.Warn, "the store's user may not use WAITAOF, so commits do not wait until replicas have synced: let him, with +waitaof"
	case err != nil:
		text = "the server has no WAITAOF, so commits do not wait until replicas have synced; a replica that has just copied everything is not safe before its aof_rewrite_in_progress is 0"
	}
	if h.synced.Load() && h.waits != text {
		h.waits = text
		log(text, "server", h.name)
	}
	return err == nil
}
