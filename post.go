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
)

// outcome is what became of one request.
type outcome struct {
	err     error
	again   bool          // the same bytes may succeed later
	after   time.Duration // not before
	refused uint64        // events refused one by one
	detail  string        // which
}

const (
	// headerRefused names the events that were refused: "reason=n …; …".
	headerRefused = "X-Taba-Refused"
	maxAnswer     = 4 << 10         // bytes of an answer that are read
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
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.cfg.URL+"/post", bytes.NewReader(b.bytes))
	if err != nil {
		return outcome{err: fmt.Errorf("taba: %w", err), again: true}
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
	text, _ := io.ReadAll(io.LimitReader(answer.Body, maxAnswer)) // for the error's sake
	return judge(answer, strings.TrimSpace(string(text)))
}

// judge tells what an answer means.
func judge(answer *http.Response, text string) outcome {
	if answer.StatusCode == http.StatusOK {
		header := answer.Header.Get(headerRefused)
		return outcome{refused: countRefused(header), detail: header}
	}
	return outcome{
		err:   fmt.Errorf("taba: %s answered %s: %s", answer.Request.URL.Host, answer.Status, text),
		again: mayRecover(answer.StatusCode),
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
