package bench

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// These read what the system tells of a process that is ours, without asking
// it: it may be busy, or not answer yet.

// CPU is the user and system time the process has used.
func (p *Process) CPU() time.Duration { return cpuIn(p.proc("stat")) }

// CPUOf is the user and system time that a process of any kind has used, 0 if
// there is none.
func CPUOf(pid int) time.Duration {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return cpuIn(stat)
}

func cpuIn(stat []byte) time.Duration {
	// The second field, the name in parentheses, may hold spaces.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	const tick = time.Second / 100 // USER_HZ
	return time.Duration(user+system) * tick
}

// RSS is the resident memory of the process in MB (10^6 bytes).
func (p *Process) RSS() float64 { return p.procField("status", "VmRSS:") * 1024 / 1e6 }

// Read is how many bytes the process has read by system calls.
func (p *Process) Read() float64 { return p.procField("io", "rchar:") }

// Alive reports whether the process is ours and was not ended by us.
func (p *Process) Alive() bool { return p.cmd != nil && !p.dead }

func (p *Process) proc(file string) []byte {
	if p.cmd == nil {
		return nil
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.cmd.Process.Pid, file))
	if err != nil {
		return nil
	}
	return text
}

func (p *Process) procField(file, name string) float64 {
	for line := range strings.Lines(string(p.proc(file))) {
		if value, ok := strings.CutPrefix(line, name); ok {
			v, _ := strconv.ParseFloat(strings.Fields(value)[0], 64)
			return v
		}
	}
	return 0
}
