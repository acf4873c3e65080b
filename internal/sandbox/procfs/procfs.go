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

// Usage reads the peak of resident memory from /proc and the processor time from
// the process's own clock, whose id is made of the pid as clock_getcpuclockid(3)
// does. What cannot be read, because the process has ended, is zero.
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
	if _, rest, ok := bytes.Cut(status, []byte("\nVmHWM:")); ok {
		line, _, _ := bytes.Cut(rest, []byte(" kB"))
		kb, _ := strconv.Atoi(string(bytes.TrimSpace(line)))
		u.PeakMemoryMB = (kb + 1023) / 1024
	}
	return u
}
