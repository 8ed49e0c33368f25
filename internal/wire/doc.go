// Package wire turns events and Batches into bytes and back. It is where
// processes meet: what an agent, a server and a client of any language have
// to agree on is here and in proto/taba/v2/taba.proto.
//
//   - v1, the original's text protocol: Decoder and Encoder.
//   - v2, protobuf messages over HTTP: Batch and the requests and replies
//     around it, coded by hand because they are few and their bodies large.
//     Batches of events, which carry most of what comes in, have a decoder and
//     an encoder of their own: BatchDecoder and BatchEncoder.
//
// Nothing here trusts its input: lengths, counts and nesting are limited, no
// input makes a decoder panic or hold more memory than a small multiple of
// its limits.
//
// # Concurrency and back-pressure
//
// Nothing here is safe for concurrent use, does I/O of its own (a Decoder
// reads from the io.Reader it is given) or starts goroutines. A Decoder reads
// no further than one buffer ahead, so a slow consumer slows its sender down.
package wire
