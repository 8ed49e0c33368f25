package app

import (
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/tabaproject/taba/internal/statsd"
)

// everybody may connect to a unix socket, as everybody on this host could to a
// port of loopback; a tokens file says who may do what.
const everybody = 0o722

// listenUnix listens on a unix socket, which is removed when it is closed. One
// that nobody listens on any more is replaced.
func listenUnix(path string) (net.Listener, error) {
	if err := statsd.RemoveStale("unix", path); err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	if err := os.Chmod(path, everybody); err != nil {
		return nil, errors.Join(fmt.Errorf("listen on %s: %w", path, err), ln.Close())
	}
	return ln, nil
}
