package bench

import "syscall"

// attributes keep Ctrl-C from a process under measurement, and have it end
// when its parent dies.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
