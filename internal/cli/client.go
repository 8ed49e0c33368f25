package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// MaxAnswer bounds what a Client reads of one answer.
const MaxAnswer = 1 << 30

// Client asks one server or agent.
type Client struct {
	URL   string       // "http://127.0.0.1:8300"
	Token string       // bearer token; empty: none
	HTTP  *http.Client // nil: http.DefaultClient
}

// Query is the parameters of a question.
type Query struct {
	Names   []string
	Clients []string
	Regexp  bool // Names and Clients are regular expressions, any of which may match
}

// An UnreachableError says that no answer came at all.
type UnreachableError struct {
	URL string
	Err error
}

func (e *UnreachableError) Error() string {
	err := e.Err
	if u := (*url.Error)(nil); errors.As(err, &u) {
		err = u.Err // its text repeats the whole URL
	}
	return fmt.Sprintf("cannot reach %s: %v; is it running there?", e.URL, err)
}

func (e *UnreachableError) Unwrap() error { return e.Err }

// A StatusError is an answer that refuses.
type StatusError struct {
	URL  string
	Code int
	Text string // the first line of what the server said

	Reason string // a word for it, if the server gave one
	Column int    // in the query that it is about, from 1; 0: nowhere
}

func (e *StatusError) Error() string {
	switch e.Code {
	case http.StatusUnauthorized:
		return fmt.Sprintf("%s wants a token: pass --token or set TABA_TOKEN (%s)", e.URL, e.Text)
	case http.StatusForbidden:
		return fmt.Sprintf("%s refuses this token: %s", e.URL, e.Text)
	}
	return fmt.Sprintf("%s answered %d %s: %s", e.URL, e.Code, http.StatusText(e.Code), e.Text)
}

// A PartialError says that an answer was cut off or lacks something.
type PartialError struct{ What string }

func (e *PartialError) Error() string { return e.What }

// Get asks path and returns the body of the answer, in the form accept names.
func (c *Client) Get(ctx context.Context, path string, q Query, accept string) ([]byte, error) {
	req, err := c.request(ctx, http.MethodGet, path+q.encode(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", accept)
	body, _, err := c.do(req)
	return body, err
}

// JSON asks path and decodes the answer into v.
func (c *Client) JSON(ctx context.Context, path string, q Query, v any) error {
	body, err := c.Get(ctx, path, q, "application/json")
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("%s%s did not answer JSON (%v); is it a Taba server?", c.URL, path, err)
	}
	return nil
}

// Post sends a body and returns the header of the answer.
func (c *Client) Post(ctx context.Context, path string, body []byte) (http.Header, error) {
	req, err := c.request(ctx, http.MethodPost, path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	_, header, err := c.do(req)
	return header, err
}

func (c *Client) request(ctx context.Context, method, path string, body io.Reader) (*http.Request, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("%q is not a URL; write http://host:port", c.URL)
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.URL, "/")+path, body)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", c.URL, err)
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	return req, nil
}

func (c *Client) do(req *http.Request) ([]byte, http.Header, error) {
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, nil, &UnreachableError{URL: c.URL, Err: err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, MaxAnswer+1))
	switch {
	case err != nil:
		return nil, nil, &PartialError{fmt.Sprintf("%s broke off its answer after %d bytes: %v", c.URL, len(body), err)}
	case len(body) > MaxAnswer:
		return nil, nil, &PartialError{fmt.Sprintf("the answer of %s is larger than %d bytes; name the tabs you want", c.URL, MaxAnswer)}
	case resp.StatusCode != http.StatusOK:
		return nil, nil, refused(c.URL, resp.StatusCode, body)
	}
	return body, resp.Header, nil
}

// refused reads an answer that refuses.
func refused(url string, code int, body []byte) *StatusError {
	var refusal struct {
		Error struct {
			Code, Message string
			Column        int
		}
	}
	if json.Unmarshal(body, &refusal) == nil && refusal.Error.Message != "" {
		e := refusal.Error
		return &StatusError{URL: url, Code: code, Text: e.Message, Reason: e.Code, Column: e.Column}
	}
	return &StatusError{URL: url, Code: code, Text: sentence(body)}
}

// sentence is what an answer that refuses says, as text or as JSON.
func sentence(body []byte) string {
	var refusal struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(body, &refusal) == nil && refusal.Error != "" {
		body = []byte(refusal.Error)
	}
	line, _, _ := bytes.Cut(bytes.TrimSpace(body), []byte("\n"))
	if len(line) > 300 {
		line = append(line[:300:300], "…"...)
	}
	return string(line)
}

// encode returns the query string with its question mark, if there is any.
// Commas separate names; one within a name is percent-encoded twice, so that it
// is still encoded when the server splits the list.
func (q Query) encode() string {
	var params []string
	add := func(key string, list []string) {
		switch {
		case len(list) == 0:
		case q.Regexp:
			params = append(params, key+"="+url.QueryEscape(anyOf(list)))
		default:
			escaped := make([]string, len(list))
			for i, name := range list {
				escaped[i] = strings.ReplaceAll(url.QueryEscape(name), "%2C", "%252C")
			}
			params = append(params, key+"="+strings.Join(escaped, ","))
		}
	}
	add("name", q.Names)
	add("client", q.Clients)
	if q.Regexp {
		params = append(params, "re=1")
	}
	if params == nil {
		return ""
	}
	return "?" + strings.Join(params, "&")
}

// anyOf joins regular expressions into one.
func anyOf(list []string) string {
	if len(list) == 1 {
		return list[0]
	}
	return "(?:" + strings.Join(list, ")|(?:") + ")"
}
