// Package fleet simulates a fleet of ad bidders: a few hundred processes in
// three zones that win and lose auctions, spend money, log errors, elect
// leaders and are upgraded while they run. It exists for demonstrations and
// load: what it records is drawn from distributions such as real fleets show,
// and it knows exactly how much it recorded and how much of that was
// acknowledged, so that an answer can be checked against it.
//
// A Process is pure: time and randomness come in, events come out, equal seeds
// give equal events. A Fleet drives the Processes in real time and posts what
// they record as v1 bodies.
//
// # Concurrency and back-pressure
//
// A Process belongs to one goroutine. A Fleet runs one goroutine per Process;
// each has one post in flight. A Process whose post is refused for want of
// capacity tries the same body again and records nothing meanwhile, so memory
// does not grow. A post whose outcome is unknown is not tried again: its
// events are counted as in doubt.
package fleet
