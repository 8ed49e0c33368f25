package taba

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tabaproject/taba/internal/wire"
)

// outcome is what became of one request.
type outcome struct {
	err     error
	again   bool          // the same bytes may succeed later
	old     bool          // v2 is not known there
	after   time.Duration // not before
	refused uint64        // events refused one by one
	detail  string        // which
}

const (
	// headerRefused names the events that were refused: "reason=n …; …".
	headerRefused = "X-Taba-Refused"
	maxAnswer     = 64 << 10        // bytes of an answer that are read
	maxText       = 4 << 10         // and told
	maxRetryAfter = 2 * time.Minute // however long a server asks for
)

// post sends one body once.
func (c *Client) post(ctx context.Context, b *body) (o outcome) {
	defer func() {
		if p := recover(); p != nil { // of Config.HTTPClient
			o = outcome{err: fmt.Errorf("taba: sending panics: %v", p), again: true}
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	path := "/post"
	if b.v2 {
		path = "/v2/batch"
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.cfg.URL+path, bytes.NewReader(b.bytes))
	if err != nil {
		return outcome{err: fmt.Errorf("taba: %w", err), again: true}
	}
	if b.v2 {
		r.Header.Set("Content-Type", wire.ContentType)
	}
	r.Header.Set("User-Agent", "taba-go")
	if c.cfg.Token != "" {
		r.Header.Set("Authorization", "Bearer "+c.cfg.Token)
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return outcome{err: fmt.Errorf("taba: %w", err), again: true}
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	switch {
	case answer.StatusCode == http.StatusOK && b.v2:
		return judgeReply(text)
	case answer.StatusCode == http.StatusOK:
		header := answer.Header.Get(headerRefused)
		return outcome{refused: countRefused(header), detail: header}
	default:
		return judge(answer, strings.TrimSpace(string(text[:min(len(text), maxText)])))
	}
}

// judgeReply tells what the answer to a body of v2 means, once it is taken.
func judgeReply(message []byte) (o outcome) {
	var reply wire.BatchReply
	if wire.DecodeBatchReply(message, &reply) != nil {
		return o // of a later version; it is taken all the same
	}
	var details []string
	for _, r := range reply.Refused {
		o.refused += r.Events
		details = append(details, fmt.Sprintf("%s=%d of %s", r.Reason, r.Events, strings.Join(r.Tabs, " ")))
	}
	o.detail = strings.Join(details, "; ")
	return o
}

// judge tells what an answer means that is not 200.
func judge(answer *http.Response, text string) outcome {
	return outcome{
		err:   fmt.Errorf("taba: %s answered %s: %s", answer.Request.URL.Host, answer.Status, text),
		again: mayRecover(answer.StatusCode),
		old:   answer.StatusCode == http.StatusNotFound || answer.StatusCode == http.StatusUnsupportedMediaType,
		after: retryAfter(answer.Header.Get("Retry-After")),
	}
}

// mayRecover reports whether a request that was answered so may succeed later,
// as it is: when whoever answers is overloaded, or was set up wrongly.
func mayRecover(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return true
	default:
		return status >= 500 || status < 400
	}
}

func retryAfter(header string) time.Duration {
	seconds, err := strconv.Atoi(header)
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(min(seconds, 3600))*time.Second, maxRetryAfter)
}

// countRefused sums the counts of a headerRefused.
func countRefused(header string) (n uint64) {
	counts, _, _ := strings.Cut(header, ";")
	for field := range strings.FieldsSeq(counts) {
		_, digits, _ := strings.Cut(field, "=")
		if v, err := strconv.ParseUint(digits, 10, 32); err == nil {
			n += v
		}
	}
	return n
}
