package ingest

import (
	"net/http"

	"github.com/tabaproject/taba/internal/trail"
)

// maxNotes is of how many names one request, or load of a stream, is told what
// was refused.
const maxNotes = 256

// notes are what is to be kept of the names that something was wrong with in one
// request. The zero value is ready to use and costs nothing while nothing is.
type notes struct {
	list  []trail.Note
	index map[noteKey]int
}

type noteKey struct {
	kind        trail.Kind
	tab, reason string
}

// add counts n events. It returns the note if it is a new one, to be completed,
// or else nil.
func (t *notes) add(kind trail.Kind, tab, client, typ, reason string, n uint64) *trail.Note {
	if last := len(t.list) - 1; last >= 0 { // most often there is more of the same
		if l := &t.list[last]; l.Kind == kind && l.Name == tab && l.Reason == reason {
			l.Events += n
			return nil
		}
	}
	k := noteKey{kind, tab, reason}
	if i, ok := t.index[k]; ok {
		t.list[i].Events += n
		return nil
	}
	if len(t.list) == maxNotes {
		return nil
	}
	if t.index == nil {
		t.index = make(map[noteKey]int)
	}
	t.index[k] = len(t.list)
	t.list = append(t.list, trail.Note{Kind: kind, Reason: reason, Name: tab, Client: client, Type: typ, Events: n})
	return &t.list[len(t.list)-1]
}

// take returns the notes and begins anew.
func (t *notes) take() []trail.Note {
	list := t.list
	t.list = nil
	clear(t.index)
	return list
}

// note keeps what was wrong with names in a request of a sender.
func (o *Options) note(list []trail.Note, sender string) {
	t := o.Metrics.Trail
	viewers := t.Viewers()
	for i := range list {
		n := &list[i]
		n.Door, n.Sender = o.door.Name, sender
		t.Note(*n)
		viewers.Stopped(n.Kind, n.Name, n.Events)
	}
}

// noteRequest keeps that a request, or a frame, of a sender was refused as a whole.
func (o *Options) noteRequest(e *refusal, sender string) {
	o.Metrics.noteRequest(o.door.Name, e, sender)
}

func (m *Metrics) noteRequest(door string, e *refusal, sender string) {
	reason := e.reason
	if reason == reasonName && e.status == http.StatusRequestEntityTooLarge {
		reason = "name_long"
	}
	m.Trail.Note(trail.Note{Kind: trail.Refused, Door: door, Reason: reason, Name: e.tab, Client: e.client, Sender: sender, Detail: e.text})
}
