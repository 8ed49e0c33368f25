package query

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/tabaproject/taba/internal/query/lang"
	"github.com/tabaproject/taba/internal/trail"
)

// How many events a second are shown to who asks for no other number, and to
// anybody at most.
const (
	defaultTail = 100
	maxTail     = 1000
)

// Tailed are events as they are folded, some of them if they are many.
type Tailed struct {
	Matched uint64      `json:"matched"` // events since the beginning
	Shown   uint64      `json:"shown"`   // of these
	Events  []TailEvent `json:"events"`
}

// TailEvent is one event, or several that were folded before they came.
type TailEvent struct {
	Time   float64         `json:"time"` // of the event, UTC seconds
	Tab    string          `json:"tab"`
	Type   string          `json:"type"`
	Client string          `json:"client"`
	Door   string          `json:"door"`
	Value  json.RawMessage `json:"value"`  // the payload; null if several were folded
	Weight uint64          `json:"weight"` // events that it stands for
}

// tail shows events as Server-Sent Events, at a bounded cost.
func (s *Self) tail(w http.ResponseWriter, r *http.Request) {
	a, err := s.args(w, r, []string{"match", "rate"})
	var m lang.Matcher
	if err == nil {
		m, err = tailed(a)
	}
	rate := 0
	if err == nil {
		rate, err = a.number("rate", defaultTail, maxTail)
	}
	var v *trail.Viewer
	if err == nil {
		v, err = s.look(m.Match, rate)
	}
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	defer v.Close()
	s.show(w, r, v)
}

// tailed reads which tabs are to be shown.
func tailed(a args) (lang.Matcher, error) {
	text := a.get("match")
	if text == "" {
		return lang.Matcher{}, badParameter("which tabs is not said; give a name or a glob as match, for example match=bid*")
	}
	return lang.ParseMatcher(text)
}

// look lets somebody look, unless there are too many, or nothing to be seen.
func (s *Self) look(match func(string) bool, rate int) (*trail.Viewer, error) {
	select {
	case <-s.ended:
		return nil, stopping()
	default:
	}
	if s.o.Trail != nil {
		if v := s.o.Trail.Look(match, rate); v != nil {
			return v, nil
		}
	}
	return nil, tooManyLook()
}

func stopping() error {
	return &problem{status: http.StatusServiceUnavailable, Code: codeUnavailable, Message: "the process is stopping; retry later"}
}

func tooManyLook() error {
	return &problem{status: http.StatusServiceUnavailable, Code: codeUnavailable,
		Message: fmt.Sprintf("%d look at events or watch names already, and no more may at once; retry later", trail.MaxViewers)}
}

// show sends what a Viewer is shown until somebody ends it.
func (s *Self) show(w http.ResponseWriter, r *http.Request, v *trail.Viewer) {
	streaming(w)
	if r.Method == http.MethodHead {
		return
	}
	control := http.NewResponseController(w)
	tick := time.NewTicker(time.Second) // what is not shown is told of, too
	defer tick.Stop()
	t := Tailed{Events: []TailEvent{}}
	for id := uint64(1); ; id++ {
		body, err := json.Marshal(&t)
		if err != nil {
			s.log.Error("an event cannot be shown", "err", err)
			return
		}
		if _, err := w.Write(event(id, "events", body)); err != nil || control.Flush() != nil {
			return // it has hung up, or takes nothing
		}
		for fresh := false; !fresh; {
			select {
			case <-r.Context().Done():
				return
			case <-s.ended:
				_, _ = w.Write(event(id+1, "end", []byte(`{"reason":"the process is stopping"}`)))
				return
			case <-v.Wake():
				fresh = true
			case <-tick.C:
				fresh = v.Matched() != t.Matched
			}
		}
		var shown []trail.Event
		shown, t.Matched = v.Take()
		t.Shown += weights(shown)
		t.Events = t.Events[:0]
		for i := range shown {
			t.Events = append(t.Events, tailEvent(&shown[i]))
		}
	}
}

// weights is how many events there are.
func weights(list []trail.Event) (n uint64) {
	for i := range list {
		n += list[i].Weight
	}
	return n
}

// streaming begins an answer of Server-Sent Events.
func streaming(w http.ResponseWriter) {
	head := w.Header()
	head.Set("Content-Type", "text/event-stream")
	head.Set("Cache-Control", "no-store")
	head.Set("X-Accel-Buffering", "no") // proxies would collect events
	head.Set("X-Content-Type-Options", "nosniff")
}

func tailEvent(e *trail.Event) TailEvent {
	t := TailEvent{
		Time: e.Time, Tab: trail.Printable(e.Name), Type: trail.Printable(e.Type), Client: trail.Printable(e.Client), Door: e.Door, Weight: e.Weight,
	}
	switch {
	case e.Whole:
		t.Value = json.RawMessage("null")
	case len(e.Text) == 0:
		t.Value, _ = json.Marshal(e.Value) // doors let only finite ones in
	case json.Valid(e.Text) && utf8.Valid(e.Text):
		t.Value = e.Text
	default: // it was cut
		t.Value, _ = json.Marshal(trail.Printable(string(e.Text)) + "…")
	}
	return t
}
