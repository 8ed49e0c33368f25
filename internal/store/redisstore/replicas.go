package redisstore

// level is what the replicas must have before an operation is answered.
type level int

const (
	none   level = iota // it releases nothing
	commit              // as many as Options.Wait says
	every               // all that could take over
)

// replicas returns for how many replicas an operation waits.
//
// Those that could take over are all that follow the master now, and all that
// the deployment knows, but for those of which a majority of Sentinels, or of
// the Cluster's masters, say that they are out (see isOut): such a replica is
// not elected until it follows again, and then counts. A minority cannot except
// anybody, so a master that is cut off with it goes on waiting. As long as a
// master has replicas, dead or not, one at least must answer. WAIT does not tell
// who answered, so replicas that are never elected (replica-priority 0) count
// too.
func (c *session) replicas(l level) int {
	wait := c.h.s.opts.Wait
	switch {
	case l == none:
		return 0
	case l == commit && wait != WaitAll:
		return max(int(wait), 0) // WaitNone is none
	}
	n := c.repl.online
	if p := c.h.place.Load(); p != nil {
		n = max(n, p.replicas)
	}
	return n
}

// stable reports whether what was acknowledged at the level of a commit cannot
// be lost: every replica that could take over has it, or there is none and the
// server has synced it.
func (c *session) stable() bool {
	n := c.replicas(every)
	if n == 0 {
		return c.h.synced.Load()
	}
	return c.replicas(commit) >= n
}
