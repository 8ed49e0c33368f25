package redisrun

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// Try asks a server and returns what it says, a line for each part of it, or why
// it says nothing.
func (s *Server) Try(words ...string) string {
	text, err := s.Ask(words...)
	if err != nil {
		return err.Error()
	}
	return text
}

// Ask asks a server and returns what it says, a line for each part of it.
func (s *Server) Ask(words ...string) (string, error) {
	const most = 10 * time.Second
	c, err := net.DialTimeout("tcp", net.JoinHostPort(s.IP, s.Port), most)
	if err != nil {
		return "", err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(most)) // it does not fail on a connection that is open
	var b bytes.Buffer
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, w := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(w), w)
	}
	if _, err := c.Write(b.Bytes()); err != nil {
		return "", err
	}
	lines, err := reply(bufio.NewReader(c), nil)
	return strings.Join(lines, "\n"), err
}

// reply reads an answer, arrays within arrays one after the other.
func reply(r *bufio.Reader, lines []string) ([]string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return lines, err
	}
	kind, text := line[0], strings.TrimSuffix(line[1:], "\r\n")
	n, _ := strconv.Atoi(text) // of what has a length
	switch {
	case kind == '*':
		for range n {
			if lines, err = reply(r, lines); err != nil {
				return lines, err
			}
		}
		return lines, nil
	case kind == '$' && n >= 0:
		b := make([]byte, n+2)
		_, err := io.ReadFull(r, b)
		return append(lines, string(b[:n])), err
	case kind == '$':
		text = ""
	}
	return append(lines, text), nil
}
