package app

import (
	"bytes"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// releaseProgram lets go of what is mapped of the files that the program itself
// is in: most of what a process at rest would have resident. The pages stay with
// the system as long as it has room, and come back one by one when they are
// used. Only what is mapped as it is in the file is let go.
func releaseProgram() {
	text, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return
	}
	for _, m := range filesOnly(text) {
		_, _, _ = unix.RawSyscall(unix.SYS_MADVISE, m.from, m.to-m.from, unix.MADV_DONTNEED)
	}
}

// mapping is a part of the address space.
type mapping struct{ from, to uintptr }

// filesOnly returns those mappings of smaps that nobody writes to and that hold
// nothing but what is in a file: the linker has written to some that cannot be written
// to any more.
func filesOnly(smaps []byte) (list []mapping) {
	var m mapping
	file := false
	for line := range bytes.Lines(smaps) {
		f := bytes.Fields(line)
		switch {
		case len(f) >= 5 && bytes.IndexByte(f[0], '-') > 0: // address perms offset device inode path
			from, to, _ := bytes.Cut(f[0], []byte("-"))
			m = mapping{address(from), address(to)}
			perms := string(f[1])
			file = (perms == "r-xp" || perms == "r--p") && string(f[4]) != "0" && m.from < m.to
		case file && len(f) >= 2 && string(f[0]) == "Anonymous:" && string(f[1]) == "0":
			list = append(list, m)
		}
	}
	return list
}

func address(hex []byte) uintptr {
	n, _ := strconv.ParseUint(string(hex), 16, 64)
	return uintptr(n)
}
