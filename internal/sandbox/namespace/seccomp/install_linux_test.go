//go:build amd64 || arm64

package seccomp

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"pinfold.dev/pinfold"
)

// Load gives up, for all threads of the calling process and all that they will
// start, the chance to gain rights by executing a file (no_new_privs), and then
// every system call that list.go does not allow. There is no way back. It needs
// no privilege. After an error nothing foreign must be run in this process.
func Load() error {
	thread, err := install(program, unix.SECCOMP_FILTER_FLAG_TSYNC)
	if err == nil && thread != 0 {
		err = pinfold.Errorf(pinfold.Internal, "cannot load the system call filter: thread %d has a filter of its own", thread)
	}
	return err
}

// install returns what the kernel does: of interest for some flags.
func install(filter []unix.SockFilter, flags uintptr) (uintptr, error) {
	// no_new_privs is set for one thread; the filter takes it to those that it is set for.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return 0, pinfold.Errorf(pinfold.Internal, "cannot set no_new_privs: %w", err)
	}
	p := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	result, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&p)))
	if errno != 0 {
		return 0, pinfold.Errorf(pinfold.Internal, "cannot load the system call filter: %w; the kernel needs CONFIG_SECCOMP_FILTER", errno)
	}
	return result, nil
}
