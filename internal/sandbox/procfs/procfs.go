//go:build linux

// Package procfs asks the kernel what a single process has used, for the
// sandbox drivers that have no group of processes to ask about.
package procfs

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"pinfold.dev/pinfold/internal/sandbox"
)

// Usage reads what is and was resident in memory from /proc and the processor time
// from the process's own clock, whose id is made of the pid as
// clock_getcpuclockid(3) does. What cannot be read, because the process has
// ended, is zero.
func Usage(pid int) sandbox.Usage {
	var u sandbox.Usage
	var ts unix.Timespec
	if unix.ClockGettime(int32(^pid<<3|2), &ts) == nil {
		u.CPU = time.Duration(ts.Nano())
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return u
	}
	u.PeakMemoryMB, u.MemoryMB = megabytes(status, "\nVmHWM:"), megabytes(status, "\nVmRSS:")
	return u
}

// megabytes returns what a line of /proc/PID/status says, rounded up.
func megabytes(status []byte, key string) int {
	_, rest, _ := bytes.Cut(status, []byte(key))
	line, _, _ := bytes.Cut(rest, []byte(" kB"))
	kb, _ := strconv.Atoi(string(bytes.TrimSpace(line)))
	return (kb + 1023) / 1024
}
