package ingest

import "time"

// turn is what a reader did since it last waited for something to read.
type turn struct {
	since  time.Duration // since the turn before had read all there was
	frames int           // read
	bytes  int
	took   time.Duration // from then until they were acknowledged
}

// rest returns how long a reader that commits itself leaves its connection alone
// after a turn, so that the next one is not for a single frame: as long as its
// sender waits for an acknowledgement anyway, unless what comes meanwhile, as
// fast as it came, would not fit into half of what the system takes for us. It
// does not rest if less than a frame would come, nor after a single frame: that of a
// sender that waits for each acknowledgement is read as soon as it comes.
func (t *turn) rest() time.Duration {
	if t.frames < 2 || t.since <= 0 {
		return 0
	}
	d := min(float64(t.took), float64(t.since)*(windowBytes/2)/float64(max(t.bytes, 1)))
	if d*float64(t.frames) < float64(t.since) {
		return 0
	}
	return time.Duration(d)
}

// pacer lets a reader rest.
type pacer struct {
	turn
	read  time.Time // when it last had read all there was
	count uint64    // frames until then
	timer *time.Timer
}

// begin notes that all that had arrived was read, so many bytes, up to the
// frame of a number.
func (p *pacer) begin(count uint64, bytes int64) {
	now := time.Now()
	p.turn = turn{since: now.Sub(p.read), frames: int(count - p.count), bytes: int(bytes)}
	p.read, p.count = now, count
}

// end notes that it was acknowledged, and rests.
func (p *pacer) end() {
	p.took = time.Since(p.read)
	d := p.rest()
	if d == 0 {
		return
	}
	if p.timer == nil {
		p.timer = time.NewTimer(d)
	} else {
		p.timer.Reset(d)
	}
	<-p.timer.C
}
