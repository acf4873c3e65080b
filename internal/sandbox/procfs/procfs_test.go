//go:build linux

package procfs

import (
	"os"
	"testing"

	"pinfold.dev/pinfold/internal/sandbox"
)

func TestUsage(t *testing.T) {
	if u := Usage(os.Getpid()); u.PeakMemoryMB <= 0 || u.CPU <= 0 {
		t.Errorf("this process has used %+v", u)
	}
	const nobody = 1 << 22 // one above the kernel's highest pid: PID_MAX_LIMIT
	if u := Usage(nobody); u != (sandbox.Usage{}) {
		t.Errorf("a process that is not there has used %+v", u)
	}
}
