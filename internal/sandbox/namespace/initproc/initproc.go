//go:build linux

// Package initproc is the first process of a sandbox. It finishes the sandbox
// from inside (proc, shared memory, hostname), drops every privilege that it has
// over it, starts the one command that the sandbox is for, collects orphans, and
// tells how the command ended. When it ends, by itself or because the platform
// has gone, the kernel kills everything else inside.
//
// It is a fork of the keeper that never executes a program: to start one of ours
// would cost more than all the rest of a sandbox (docs/adr/0017). In a fork there
// is one thread of Go's runtime and nothing that a goroutine lives from: no
// scheduler, no memory to be had, no stack that grows. So all that can be
// thought of before is, in ordinary Go, and becomes a list of system calls
// (prepare.go); what runs after the fork (life.go) makes system calls only.
package initproc

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"pinfold.dev/pinfold/internal/sandbox/namespace/message"
)

// Owner is who a sandbox's user is on the host.
type Owner struct {
	UID, GID int
	// Alone says that there are no groups to be left, and no right to.
	Alone bool
}

const namespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS

// cloneArgs is the kernel's struct clone_args. Source: clone(2).
type cloneArgs struct {
	flags, pidfd, childTID, parentTID, exitSignal, stack, stackSize, tls uint64
}

// Fork starts an init that speaks to the platform over the control socket. It
// begins with the namespaces and the root of the thread that run runs functions
// on, from where it takes along nothing else. The caller waits for the process
// that it returns, with its pidfd.
func (p *Plan) Fork(control *os.File, owner Owner, run func(func() error) error) (pid int, pidfd *os.File, err error) {
	raw, err := control.SyscallConn()
	if err != nil {
		return 0, nil, err
	}
	fd := int32(-1)
	args := &cloneArgs{flags: namespaces | unix.CLONE_PIDFD | unix.CLONE_CLEAR_SIGHAND, exitSignal: uint64(unix.SIGCHLD)}
	args.pidfd = uint64(uintptr(unsafe.Pointer(&fd)))
	errno := syscall.Errno(0)
	controlErr := raw.Control(func(control uintptr) {
		err = run(func() error {
			pid, errno = p.fork(args, control)
			return nil
		})
	})
	switch {
	case controlErr != nil:
		return 0, nil, controlErr
	case err != nil:
		return 0, nil, err
	case errno != 0:
		return 0, nil, errno
	}
	_ = unix.SetNonblock(int(fd), true) // so that the platform need not spend a thread on waiting for it
	pidfd = os.NewFile(uintptr(fd), "pidfd")
	if err := owner.take(pid); err != nil {
		_ = syscall.Kill(pid, syscall.SIGKILL)
		_ = pidfd.Close()
		return pid, nil, fmt.Errorf("giving a sandbox its user: %w", err)
	}
	return pid, pidfd, nil
}

// take makes the host's user and group those of a sandbox.
func (o Owner) take(pid int) error {
	dir := "/proc/" + strconv.Itoa(pid) + "/"
	if o.Alone { // user_namespaces(7): who may not leave groups may not let others
		if err := os.WriteFile(dir+"setgroups", []byte("deny"), 0); err != nil {
			return err
		}
	}
	if err := os.WriteFile(dir+"uid_map", fmt.Appendf(nil, "%d %d 1", message.UID, o.UID), 0); err != nil {
		return err
	}
	return os.WriteFile(dir+"gid_map", fmt.Appendf(nil, "%d %d 1", message.GID, o.GID), 0)
}
