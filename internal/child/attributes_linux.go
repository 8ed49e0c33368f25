package child

import "syscall"

// attributes keep the terminal's Ctrl-C from a child and end it with its
// parent.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
