package lang

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Error says what is wrong with a text, and where.
type Error struct {
	Column  int // of the character, from 1; 0: nowhere in particular
	Message string
	Limit   bool // the text is well formed and asks for too much
}

func (e *Error) Error() string { return e.Message }

// scanner reads words, marks and texts. After an error it stays where it is.
type scanner struct {
	text string
	at   int
	err  *Error
}

func (s *scanner) failed() bool { return s.err != nil }

// column is the one of a place, in characters.
func (s *scanner) column(at int) int { return utf8.RuneCountInString(s.text[:at]) + 1 }

// fail notes an error: the message before and after the place of it.
func (s *scanner) fail(at int, what, use string) {
	if s.err == nil {
		column := s.column(at)
		s.err = &Error{Column: column, Message: fmt.Sprintf("%s at column %d; %s", what, column, use)}
	}
}

// unexpected fails because something else was expected here.
func (s *scanner) unexpected(expected string) {
	s.space()
	s.fail(s.at, "unexpected "+s.here(), "expected "+expected)
}

// here names what is next.
func (s *scanner) here() string {
	rest := s.text[s.at:]
	if rest == "" {
		return "end"
	}
	n := 0
	for n < len(rest) && isWordByte(rest[n]) {
		n++
	}
	if n == 0 {
		_, n = utf8.DecodeRuneInString(rest)
	}
	return fmt.Sprintf("%q", rest[:n])
}

func (s *scanner) space() {
	s.at = len(s.text) - len(strings.TrimLeftFunc(s.text[s.at:], unicode.IsSpace))
}

// peek returns the next byte that is no blank, 0 at the end.
func (s *scanner) peek() byte {
	s.space()
	if s.at == len(s.text) {
		return 0
	}
	return s.text[s.at]
}

// take takes a mark if it is next.
func (s *scanner) take(mark byte) bool {
	if s.failed() || s.peek() != mark {
		return false
	}
	s.at++
	return true
}

// while takes the bytes for which is holds.
func (s *scanner) while(is func(byte) bool) string {
	start := s.at
	for s.at < len(s.text) && is(s.text[s.at]) {
		s.at++
	}
	return s.text[start:s.at]
}

// word takes a word, empty if none is next.
func (s *scanner) word() string {
	if s.peek() == '/' {
		return ""
	}
	return s.while(isWordByte)
}

// keyword takes the word w if it is next.
func (s *scanner) keyword(w string) bool {
	if s.failed() {
		return false
	}
	s.space()
	start := s.at
	if s.word() == w {
		return true
	}
	s.at = start
	return false
}

// quoted takes what is between quotes: \" and \\ stand for the second
// character, any other backslash for itself.
func (s *scanner) quoted() string { return s.delimited('"', true) }

// regexp takes what is between slashes: \/ stands for a slash.
func (s *scanner) regexp() string { return s.delimited('/', false) }

func (s *scanner) delimited(mark byte, backslash bool) string {
	start := s.at
	if !s.take(mark) {
		return ""
	}
	var b strings.Builder
	for ; s.at < len(s.text); s.at++ {
		c := s.text[s.at]
		switch {
		case c == mark:
			s.at++
			return b.String()
		case c == '\\' && s.at+1 < len(s.text) && (s.text[s.at+1] == mark || backslash && s.text[s.at+1] == '\\'):
			s.at++
			c = s.text[s.at]
		case c == '\\' && s.at+1 < len(s.text) && !backslash:
			b.WriteByte(c) // an escape of the regular expression's own
			s.at++
			c = s.text[s.at]
		}
		b.WriteByte(c)
	}
	s.at = start
	s.space()
	s.fail(s.at, fmt.Sprintf("%c is not closed", mark), fmt.Sprintf("end with %c", mark))
	return ""
}

// wordBytes are those of names, without what the language itself needs.
var wordBytes = bytesOf("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~:/?@!$*+;=-")

func bytesOf(list string) (in [256]bool) {
	for _, c := range []byte(list) {
		in[c] = true
	}
	return in
}

func isWordByte(c byte) bool { return wordBytes[c] }

func isTagByte(c byte) bool { return wordBytes[c] && c != '=' && c != '!' && c != '~' && c != ';' }

// isWord reports whether s can be written without quotes.
func isWord(s string) bool {
	for i := range len(s) {
		if !isWordByte(s[i]) {
			return false
		}
	}
	return s != "" && s[0] != '/'
}

func isTagWord(s string) bool {
	for i := range len(s) {
		if !isTagByte(s[i]) {
			return false
		}
	}
	return s != ""
}

// quoteText returns the text that quoted reads as s.
func quoteText(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
