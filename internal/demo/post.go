package demo

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/tabaproject/taba/internal/fleet"
)

// newTransport keeps a connection for every process of a fleet.
func newTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = nil
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, 10_000
	return t
}

func httpClient(t *http.Transport) *http.Client {
	return &http.Client{Transport: t, Timeout: 10 * time.Second}
}

// poster returns a function that posts v1 bodies to an agent.
func poster(t *http.Transport, agentURL string) func(context.Context, []byte) error {
	client := httpClient(t)
	return func(ctx context.Context, body []byte) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, agentURL+"/post", bytes.NewReader(body))
		if err != nil {
			return fmt.Errorf("post to the agent: %w", err)
		}
		resp, err := client.Do(req)
		if err != nil {
			return fmt.Errorf("post to the agent: %w", err)
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		refused := resp.Header.Get("X-Taba-Refused")
		switch {
		case resp.StatusCode == http.StatusServiceUnavailable:
			return fleet.ErrBusy
		case resp.StatusCode != http.StatusOK:
			return fmt.Errorf("the agent answered %s: %s", resp.Status, bytes.TrimSpace(text))
		case refused != "":
			return fmt.Errorf("the agent refused events: %s", refused)
		}
		return nil
	}
}
