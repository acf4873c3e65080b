//go:build linux

package initproc

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"

	"pinfold.dev/pinfold/internal/sandbox/namespace/seccomp"
)

// openFiles is how many files a function may have open, as on Lambda. Source:
// "Lambda quotas", Lambda developer guide.
const openFiles = 1024

// surrender gives up every privilege, for good. The order matters: without
// capabilities none of the steps before that could be taken any more.
func surrender() error {
	for _, limit := range []struct {
		resource int
		value    uint64
	}{{unix.RLIMIT_NOFILE, openFiles}, {unix.RLIMIT_CORE, 0}} {
		// Where the platform may have less, so has the function.
		var most syscall.Rlimit
		err := syscall.Getrlimit(limit.resource, &most)
		value := min(limit.value, most.Max)
		if err == nil {
			// By way of package syscall, which then does not restore for the command
			// what it found at the start of this process.
			err = syscall.Setrlimit(limit.resource, &syscall.Rlimit{Cur: value, Max: value})
		}
		if err != nil {
			return fmt.Errorf("limiting resource %d to %d: %w", limit.resource, value, err)
		}
	}
	// Same uid as the function: it must not look into this process.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("closing this process to others: %w", err)
	}
	if err := dropCapabilities(); err != nil {
		return fmt.Errorf("dropping capabilities: %w", err)
	}
	if err := seccomp.Load(); err != nil {
		return fmt.Errorf("loading the system call filter: %w", err)
	}
	return nil
}

// dropCapabilities drops those of this thread, from which the command is started.
// The other threads of this process only wait, in a process that nobody may look
// into or debug, behind the same filter; to stop them all for each of some forty
// capabilities took longer than all the mounting.
func dropCapabilities() error {
	for capability := uintptr(0); ; capability++ {
		err := unix.Prctl(unix.PR_CAPBSET_DROP, capability, 0, 0, 0)
		if errors.Is(err, unix.EINVAL) && capability > unix.CAP_AUDIT_READ {
			break // the kernel knows no more
		}
		if err != nil {
			return err
		}
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return err
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	return unix.Capset(&header, &none[0])
}
