//go:build unix

package spool

import (
	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sys/unix"
)

// restrict sets the permissions of an open file; vfs has no way to.
func restrict(f vfs.File, mode uint32) error {
	if f.Fd() == vfs.InvalidFd {
		return nil // not a file of the machine
	}
	return unix.Fchmod(int(f.Fd()), mode)
}
