package demo

import (
	"io"
	"os"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"
)

// screen is a terminal drawn in place: on the alternate screen, which gives
// back what was there before when it is closed.
type screen struct{ w io.Writer }

const (
	alternateOn  = "\x1b[?1049h\x1b[?25l" // and the cursor hidden
	alternateOff = "\x1b[?25h\x1b[?1049l"
	home         = "\x1b[H"
	clearLine    = "\x1b[K"
	clearBelow   = "\x1b[J"
)

func newScreen(w io.Writer) *screen {
	_, _ = io.WriteString(w, alternateOn)
	return &screen{w: w}
}

// size is the terminal's columns and lines, now: people change it.
func (s *screen) size() (width, height int) {
	if f, ok := s.w.(*os.File); ok {
		if w, h, err := term.GetSize(int(f.Fd())); err == nil && w > 0 && h > 0 {
			return w, h
		}
	}
	return 80, 24
}

// draw replaces what is shown. What does not fit is cut, so that the screen
// never scrolls.
func (s *screen) draw(content string) {
	width, height := s.size()
	_, _ = io.WriteString(s.w, frame(content, width, height))
}

// frame fits content into a terminal.
func frame(content string, width, height int) string {
	lines := strings.Split(strings.TrimRight(content, "\n"), "\n")
	lines = lines[:min(len(lines), height)]
	for i, l := range lines {
		lines[i] = text.Trim(l, width) + clearLine
	}
	return home + strings.Join(lines, "\n") + clearBelow
}

func (s *screen) close() { _, _ = io.WriteString(s.w, alternateOff) }
