package runtimes

import (
	"os"

	"golang.org/x/sys/unix"
)

// inPipe returns how many bytes have been written to a pipe and not been read.
func inPipe(f *os.File) (n int, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	controlErr := raw.Control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), unix.TIOCINQ) })
	if controlErr != nil {
		return 0, controlErr
	}
	return n, err
}
