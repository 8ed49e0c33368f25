//go:build unix && !linux

package child

import "syscall"

// attributes keep the terminal's Ctrl-C from a child.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
