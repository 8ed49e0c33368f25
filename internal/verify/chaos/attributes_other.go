//go:build unix && !linux

package chaos

import "syscall"

// attributes puts a child out of reach of the terminal's Ctrl-C.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
