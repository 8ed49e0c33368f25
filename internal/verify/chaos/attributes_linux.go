package chaos

import "syscall"

// attributes puts a child out of reach of the terminal's Ctrl-C and ends it
// with its parent.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
