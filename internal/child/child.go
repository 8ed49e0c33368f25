// Package child tells how processes are started that are our own for a while:
// to be measured, or to be killed. What to do with them is its callers' business.
// It holds nothing, so it is safe for concurrent use, and never waits.
package child

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strings"
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

// FreeAddress returns an address of loopback that nobody listens on. Its port is
// below those that systems give to connections: one of these could take it while
// a process is down.
func FreeAddress() (addr string, err error) {
	for range 100 {
		var l net.Listener
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 20000+rand.IntN(10000))); err == nil {
			defer l.Close()
			return l.Addr().String(), nil
		}
	}
	return "", fmt.Errorf("find a free port: %w", err)
}
