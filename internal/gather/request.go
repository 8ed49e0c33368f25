package gather

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
)

// headSize is how long a header is waited for here: what a server reads at
// once. Longer ones are the server's business.
const headSize = 4 << 10

// inspector finds out how long a request is, with the parser that the server
// will use.
type inspector struct {
	worth func(*http.Request) bool
	from  bytes.Reader
	buf   *bufio.Reader
}

func newInspector(worth func(*http.Request) bool) *inspector {
	return &inspector{worth: worth, buf: bufio.NewReaderSize(nil, headSize)}
}

// judgement is what is to be done about a request that begins with some bytes.
type judgement int

const (
	unknown  judgement = iota // its header is not complete
	wait                      // its length is known
	handOver                  // it is for the server to say what to do about it
)

// inspect looks at the first bytes of a connection. The length is that of
// the whole request.
func (i *inspector) inspect(first []byte) (length int64, j judgement) {
	first = first[:min(len(first), headSize)]
	if !bytes.Contains(first, []byte("\n\r\n")) && !bytes.Contains(first, []byte("\n\n")) {
		if len(first) == headSize {
			return 0, handOver
		}
		return 0, unknown
	}
	i.from.Reset(first)
	i.buf.Reset(&i.from)
	r, err := http.ReadRequest(i.buf)
	switch {
	case err == io.EOF, errors.Is(err, io.ErrUnexpectedEOF):
		return 0, unknown
	case err != nil, r.ContentLength < 0, r.Header.Get("Expect") != "":
		// Malformed; chunks, whose end only their reader finds; or a sender that
		// waits for the server's word.
		return 0, handOver
	case r.ContentLength > 0 && !i.worth(r):
		return 0, handOver
	}
	header := len(first) - i.from.Len() - i.buf.Buffered()
	return int64(header) + r.ContentLength, wait
}
