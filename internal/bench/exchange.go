package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"
)

// A StatusError is an answer other than 200.
type StatusError struct {
	Code       int
	RetryAfter time.Duration // 0 if it does not say
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("a post was answered %d %s", e.Code, http.StatusText(e.Code))
}

// Exchange sends a request and reads the answer, of which it looks at little:
// the sender is to cost little beside what it measures. The error is a
// *StatusError if the answer is not 200; the connection can go on then.
func Exchange(conn net.Conn, in *bufio.Reader, request []byte) error {
	if _, err := conn.Write(request); err != nil {
		return err
	}
	return Answer(in)
}

// Answer reads the answer to a request.
func Answer(in *bufio.Reader) error {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return err
	}
	fields := bytes.Fields(line)
	if len(fields) < 2 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return fmt.Errorf("a post was answered %q", bytes.TrimSpace(line))
	}
	code, err := strconv.Atoi(string(fields[1]))
	if err != nil {
		return fmt.Errorf("a post was answered %q", bytes.TrimSpace(line))
	}
	length, wait, err := header(in)
	if err != nil {
		return err
	}
	if _, err = in.Discard(length); err == nil && code != http.StatusOK {
		err = &StatusError{code, time.Duration(wait) * time.Second}
	}
	return err
}

// header reads a header, of which it keeps the length of what follows and how
// many seconds to wait.
func header(in *bufio.Reader) (length, wait int, err error) {
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return 0, 0, err
		}
		if len(line) <= 2 {
			return length, wait, nil
		}
		to := &length
		v, ok := bytes.CutPrefix(line, []byte("Content-Length: "))
		if !ok {
			to = &wait
			v, ok = bytes.CutPrefix(line, []byte("Retry-After: "))
		}
		if !ok {
			continue
		}
		if *to, err = strconv.Atoi(string(bytes.TrimSpace(v))); err != nil {
			return 0, 0, fmt.Errorf("an answer has the line %q", bytes.TrimSpace(line))
		}
	}
}
