//go:build linux && !race

package ingest

import (
	"syscall"
	"unsafe"
)

// readNow reads from a socket that does not wait. The scheduler is not told: it
// would wake a thread to look after a call that may take long, and as often as
// not that competes with whoever is waiting for our answer.
func readNow(fd int, p []byte) (int, error) { return now(syscall.SYS_READ, fd, p) }

// writeNow writes to a socket likewise.
func writeNow(fd int, p []byte) (int, error) { return now(syscall.SYS_WRITE, fd, p) }

func now(call uintptr, fd int, p []byte) (int, error) {
	n, _, errno := syscall.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
