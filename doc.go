// Package taba records what happens in a program: how often, how much, how
// long. It is the client of Taba, which answers what is going on over a whole
// fleet of such programs.
//
//	c := taba.New(taba.Config{})
//	defer c.Close(context.Background())
//	won := c.Counter("bids_won")
//	price := c.Percentile("winning_bid_price")
//	…
//	won.Add(1)
//	price.Record(1.31)
//
// Events go to the agent on the same host, or to a server, as often as that has
// time for them: every 50 ms to every second, see Config.FlushEvery.
//
// # Promises
//
// Recording never blocks, never panics and needs no error handling: a nil
// *Client and the zero handles do nothing, bad names and values are dropped
// and reported. Recording a number takes about ten nanoseconds and allocates
// nothing. Memory is bounded by Config.BufferBytes; when it is full the newest
// events are dropped. Whatever is dropped is counted in Stats, told to
// Config.OnDrop, and recorded as the tab taba_client_dropped.
//
// Delivery is best effort. Events live in memory until they are acknowledged:
// a program that dies loses those of its last moments, and a request whose
// answer was lost is sent again, with the same bytes, so that its events may
// count twice if the first one had arrived. What an agent or server has
// acknowledged is counted exactly once from there on.
//
// The time of a number is that of a clock that moves every 50 ms (oftener if
// Config.FlushEvery is short), which is far finer than the finest window. Sent
// is its second; to agents that know only v1 of the protocol, all of it.
//
// # Concurrency
//
// Everything is safe for concurrent use. Handles are small values: resolve
// them once, copy them freely.
package taba
