// Package child starts processes that are our own for a while: to be measured,
// or to be killed. What to do with them is its callers' business.
//
// # Concurrency and back-pressure
//
// A Process is used by one goroutine at a time; everything else holds nothing
// and is safe for concurrent use. Should this process be killed, the kernel ends
// its children (on Linux).
package child

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
)

// Prepare makes cmd a private process: it does not see Ctrl-C, which is for its
// parent, it has none of the settings in the parent's environment, so that it does
// not take the addresses and directories of the real one, and, on Linux, it dies
// with its parent.
func Prepare(cmd *exec.Cmd) {
	cmd.SysProcAttr = attributes()
	cmd.Env = []string{}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "TABA_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
}

// ports that were given out, which nobody else in this process gets.
var ports struct {
	mu  sync.Mutex
	out map[int]bool
}

// FreePort returns a port that nobody listens on, at any address. It is below
// those that systems give to connections: one of these could take it while a
// process is down.
func FreePort() (port string, err error) {
	const lowest, many = 12000, 20000
	ports.mu.Lock()
	defer ports.mu.Unlock()
	if ports.out == nil {
		ports.out = map[int]bool{}
	}
	for range 1000 {
		n := lowest + rand.IntN(many)
		if ports.out[n] {
			continue
		}
		var l net.Listener
		if l, err = net.Listen("tcp", ":"+strconv.Itoa(n)); err == nil {
			ports.out[n] = true
			return strconv.Itoa(n), l.Close()
		}
	}
	return "", fmt.Errorf("find a free port: %w", err)
}

// FreeAddress returns an address of loopback with such a port.
func FreeAddress() (addr string, err error) {
	port, err := FreePort()
	return net.JoinHostPort("127.0.0.1", port), err
}
