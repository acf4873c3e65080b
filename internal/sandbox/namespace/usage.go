//go:build linux

package namespace

import (
	"bytes"
	"fmt"
	"os"
	"strconv"

	"pinfold.dev/pinfold/internal/sandbox"
	"pinfold.dev/pinfold/internal/sandbox/procfs"
)

// measureCommand reports what the command of an init has used so far: all that
// can be known where there are no control groups. What it has started itself is
// not in it.
func measureCommand(initPID int) sandbox.Usage {
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", initPID, initPID))
	command, _, _ := bytes.Cut(children, []byte(" ")) // it came before any orphan
	pid, err := strconv.Atoi(string(command))
	if err != nil {
		return sandbox.Usage{} // it has not started, or has ended
	}
	return procfs.Usage(pid)
}
