package forward

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/tabaproject/taba/internal/spool"
	"github.com/tabaproject/taba/internal/store"
)

// Config are the settings of the protocol. Zero fields take their defaults.
type Config struct {
	// RotateAfter is the age at which an id is replaced. Default a third of
	// what the store honours.
	RotateAfter time.Duration
	// Retain and RetainBytes bound how long acknowledged Batches are kept
	// until the store reports them stable. Default 15 minutes, 1 GiB.
	Retain      time.Duration
	RetainBytes int64
	// RetainStable keeps them for that long also if the store has reported them
	// stable: a store that is restored from a backup knows nothing of it.
	RetainStable bool
	// Reconcile is how often heads are asked for while Batches are retained.
	// Default 10 s.
	Reconcile time.Duration
	// RequestBytes bounds the parts of one request, if more than one is sent.
	// Default 16 MiB.
	RequestBytes int
	// Routes says for each of so many vbuckets which server its parts go to; the
	// slice is not changed and not kept. Nil: all go to one.
	Routes func(vbuckets int, now time.Duration) []int
	// Servers is how many there are. Nil: one.
	Servers func() int
	// Pause is for how long a vbucket is left alone that the store could not
	// commit to for so many times before; asked is what the server asked for, or 0.
	// Default: a second, or as long as it asked for.
	Pause func(failures int, asked time.Duration) time.Duration
	// Detour is for how long the parts of a vbucket go to another server after that
	// could commit them, and the one that they belong to could not. Default 1 minute.
	Detour time.Duration
}

func (c *Config) setDefaults() {
	if c.RotateAfter == 0 {
		c.RotateAfter = store.ClassSpool.Age() / 3
	}
	if c.Retain == 0 {
		c.Retain = 15 * time.Minute
	}
	if c.RetainBytes == 0 {
		c.RetainBytes = 1 << 30
	}
	if c.Reconcile == 0 {
		c.Reconcile = 10 * time.Second
	}
	if c.RequestBytes == 0 {
		c.RequestBytes = 16 << 20
	}
	if c.Pause == nil {
		c.Pause = func(_ int, asked time.Duration) time.Duration { return cmp.Or(asked, time.Second) }
	}
	if c.Detour == 0 {
		c.Detour = time.Minute
	}
}

// Machine is the sender's side of the protocol. The zero value is not usable;
// see NewMachine. It is not safe for concurrent use.
//
// Times are monotonic, since the process began.
type Machine struct {
	c        Config
	token    store.Token // of this process's closes
	sources  []*source   // ascending by number
	next     uint32      // number of the next source
	inForce  *source     // nil: none, or it was dropped
	mustOpen bool        // whatever is in force is to be replaced
	started  bool

	writes   []Write
	flight   []*Action // requests that are not answered
	round    []int     // servers that were sent to since nothing was in flight, but for what is held
	narrow   int       // bytes of the parts of one request, if a server took no more; 0: unknown
	attempt  uint64
	epochs   map[int]store.Epoch
	holds    map[int]*hold        // vbuckets that the store could not commit to
	sealedAt time.Duration        // the last Batch was
	pause    [kinds]time.Duration // no action of the kind before this time
	seen     uint64               // LSN after the newest record known
	low      uint64               // what was last released

	counts   Counts
	losses   Losses        // since there is the spool
	lostNow  uint64        // of them, since the process began
	doubtNow uint64        // likewise
	resentAt time.Duration // a part was last sent that had been sent before
	reports  []Report
}

// Counts are what happened since the process began.
type Counts struct {
	Sealed      uint64 // Batches
	Sent        uint64 // parts
	Acked       uint64 // parts
	Resent      uint64 // parts sent before
	Restored    uint64 // events: acknowledged, found missing in the store, sent again and acknowledged again
	Quarantined uint64 // sources
	Forks       uint64
	Gone        uint64 // sources that were too old
	Renumbered  uint64 // sources
	Refused     uint64 // parts of unknown outcome
}

// Report is something an operator should know.
type Report struct {
	Source store.SourceID
	Text   string
}

// NewMachine returns a Machine to replay a spool into. token must be random
// and of this process alone.
func NewMachine(c Config, token store.Token) *Machine {
	c.setDefaults()
	return &Machine{c: c, token: token, next: 1, epochs: make(map[int]store.Epoch), holds: make(map[int]*hold)}
}

// Write is a group of control records to be written to the spool.
type Write struct {
	Records []spool.Record
	// Checkpoint is the state after them, if they must be synced.
	Checkpoint []byte
}

// Kind of an Action.
type Kind uint8

// Kinds of Actions.
const (
	DoNothing    Kind = iota // until an event or Machine.Wake
	DoWrite                  // Write, then call Written
	DoQuarantine             // save what Machine.Held says of Source, then call Quarantined
	DoRelease                // tell the spool that records before LSN are not needed
	DoSeal                   // merge records, then call Seal
	DoOpen                   // ask for an id, then call Opened or Failed
	DoSend                   // send Parts, then call Replied or Failed
	DoHeads                  // ask for heads, then call HeadsRead or Failed
	DoClose                  // close, then call Closed or Failed
	kinds
)

func (k Kind) String() string {
	return [...]string{"nothing", "write", "quarantine", "release", "seal", "open", "send", "heads", "close"}[k]
}

// Action is what is to be done next.
type Action struct {
	Kind    Kind
	Attempt uint64 // identifies a request: late replies to others are ignored

	Write  Write
	Source uint32 // its number
	ID     store.SourceID
	LSN    uint64 // DoRelease: before it; DoSeal: the first to read
	Last   uint64 // DoSeal: the last to read
	Note   string // DoQuarantine: why
	Token  store.Token
	Opened opened  // DoSeal, DoSend: the store
	Parts  []*Part // DoSend
	Server int     // DoSend: where Config.Routes has them go, or another if they are held

	held   bool // DoSend: parts of held vbuckets
	detour int  // of those: how many servers further on than where they belong
	more   bool // of those: there are more of them
}

// Part is a part to be sent. Its bytes are in the seal at LSN.
type Part struct {
	store.Part
	LSN uint64
	ref *part
}

// source returns the source with number n, or nil.
func (m *Machine) source(n uint32) *source {
	i, ok := slices.BinarySearchFunc(m.sources, n, func(s *source, n uint32) int { return int(int64(s.n) - int64(n)) })
	if !ok {
		return nil
	}
	return m.sources[i]
}

// ensure returns the source with number n, which it makes if need be.
func (m *Machine) ensure(n uint32) *source {
	i, ok := slices.BinarySearchFunc(m.sources, n, func(s *source, n uint32) int { return int(int64(s.n) - int64(n)) })
	if !ok {
		s := &source{n: n}
		if n == 0 {
			// Records from before the first id belong to the first id.
			s.closed, s.heir = true, 1
		}
		m.sources = slices.Insert(m.sources, i, s)
	}
	return m.sources[i]
}

func (m *Machine) remove(s *source) {
	m.sources = slices.DeleteFunc(m.sources, func(o *source) bool { return o == s })
	if m.inForce == s {
		m.inForce = nil
	}
}

// owner is the source under whose id the records of s are sealed, or nil.
func (m *Machine) owner(s *source) *source {
	for s != nil && s.closed {
		if s.heir <= s.n {
			return nil // heirs are younger; nothing else was ever written
		}
		s = m.source(s.heir)
	}
	return s
}

// Appended tells of Partials that were appended to the spool.
func (m *Machine) Appended(r spool.Run, now time.Duration) {
	m.seen = max(m.seen, r.Last+1)
	s := m.source(r.Source)
	if s == nil && r.Source == 0 {
		s = m.ensure(0)
	}
	if s == nil {
		s = m.known(r.Source)
		defer m.drop(s, "its id was given up while records were appended")
	}
	s.pending.add(r.First, r.Last, tally{uint64(r.Records), uint64(r.Bytes), r.Events}, now)
}

// write queues control records. State changes at once; nothing else is done
// until the records are written, so nobody can see the difference.
func (m *Machine) write(durable bool, kind spool.Kind, s *source, payload []byte) {
	w := Write{Records: []spool.Record{{Source: s.n, Kind: kind, Payload: payload}}}
	if durable {
		w.Checkpoint = m.Checkpoint(nil)
	}
	m.writes = append(m.writes, w)
}

// Checkpoint appends the state that outlives the records.
func (m *Machine) Checkpoint(dst []byte) []byte {
	return appendCheckpoint(dst, m.next, m.sources, &m.losses)
}

// Written tells that the Write of the last Action is done; lsn is the number
// of its first record.
func (m *Machine) Written(lsn uint64) {
	w := m.writes[0]
	m.writes[0] = Write{}
	m.writes = m.writes[1:]
	m.seen = max(m.seen, lsn+uint64(len(w.Records)))
	if r := w.Records[0]; r.Kind == spool.KindSeal {
		if s := m.source(r.Source); s != nil && len(s.batches) > 0 {
			if b := s.batches[len(s.batches)-1]; b.lsn == 0 {
				b.lsn = lsn
			}
		}
	}
}

func (m *Machine) report(s *source, format string, args ...any) {
	m.reports = append(m.reports, Report{s.ID, fmt.Sprintf(format, args...)})
}

// Reports returns what there is to report since the last call.
func (m *Machine) Reports() []Report {
	r := m.reports
	m.reports = nil
	return r
}
