// Package capacity reckons what a load takes: the formula of docs/capacity.md,
// with the costs that were measured. It is pure arithmetic, holds nothing and is
// safe for concurrent use.
package capacity

import (
	"fmt"
	"math"
	"time"
)

// Load is what there is to be counted.
type Load struct {
	Events   float64       // a second
	Tabs     float64       // that a client records
	Clients  float64       // that record
	Agents   float64       // that they post to
	Lag      time.Duration // between two Batches of an agent: how late answers may be
	VBuckets float64       // of the store
}

// What things cost, in microseconds of a processor. docs/capacity.md says where
// they come from.
const (
	clientEvent   = 0.008
	agentEvent    = 0.03
	AgentBatch    = 20.0
	AgentPartial  = 8.0
	ServerPart    = 25.0
	serverPartial = 9.0
	RedisPart     = 20.0
	redisPartial  = 2.0 // and as much again for each replica
)

const (
	spare = 0.5      // is left free, for queries and for what comes after a failure
	large = 8.0      // processors of one server
	many  = 50_000.0 // connections of one server: half a GiB
)

// Needs is what a Load takes.
type Needs struct {
	States   float64 // that there are
	Partials float64 // of a Batch
	Parts    float64 // of a Batch
	Batches  float64 // a second

	Clients, Agents, Servers, Redis float64 // processors: of all of a kind; Redis without replicas
	OneAgent                        float64 // processors of one agent
	Processors                      float64 // to have for servers
	Machines                        float64 // servers to have, of eight processors at most
	Shards                          float64 // to have: a Redis uses one processor
	Connections                     float64 // of all servers
	First                           string  // what is the bottleneck first
}

// Check says which number is none to reckon with.
func (l Load) Check() error {
	for _, n := range []struct {
		name  string
		value float64
	}{{"events", l.Events}, {"tabs", l.Tabs}, {"clients", l.Clients}, {"agents", l.Agents}, {"vbuckets", l.VBuckets}, {"lag", l.Lag.Seconds()}} {
		if !(n.value > 0) || math.IsInf(n.value, 0) {
			return fmt.Errorf("--%s must be more than 0", n.name)
		}
	}
	return nil
}

// Needs reckons.
func (l Load) Needs() Needs {
	const micro = 1e-6
	lag := l.Lag.Seconds()
	n := Needs{States: l.Tabs * l.Clients, Batches: l.Agents / lag}
	n.Partials = min(n.States/l.Agents, l.Events*lag/l.Agents)
	n.Parts = min(l.VBuckets, l.Tabs, n.Partials)
	n.Clients = l.Events * clientEvent * micro
	n.Agents = (l.Events*agentEvent + n.Batches*(AgentBatch+AgentPartial*n.Partials)) * micro
	n.OneAgent = n.Agents / l.Agents
	n.Servers = n.Batches * (ServerPart*n.Parts + serverPartial*n.Partials) * micro
	n.Redis = n.Batches * (RedisPart*n.Parts + redisPartial*n.Partials) * micro
	n.Processors = math.Ceil(n.Servers / spare)
	n.Shards = math.Ceil(n.Redis / spare)
	n.Machines = math.Ceil(n.Processors / large)
	n.Connections = l.Agents * min(n.Parts, n.Machines)
	n.First = n.first(l)
	return n
}

// first names what stands in the way first if the load grows: what has the least
// room.
func (n *Needs) first(l Load) string {
	const fewCores = 2 // of a host, that an agent should not take more of
	switch {
	case n.Shards > l.VBuckets:
		return fmt.Sprintf("%.0f shards and only %.0f vbuckets: make the store with more, or allow a longer lag", n.Shards, l.VBuckets)
	case n.Connections/n.Machines > many:
		return fmt.Sprintf("connections, %.0f to a server: have fewer agents, or servers", n.Connections/n.Machines)
	case n.OneAgent > fewCores*spare:
		return "the agents' hosts: have more agents"
	case n.Processors <= 1 && n.Shards <= 1:
		return "nothing: one embedded server is enough"
	case n.Redis/n.Shards > n.Servers/n.Processors:
		return "Redis: a shard more"
	}
	if n.Machines > l.VBuckets {
		return fmt.Sprintf("%.0f servers and only %.0f vbuckets: make the store with more", n.Machines, l.VBuckets)
	}
	return "servers: processors"
}
