package gather

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// FuzzRoom sends the bytes of a connection in pieces to a server with a Room
// and, all at once, to one without. Both must answer the same.
func FuzzRoom(f *testing.F) {
	const next = "GET /b HTTP/1.1\r\nHost: x\r\n\r\n"
	for _, text := range []string{
		header + "abcdef", header + "abc", header + "abcdef" + next, next + header + "abcdef", next + next,
		"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + next,
		"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + next,
		"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd" + next,
		"POST /a HTTP/1.1\nHost: x\nContent-Length: 3\n\nabc" + next,
		"POST /a HTTP/1.0\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\nabc" + next,
		"POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc" + next,
		"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc", "POST /a HTTP/1.1\r\nHost: x\r\n X: y\r\n\r\n",
		"GET / HTTP/1.1\r\n\r\n", "\r\n\r\n" + next, "\n\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "",
		"GET /" + strings.Repeat("a", 5000) + " HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		f.Add([]byte(text), []byte{})
		f.Add([]byte(text), []byte{1, 2, 60, 3})
	}
	with := open(f, echo, Options{})
	without := httptest.NewServer(http.HandlerFunc(echo))
	f.Cleanup(without.Close)
	f.Fuzz(func(t *testing.T, text, splits []byte) {
		if len(text) > 16<<10 || len(splits) > 64 {
			return
		}
		want := exchange(t, without.Listener.Addr().String(), [][]byte{text}, func(int) {})
		before := with.file.Written()
		got := exchange(t, with.addr, cut(text, splits), func(sent int) {
			// A piece is on its own if the next one is sent when it has been seen.
			eventually(t, "a piece is in the file or with the server", func() bool {
				if sent == 0 {
					return with.Waiting() == 1
				}
				return with.file.Written()-before >= uint64(sent) || with.Waiting() == 0
			})
		})
		if !bytes.Equal(got, want) {
			t.Errorf("%q in %v:\ngot  %q\nwant %q", text, splits, got, want)
		}
	})
}

// cut cuts text into pieces of the lengths given.
func cut(text, lengths []byte) (pieces [][]byte) {
	for _, n := range lengths {
		n := min(int(n), len(text))
		pieces = append(pieces, text[:n])
		text = text[n:]
	}
	return append(pieces, text)
}

var date = regexp.MustCompile(`Date: [^\r]*\r\n`)

// exchange sends pieces, ends its side and returns what is answered.
func exchange(t *testing.T, addr string, pieces [][]byte, sent func(int)) []byte {
	c := dial(t, addr, "")
	defer c.Close()
	all := 0
	sent(all)
	for _, p := range pieces {
		if _, err := c.Write(p); err != nil {
			break // it was refused
		}
		all += len(p)
		sent(all)
	}
	_ = c.CloseWrite()
	answers, err := io.ReadAll(c)
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
		t.Fatal(err)
	}
	return date.ReplaceAll(answers, nil)
}
