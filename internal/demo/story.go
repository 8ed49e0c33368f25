package demo

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// storyLines is how many of the latest lines a screen shows.
const storyLines = 6

// story is what was done to the processes and how long it was felt.
type story struct {
	mu   sync.Mutex
	acts []*happening
	told int // acts that news has told whole
}

// happening is one thing that was done.
type happening struct {
	at       time.Time
	what     string
	counting time.Duration // until an event sent after it was counted; 0: not yet
	over     time.Duration // until everything was as before; 0: not yet
	notes    []string
}

// begin adds a happening. What is done with it is done under the story's lock.
func (s *story) begin(what string) *happening {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := &happening{at: time.Now(), what: what}
	s.acts = append(s.acts, h)
	return h
}

func (s *story) note(h *happening, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h.notes = append(h.notes, fmt.Sprintf(format, args...))
}

// mark notes how long something took, once.
func (s *story) mark(h *happening, d *time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if *d == 0 {
		*d = time.Since(h.at)
	}
}

// lines are all happenings, the latest last.
func (s *story) lines(start time.Time) (lines []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.acts {
		lines = append(lines, h.line(start))
	}
	return lines
}

// news are the happenings that are over and have not been told, a line each.
func (s *story) news(start time.Time) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for s.told < len(s.acts) && s.acts[s.told].ended() {
		b.WriteString(s.acts[s.told].line(start) + "\n")
		s.told++
	}
	return b.String()
}

func (h *happening) ended() bool { return h.over > 0 && h.counting > 0 }

func (h *happening) line(start time.Time) string {
	parts := append([]string(nil), h.notes...)
	if h.counting > 0 {
		parts = append(parts, "counting on after "+seconds(h.counting))
	}
	if h.over > 0 {
		parts = append(parts, "all as before after "+seconds(h.over))
	}
	if !h.ended() {
		parts = append(parts, "…")
	}
	return fmt.Sprintf("%6.1fs  %-38s  %s", h.at.Sub(start).Seconds(), h.what, strings.Join(parts, ", "))
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
