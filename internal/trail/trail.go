package trail

import (
	"container/list"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Kind is what happened to events.
type Kind string

// Kinds of what happens to events that do not simply count.
const (
	Refused Kind = "refused" // they do not count
	Clamped Kind = "clamped" // their time was moved to now
	Moved   Kind = "moved"   // they count under another name
)

// Doors, as notes and counters name them.
const (
	DoorV1     = "v1"     // /post, /post_zip
	DoorV2     = "v2"     // /v2/batch and streams
	DoorParts  = "parts"  // what agents pass on
	DoorStatsd = "statsd" // UDP, TCP, unix sockets
)

// A Note tells what happened to some events. Its strings may be parts of a
// buffer: what is kept of them is copied.
type Note struct {
	Kind   Kind
	Door   string
	Reason string // a word, see What
	Name   string // of the tab, as it was sent; "" if none can be told
	Type   string // that was named, "" if none was
	Client string
	Sender string // address
	Detail string // a sentence about the case at hand; may be ""
	Events uint64 // 0: of a request of which nothing was counted
}

// A Trace is all that was noted of one name, in one way and for one reason. Type,
// Client, Sender and Detail are those of the last note.
type Trace struct {
	Note
	Length      int // of the name, if more than Name has
	Times       uint64
	First, Last time.Time
}

// Options of a Trail. The zero value is ready to use.
type Options struct {
	Bytes int              // that are kept, about; 0: 1 MiB
	Now   func() time.Time // nil: time.Now
}

const (
	defaultBytes = 1 << 20
	maxName      = 256 // bytes that are kept of a name
	maxText      = 200 // and of another text
	overhead     = 400 // bytes that a Trace takes beside its texts, about
	freshShare   = 4   // one part in so many is for what was told once

	// maxNew is how many names are begun with in a second. Who makes up names
	// makes all of them cost a lot else.
	maxNew = 1000
)

// A Trail keeps Traces.
type Trail struct {
	o Options

	mu     sync.Mutex
	traces map[key]*list.Element // of *Trace
	fresh  history               // told once
	known  history               // told again
	second int64                 // in which so many were begun with:
	begun  int

	notes   atomic.Uint64
	looking atomic.Pointer[Viewers] // nil: nobody does

	watching sync.Mutex // taken before mu
	watches  map[string]*watch
}

// history is Traces with the latest in front.
type history struct {
	list.List
	bytes int
}

type key struct {
	kind               Kind
	door, reason, name string
	sender             string // only if there is no name
}

// New returns an empty Trail.
func New(o Options) *Trail {
	if o.Bytes <= 0 {
		o.Bytes = defaultBytes
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Trail{o: o, traces: make(map[key]*list.Element)}
}

// Note keeps what is told.
func (t *Trail) Note(n Note) {
	if t == nil {
		return
	}
	k := keyOf(&n)
	now := t.o.Now()
	t.notes.Add(1)
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.traces[k]; e != nil {
		t.again(e, &n, now)
	} else if t.admits(now) {
		t.add(k, &n, now)
	}
	t.trim()
}

// admits reports whether another name may be begun with.
func (t *Trail) admits(now time.Time) bool {
	if s := now.Unix(); s != t.second {
		t.second, t.begun = s, 0
	}
	t.begun++
	return t.begun <= maxNew
}

func keyOf(n *Note) key {
	k := key{kind: n.Kind, door: n.Door, reason: n.Reason, name: n.Name[:min(len(n.Name), maxName)]}
	if n.Name == "" {
		k.sender = host(n.Sender)
	}
	return k
}

// host is an address without its port: that changes from request to request.
func host(sender string) string {
	if i := strings.LastIndexByte(sender, ':'); i >= 0 {
		return sender[:i]
	}
	return sender
}

// add begins a Trace.
func (t *Trail) add(k key, n *Note, now time.Time) {
	tr := &Trace{Note: *n, Times: 1, First: now, Last: now}
	tr.Name = strings.Clone(k.name)
	if len(n.Name) > len(k.name) {
		tr.Length = len(n.Name)
	}
	tr.Reason, tr.Door = strings.Clone(n.Reason), strings.Clone(n.Door)
	tr.Type, tr.Client, tr.Sender, tr.Detail = "", "", "", ""
	tr.keep(n)
	k.name, k.reason, k.door, k.sender = tr.Name, tr.Reason, tr.Door, strings.Clone(k.sender)
	t.traces[k] = t.fresh.PushFront(tr)
	t.fresh.bytes += tr.size()
}

// again adds a note to a Trace, which is known from then on.
func (t *Trail) again(e *list.Element, n *Note, now time.Time) {
	tr := e.Value.(*Trace)
	from := t.of(tr)
	from.bytes -= tr.size()
	tr.Events += n.Events
	tr.Times++
	tr.Last = now
	tr.keep(n)
	t.known.bytes += tr.size()
	if from == &t.known {
		t.known.MoveToFront(e)
		return
	}
	from.Remove(e)
	t.traces[keyOf(&tr.Note)] = t.known.PushFront(tr)
}

// of returns where a Trace is.
func (t *Trail) of(tr *Trace) *history {
	if tr.Times == 1 {
		return &t.fresh
	}
	return &t.known
}

// keep takes over what a Trace has of its last note.
func (tr *Trace) keep(n *Note) {
	same(&tr.Type, n.Type)
	same(&tr.Client, n.Client)
	same(&tr.Sender, n.Sender)
	same(&tr.Detail, n.Detail)
}

// same sets a text, and copies it only if it is another one.
func same(to *string, text string) {
	text = text[:min(len(text), maxText)]
	if *to != text {
		*to = strings.Clone(text)
	}
}

func (tr *Trace) size() int {
	return overhead + 2*len(tr.Name) + len(tr.Type) + len(tr.Client) + len(tr.Sender) + len(tr.Detail)
}

// trim forgets what is too much.
func (t *Trail) trim() {
	for t.fresh.bytes+t.known.bytes > t.o.Bytes {
		from := &t.known
		if t.fresh.bytes > t.o.Bytes/freshShare || from.Len() == 0 {
			from = &t.fresh
		}
		last := from.Back()
		tr := from.Remove(last).(*Trace)
		from.bytes -= tr.size()
		delete(t.traces, keyOf(&tr.Note))
	}
}

// Notes is how many notes were taken.
func (t *Trail) Notes() uint64 { return t.notes.Load() }

// Size is about how many bytes are held.
func (t *Trail) Size() int {
	if t == nil {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.fresh.bytes + t.known.bytes
}

// All returns every Trace, the latest first.
func (t *Trail) All() []Trace {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]Trace, 0, len(t.traces))
	for _, h := range []*history{&t.known, &t.fresh} {
		for e := h.Front(); e != nil; e = e.Next() {
			all = append(all, *e.Value.(*Trace))
		}
	}
	slices.SortStableFunc(all, func(a, b Trace) int { return b.Last.Compare(a.Last) })
	return all
}
