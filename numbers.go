package taba

import (
	"math"
	"sync"
	"sync/atomic"
	"unsafe"
)

// Numbers are folded where they are recorded: each processor has a shard, into
// which one goroutine at a time records, and where equal values of a series
// become one run as long as the clock shows the same time. A run is never
// taken from those who record; the flusher reads how far it has grown and
// sends the difference. So nobody waits, and nothing is lost or sent twice.

// run is n events of one series with the same value, in one tick of the clock.
// Or it says, with the id tick, at what time the runs after it were recorded.
type run struct {
	value uint64 // the bits of a float64, or milliseconds since 1970
	word  uint64 // n<<idBits | id of the series
}

const (
	idBits = 20
	tick   = 1<<idBits - 1 // above all ids of series, see maxSeries
	one    = 1 << idBits   // the word of one event of series 0
)

func (r *run) load() (id uint32, n uint64) {
	word := atomic.LoadUint64(&r.word)
	return uint32(word & tick), word >> idBits
}

// chunk is the unit in which memory for runs is taken and given back. The
// first run of a chunk is always a tick.
type chunk struct {
	runs [chunkRuns]run
	n    uint64 // of runs that are written
	next atomic.Pointer[chunk]
}

const (
	chunkRuns  = 1024
	chunkSlots = 1 << (64 - slotShift)
	slotShift  = 64 - 11
	chunkBytes = int64(unsafe.Sizeof(chunk{}))
)

var chunkPool = sync.Pool{New: func() any { return new(chunk) }}

// shard is a list of chunks, written at its end between enter and leave, and
// read by its reader.
type shard struct {
	_     [0]atomic.Uint64      // aligns total
	at    int64                 // of the last tick, clockNever before
	open  *chunk                // the last one, nil before the first tick
	n     int                   // runs in it
	total uint64                // events ever recorded
	slots [chunkSlots]uint16    // where in open a series' value may be, by hash
	first atomic.Pointer[chunk] // of all that ever was
	mu    sync.Mutex            // of enter, where it locks
	_     [64]byte              // keeps the reader off the recorders' cache lines
	reader
	_ [64]byte
}

// clockNever is no time and no value of Client.clock.
const clockNever = -2

// shardBytes is what a shard holds even if it is empty.
const shardBytes = chunkBytes + int64(unsafe.Sizeof(shard{})) + chunkRuns*8

// numbers is where events that are numbers wait to be sent.
type numbers struct{ shards []shard }

// init makes shards that take, while they are empty, at most half of bound.
func (ns *numbers) init(bound int64) {
	most := int(bound / 2 / shardBytes)
	ns.shards = make([]shard, shardCount(max(most, 1)))
	for i := range ns.shards {
		ns.shards[i].at = clockNever
	}
}

// number records v.
func (s *series) number(v float64) {
	if s == nil {
		return
	}
	value := math.Float64bits(v)
	if s.bad || value&infinity == infinity { // or NaN
		s.c.drop(DropInvalid, 1)
		return
	}
	ns := &s.c.numbers
	sh := ns.enter()
	if sh != nil && sh.at == s.c.clock.Load() && (sh.fold(s.word, value) || sh.append(s.word, value)) {
		ns.leave(sh)
		return
	}
	ns.leave(sh)
	if why := s.c.numberSlowly(s.word, value); why != "" {
		s.c.drop(why, 1)
	}
}

// infinity has the exponent of what is not finite.
const infinity = 0x7ff << 52

// slot is where in open a run of a value may be. Values of one series are
// spread, and so are series of one value.
func (sh *shard) slot(word, value uint64) *uint16 {
	const golden = 0x9e3779b97f4a7c15 // the upper bits of a product with it are well mixed
	return &sh.slots[(word^value*golden>>slotShift)%chunkSlots]
}

// fold makes the run of a series and value longer, if it is found.
func (sh *shard) fold(word, value uint64) bool {
	r := &sh.open.runs[*sh.slot(word, value)%chunkRuns]
	if r.value != value || (r.word^word)&tick != 0 {
		return false
	}
	publish(&r.word, r.word+one)
	publish(&sh.total, sh.total+1)
	return true
}

// append begins a run, if there is room.
func (sh *shard) append(word, value uint64) bool {
	if sh.n >= chunkRuns {
		return false
	}
	*sh.slot(word, value) = uint16(sh.n)
	sh.write(run{value, word})
	publish(&sh.total, sh.total+1)
	return true
}

func (sh *shard) write(r run) {
	sh.open.runs[sh.n%chunkRuns] = r
	sh.n++
	publish(&sh.open.n, uint64(sh.n))
}

// turn begins a tick of the clock.
func (sh *shard) turn(at int64) {
	sh.at = at
	clear(sh.slots[:])
	sh.write(run{uint64(at), tick})
}

// full reports whether there may be no room for a tick and a run.
func (sh *shard) full() bool { return sh.open == nil || sh.n > chunkRuns-2 }

// record records at a time of the clock, if it is one and there is room.
func (sh *shard) record(at int64, word, value uint64) bool {
	if at != sh.at {
		if at <= clockIdle || sh.full() {
			return false
		}
		sh.turn(at)
	}
	return sh.fold(word, value) || sh.append(word, value)
}

// numberSlowly records also when the clock stands or has moved, or a chunk is
// needed. It returns why nothing was recorded.
func (c *Client) numberSlowly(word, value uint64) DropReason {
	var spare *chunk // got beforehand: who has entered must not wait
	defer func() { c.giveBack(spare) }()
	for c.tellTime() != clockClosed {
		sh := c.numbers.enterSlowly()
		recorded := sh.record(c.clock.Load(), word, value)
		if !recorded && sh.full() && spare != nil {
			c.extend(sh, spare)
			spare = nil
			recorded = sh.record(c.clock.Load(), word, value)
		}
		full := sh.full()
		c.numbers.leaveSlowly(sh)
		if recorded {
			return ""
		}
		if full && spare == nil {
			if !c.hold(chunkBytes) {
				return DropFull
			}
			spare = chunkPool.Get().(*chunk)
		}
	}
	return DropClosed
}

// extend makes ch the last chunk of sh.
func (c *Client) extend(sh *shard, ch *chunk) {
	ch.n = 0
	ch.next.Store(nil)
	if sh.open == nil {
		c.used.Add(-chunkBytes) // a shard's first one was allowed for
		sh.first.Store(ch)
	} else {
		sh.open.next.Store(ch)
	}
	sh.open, sh.n, sh.at = ch, 0, clockNever
}

// giveBack frees a chunk that nobody else knows, if it is one.
func (c *Client) giveBack(ch *chunk) {
	if ch != nil {
		chunkPool.Put(ch)
		c.used.Add(-chunkBytes)
	}
}
