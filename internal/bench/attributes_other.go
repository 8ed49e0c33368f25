//go:build unix && !linux

package bench

import "syscall"

// attributes keep Ctrl-C from a process under measurement.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
