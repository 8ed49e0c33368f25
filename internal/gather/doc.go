// Package gather keeps what slow senders have sent until all of it is there,
// so that they hold next to no memory.
//
// A File has no name and holds bytes of any number of senders in blocks. A
// Room is a listener whose connections wait until their first request is
// complete: without a goroutine or a buffer, in one epoll loop, which moves what
// arrives to the File. A complete request is handed, as the bytes that were
// sent, to the server that accepts from the Room; so is a connection that the
// Room cannot make sense of, and the server answers as it would have done. What
// the Room decides is when a server sees a connection, and nothing else.
//
// # Concurrency and back-pressure
//
// A File is safe for concurrent use; Bytes belong to one goroutine at a time.
// A Room's loop is its Accept, which one goroutine calls; everything else
// may be called by anyone. Connections go straight through the Room's Door, as
// if there were no Room, while the requests being received there are few. Beyond
// that they wait in the Room, which hands over as much at a time as the server
// is to have in hand. What a File may hold is bounded; when it is full, the
// connections that have more to send are handed over, and the server refuses
// them.
package gather
