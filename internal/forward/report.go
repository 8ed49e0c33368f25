package forward

import (
	"context"

	"github.com/tabaproject/taba/internal/wire"
)

const reportPath = "/v2/agent"

// Report tells a server of the agent. It is not part of a Transport: nothing
// depends on its outcome.
func (h *HTTP) Report(ctx context.Context, server string, r *wire.AgentReport) error {
	return h.post(ctx, server, reportPath, wire.AppendAgentReport(nil, r), func([]byte) error { return nil })
}
