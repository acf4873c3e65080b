//go:build amd64 || arm64

package seccomp

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// toWatcher is the descriptor on which watched sends its listener.
const toWatcher = 3

// watched becomes the program of its arguments, behind a filter that asks its
// listener about every call that Load's would refuse.
func watched() error {
	asking := slices.Clone(program)
	for i, in := range asking {
		if in.Code == unix.BPF_RET|unix.BPF_K && in.K&unix.SECCOMP_RET_ACTION_FULL == unix.SECCOMP_RET_ERRNO {
			asking[i].K = unix.SECCOMP_RET_USER_NOTIF
		}
	}
	runtime.LockOSThread() // the filter is this thread's alone, and goes with it through exec
	listener, err := install(asking, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER)
	if err != nil {
		return err
	}
	if err := unix.Sendmsg(toWatcher, []byte{0}, unix.UnixRights(int(listener)), nil, 0); err != nil {
		return err
	}
	unix.CloseOnExec(toWatcher)
	return unix.Exec(os.Args[1], os.Args[1:], os.Environ())
}

// notification and response are struct seccomp_notif and seccomp_notif_resp.
type notification struct {
	ID         uint64
	PID, Flags uint32
	Number     int32
	Arch       uint32
	PC         uint64
	Args       [6]uint64
}

type response struct {
	ID    uint64
	Value int64
	Error int32
	Flags uint32
}

// refusals runs a program to its end and returns which calls it was refused.
func refusals(t *testing.T, args []string) []string {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	theirs := os.NewFile(uintptr(pair[1]), "watched")
	var out bytes.Buffer
	cmd := in(t, "watched", args...)
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = &out, &out, []*os.File{theirs}
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		t.Fatal(err)
	}
	calls, err := watch(t, pair[0])
	if err := errors.Join(err, cmd.Wait()); err != nil {
		t.Fatalf("%v: %s", err, &out)
	}
	return calls
}

// watch receives a listener, and answers what it is asked, as the filter would
// have, until no process of that filter is left.
func watch(t *testing.T, socket int) ([]string, error) {
	rights := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(socket, make([]byte, 1), rights, unix.MSG_CMSG_CLOEXEC)
	if err != nil || n == 0 {
		return nil, fmt.Errorf("no listener came: %w", err)
	}
	message, err := unix.ParseSocketControlMessage(rights[:n])
	if err != nil {
		return nil, err
	}
	fds, err := unix.ParseUnixRights(&message[0])
	if err != nil {
		return nil, err
	}
	listener := fds[0]
	defer unix.Close(listener)

	answer := machine(t, self())
	calls := map[string]bool{}
	for {
		ready := []unix.PollFd{{Fd: int32(listener), Events: unix.POLLIN}}
		if _, err := unix.Poll(ready, -1); err != nil && err != unix.EINTR {
			return nil, err
		}
		if ready[0].Revents&unix.POLLIN == 0 {
			if ready[0].Revents != 0 {
				return slices.Sorted(maps.Keys(calls)), nil
			}
			continue
		}
		var asked notification
		if err := control(listener, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&asked)); err != nil {
			continue // who asked was killed meanwhile
		}
		errno := answer(asked.Arch, uint32(asked.Number), asked.Args[:]...) & unix.SECCOMP_RET_DATA
		calls[describe(asked)] = true
		control(listener, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&response{ID: asked.ID, Error: -int32(errno)}))
	}
}

// describe names a call, and what its rule looked at.
func describe(asked notification) string {
	name, ok := self().SyscallNumbers[int(asked.Number)]
	if !ok {
		return fmt.Sprint("call ", asked.Number)
	}
	for _, r := range rules {
		if r.call != name {
			continue
		}
		arguments := map[uint32]bool{}
		for _, a := range r.any {
			for _, test := range a {
				arguments[test.arg&^upperHalf] = true
			}
		}
		for _, a := range slices.Sorted(maps.Keys(arguments)) {
			name += fmt.Sprintf(" %#x", uint32(asked.Args[a]))
		}
	}
	return name
}

func control(fd int, request uintptr, argument unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(argument)); errno != 0 {
		return errno
	}
	return nil
}
