package chaos

import (
	"context"
	"sync"

	"github.com/tabaproject/taba/internal/child"
)

// process is a server or an agent. It keeps its name, address and directory
// over restarts. One goroutine at a time may use it: the one that holds mu.
type process struct {
	mu sync.Mutex
	*child.Process
	url string
}

func newProcess(name, binary, dir string, args ...string) (*process, error) {
	addr, err := child.FreeAddress()
	if err != nil {
		return nil, err
	}
	p, err := child.New(name, binary, dir, append(args, "--listen", addr)...)
	if err != nil {
		return nil, err
	}
	p.As = "taba"
	return &process{Process: p, url: "http://" + addr}, nil
}

// start starts the process and waits until it is ready.
func (p *process) start(ctx context.Context) error {
	if err := p.Start(); err != nil {
		return err
	}
	return p.Serves(ctx, p.url+"/readyz")
}
