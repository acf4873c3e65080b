//go:build linux

package initproc

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"

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
		// By way of package syscall, which then does not restore for the command
		// what it found at the start of this process.
		if err := syscall.Setrlimit(limit.resource, &syscall.Rlimit{Cur: limit.value, Max: limit.value}); err != nil {
			return fmt.Errorf("limiting resource %d to %d: %w", limit.resource, limit.value, err)
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

func dropCapabilities() error {
	for capability := uintptr(0); ; capability++ {
		err := everyThread(unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, capability, 0)
		if errors.Is(err, unix.EINVAL) && capability > unix.CAP_BPF {
			break // the kernel knows no more
		}
		if err != nil {
			return err
		}
	}
	if err := everyThread(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0); err != nil {
		return err
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	return everyThread(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&none)), 0)
}

// everyThread makes a system call on all threads of this process. A program
// that is built with cgo, as the race detector is, can do so on this thread
// only; it is the one that the command comes from.
func everyThread(trap, a1, a2, a3 uintptr) error {
	_, _, errno := syscall.AllThreadsSyscall(trap, a1, a2, a3)
	if errno == syscall.ENOTSUP {
		_, _, errno = syscall.RawSyscall(trap, a1, a2, a3)
	}
	if errno != 0 {
		return errno
	}
	return nil
}
