//go:build amd64 || arm64

package seccomp

import (
	"slices"

	"golang.org/x/sys/unix"
)

// Filter returns the program that a process loads with seccomp(2) to give up
// every system call that list.go does not allow, for itself and all that it will
// start. There is no way back. It needs no privilege but no_new_privs, without
// which a file that is executed could have rights that the filter knows nothing
// of.
func Filter() []unix.SockFilter { return slices.Clone(program) }
