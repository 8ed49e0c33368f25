package cli

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// maxEvent bounds one event of a stream, in bytes.
const maxEvent = 64 << 20

// Follow asks a live query and calls show with every answer, with its text as it
// came, until ctx ends, show fails or the stream ends.
func (c *Client) Follow(ctx context.Context, query string, show func(*Told, []byte) error) error {
	return c.stream(ctx, "/v2/live?q="+url.QueryEscape(query), func(name string, data []byte) error {
		return c.event(name, data, show)
	})
}

// stream asks for a stream of events and calls show with the name and the data of
// each, until ctx ends, show fails or the stream ends.
func (c *Client) stream(ctx context.Context, path string, show func(name string, data []byte) error) error {
	req, err := c.request(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	endless := http.Client{}
	if c.HTTP != nil {
		endless = *c.HTTP
		endless.Timeout = 0 // an answer that goes on is in time
	}
	resp, err := endless.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return &UnreachableError{URL: c.URL, Err: err}
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
		return refused(c.URL, resp.StatusCode, body)
	}
	err = c.events(resp.Body, show)
	if ctx.Err() != nil {
		return nil // whoever watches has seen enough
	}
	return err
}

// events reads a stream of events.
func (c *Client) events(stream io.Reader, show func(name string, data []byte) error) error {
	lines := bufio.NewScanner(stream)
	lines.Buffer(nil, maxEvent)
	var name string
	for lines.Scan() {
		field, value, _ := bytes.Cut(lines.Bytes(), []byte(": "))
		switch string(field) {
		case "event":
			name = string(value)
		case "data":
			if err := show(name, value); err != nil {
				return err
			}
		}
	}
	return &PartialError{fmt.Sprintf("%s broke off the stream: %v", c.URL, lines.Err())}
}

func (c *Client) event(name string, data []byte, show func(*Told, []byte) error) error {
	switch name {
	case "answer":
		told, err := c.told(data)
		if err != nil {
			return err
		}
		return show(told, data)
	case "error":
		return refused(c.URL, http.StatusBadRequest, data)
	}
	return &PartialError{fmt.Sprintf("%s has ended the stream: it is shutting down", c.URL)}
}
