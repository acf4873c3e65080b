//go:build linux

package main

import "golang.org/x/sys/unix"

// ports asks for the processor's input and output. It would use neither.
func ports(*event) (tries, error) {
	t := tries{}
	t.note("ioperm", call(unix.SYS_IOPERM, 0x80, 1, 1))
	t.note("iopl", call(unix.SYS_IOPL, 3))
	return t, nil
}

// otherNumbers makes system calls by the numbers of another convention, x32,
// which filters have forgotten.
func otherNumbers(*event) (tries, error) {
	const x32 = 0x40000000
	t := tries{}
	t.note("reboot", call(x32+unix.SYS_REBOOT, 1, 2, 3))
	t.note("chroot", call(x32+unix.SYS_CHROOT, "/"))
	t.note("keyctl", call(x32+unix.SYS_KEYCTL, unix.KEYCTL_GET_KEYRING_ID, unix.KEY_SPEC_SESSION_KEYRING, 0))
	return t, nil
}
