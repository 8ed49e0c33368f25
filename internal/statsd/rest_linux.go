package statsd

import "time"

// A turn is what a reader found at its socket.
type turn struct {
	since    time.Duration // since the socket was empty
	messages int           // received
	held     int           // bytes of the receive buffer that they took when the reader came
	room     int           // bytes that it has
}

// roomShare is the part of a receive buffer that may fill during a rest. The
// others are for senders that become faster meanwhile, and for a reader that is
// late.
const roomShare = 8

// rest returns how long a reader leaves its socket alone after a turn: until as
// many messages have come, as fast as they came last, as one call of the kernel
// receives, or a share of the receive buffer has filled. It rests no longer than
// the last commit took: what it reads lies much longer than that before it is
// committed, as the committer rests too. If that brings less than two messages
// there is nothing to be saved: it is woken by the next one.
func rest(t turn, commit time.Duration) time.Duration {
	if t.messages == 0 || t.since <= 0 {
		return 0
	}
	times := float64(messagesAtOnce) / float64(t.messages)
	if t.held > 0 {
		times = min(times, float64(t.room)/roomShare/float64(t.held))
	}
	d := min(times*float64(t.since), float64(commit))
	if d*float64(t.messages) < 2*float64(t.since) {
		return 0
	}
	return time.Duration(d)
}
