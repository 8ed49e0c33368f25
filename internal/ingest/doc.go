// Package ingest is the HTTP door for writes, of agents and servers alike:
// POST /post and /post_zip for events (Taba v1), POST /v2/batch and the streams
// of GET /v2/stream for events (Taba v2), /v2/* for the Batches of agents. It
// also says who may come in (Auth) and how long a connection may dawdle
// (NewServer).
//
// # How a request goes
//
// The goroutine that reads a request also decompresses it, decodes it and
// folds it into an accumulator of its own: there is no hand-off, lock or
// allocation per event. Only when the whole body decoded cleanly is the
// accumulator committed, and only when the commit is durable is the request
// answered 200. A malformed body is refused with the line and the reason, and
// nothing of it counts. A bad event in a well-formed body is refused alone: it
// is counted, and named in the X-Taba-Refused header of the 200.
//
// On a stream the same goes for frames: what has arrived is folded, what was
// folded while the last commit was under way is committed next, and a bad
// frame is refused alone. The stream ends only where framing is lost.
//
// # Concurrency and back-pressure
//
// Handlers are safe for concurrent use. Everything in flight is charged, as it
// arrives, to one Budget of bytes; a request that does not fit any more is
// answered 503 with Retry-After and leaves nothing behind, and streams are not
// read before there is room. Until a client has sent all of a small body, or
// the first 64 KiB of a large one, its request holds only what was sent;
// decoders and decompressors are taken from bounded pools after that. A stream
// holds a buffer only while there is something in it. So thousands of slow
// clients cost what they have sent, and after a burst the memory goes back to
// the system.
package ingest
