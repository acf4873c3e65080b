//go:build linux

package namespace

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"pinfold.dev/pinfold/internal/sandbox"
)

// measureCommand reports what the command of an init has used so far: all that
// can be known where there are no control groups. What it has started itself is
// not in it.
func measureCommand(initPID int) (u sandbox.Usage) {
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", initPID, initPID))
	command, _, _ := bytes.Cut(children, []byte(" ")) // it came before any orphan
	pid, err := strconv.Atoi(string(command))
	if err != nil {
		return u // it has not started, or has ended
	}
	var ts unix.Timespec
	if unix.ClockGettime(int32(^pid<<3|2), &ts) == nil { // clock_getcpuclockid(3)
		u.CPU = time.Duration(ts.Nano())
	}
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if _, rest, ok := bytes.Cut(status, []byte("\nVmHWM:")); ok {
		kb, _, _ := bytes.Cut(bytes.TrimSpace(rest), []byte(" "))
		n, _ := strconv.Atoi(string(kb))
		u.PeakMemoryMB = (n + 1023) / 1024
	}
	return u
}
